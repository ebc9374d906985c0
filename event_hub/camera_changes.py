"""The routes of the hub that change cameras: they go on to the city's control API.

The hub decides who may, and says on whose behalf it asks. What the control API answers, refusals
with the keys of what is not valid among it, goes back as it is.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from event_hub.access import TABLES
from event_hub.answers import described
from event_hub.city_control import CityControl, control_of, passed_on
from event_hub.passed_changes import PassedChanges, TriedAddress
from event_hub.people.visible import SeenCamera
from pipelines.access import AuditTrail

DrawnKind = Literal["zones", "lines", "masks", "directions"]
PROBLEMS: Final = (404, 409, 422, 502, 503)
JSON_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
TABLE_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TABLES},
    }
}
CheckFirst = Annotated[bool, Query(description="Only say how it would go.")]


def add_camera_changes(router: APIRouter, control: CityControl | None, trail: AuditTrail) -> None:
    """Adds the routes; without a control API they say that there is none.

    The trail keeps who asked for which change before it is passed on; whether the city took it is
    in the versions of its configuration.
    """
    passed = PassedChanges(control, trail)
    change, trial = passed.change, passed.trial

    @router.get(
        "/api/cameras/{city}/{camera}/places",
        response_class=Response,
        dependencies=[SeenCamera],
        **described("cameras", "Zones, lines, masks and schedules of a camera", 404, 502, 503),
    )
    async def show_camera_places(city: str, camera: str) -> Response:
        """With the revision that a change has to name; see the control API."""
        way = control_of(control, city)
        return await passed_on(lambda: way.get(("cameras", camera, "places")))

    @router.put(
        "/api/cameras/{city}/{camera}/places",
        response_class=Response,
        dependencies=[SeenCamera],
        openapi_extra=JSON_BODY,
        **described("cameras", "Draw several kinds of places at once", *PROBLEMS),
    )
    async def change_camera_drawing(request: Request, city: str, camera: str) -> Response:
        """Body: `revision`, and `drawn` with the places by kind. Takes effect at once."""
        return await change(request, city, "PUT", "cameras", camera, "places")

    @router.put(
        "/api/cameras/{city}/{camera}/places/{kind}",
        response_class=Response,
        dependencies=[SeenCamera],
        openapi_extra=JSON_BODY,
        **described("cameras", "Draw zones, lines, masks or directions", *PROBLEMS),
    )
    async def change_camera_places(
        request: Request, city: str, camera: str, kind: DrawnKind
    ) -> Response:
        """Body: `revision`, and `places` with the points by name. Takes effect at once."""
        return await change(request, city, "PUT", "cameras", camera, "places", kind)

    @router.put(
        "/api/cameras/{city}/{camera}/schedules",
        response_class=Response,
        dependencies=[SeenCamera],
        openapi_extra=JSON_BODY,
        **described("cameras", "Say when tasks are armed", *PROBLEMS),
    )
    async def change_camera_schedules(request: Request, city: str, camera: str) -> Response:
        """Body: `revision`, and `schedules` with the spans by task, null for always."""
        return await change(request, city, "PUT", "cameras", camera, "schedules")

    @router.delete(
        "/api/cameras/{city}/{camera}",
        response_class=Response,
        dependencies=[SeenCamera],
        **described("cameras", "Remove a camera", 404, 409, 502, 503),
    )
    async def remove_city_camera(request: Request, city: str, camera: str) -> Response:
        """Its incidents end as `removed`; undo brings it back."""
        return await change(request, city, "DELETE", "cameras", camera)

    @router.post(
        "/api/cameras/{city}",
        response_class=Response,
        openapi_extra=JSON_BODY,
        **described("cameras", "Add cameras", *PROBLEMS),
    )
    async def add_city_cameras(request: Request, city: str, check: CheckFirst = False) -> Response:
        """Body: `cameras`, each with the keys of a configuration. All of them or none."""
        return await change(request, city, "POST", "cameras", query=_checked(check))

    @router.post(
        "/api/cameras/{city}/test",
        response_class=Response,
        **described("cameras", "Open a camera for some seconds", *PROBLEMS),
    )
    async def try_city_camera(request: Request, city: str, tried: TriedAddress) -> Response:
        """Codec, size, rate and, with a `reason`, an image without a mask."""
        return await trial(request, city, tried, "cameras", "test")

    @router.post(
        "/api/cameras/{city}/import",
        response_class=Response,
        openapi_extra=TABLE_BODY,
        **described("cameras", "Add the cameras of a spreadsheet", *PROBLEMS),
    )
    async def import_city_cameras(
        request: Request, city: str, check: CheckFirst = False
    ) -> Response:
        """Body: CSV or XLSX. All rows or none; `rows` has what is wrong with which."""
        kind = request.headers["content-type"].partition(";")[0].strip()
        return await change(
            request, city, "POST", "cameras", "import", query=_checked(check), media_type=kind
        )

    @router.get(
        "/api/config/{city}/versions",
        response_class=Response,
        **described("configuration", "Who changed the configuration, and when", 404, 502, 503),
    )
    async def list_config_changes(city: str) -> Response:
        """The newest first, without values."""
        way = control_of(control, city)
        return await passed_on(lambda: way.get(("config", "versions")))

    @router.post(
        "/api/config/{city}/undo",
        response_class=Response,
        openapi_extra=JSON_BODY,
        **described("configuration", "Take the newest change back", *PROBLEMS),
    )
    async def undo_config_change(request: Request, city: str) -> Response:
        """Body: `revision`, or an empty object. Again and again for the changes before it."""
        return await change(request, city, "POST", "config", "undo")


def _checked(check: bool) -> dict[str, str]:
    return {"check": "true"} if check else {}
