"""The routes of the hub for how a camera is reached: they go on to the city's control API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from event_hub.answers import described
from event_hub.camera_changes import JSON_BODY, PROBLEMS
from event_hub.city_control import CityControl, control_of, passed_on
from event_hub.passed_changes import PassedChanges, TriedLogin
from event_hub.people.visible import SeenCamera
from pipelines.access import AuditTrail


def add_camera_connections(
    router: APIRouter, control: CityControl | None, trail: AuditTrail
) -> None:
    """Adds the routes; see `add_camera_changes`."""
    passed = PassedChanges(control, trail)

    @router.get(
        "/api/cameras/{city}/{camera}/connection",
        response_class=Response,
        dependencies=[SeenCamera],
        **described("cameras", "Name, address and login of a camera", 404, 409, 502, 503),
    )
    async def show_camera_connection(city: str, camera: str) -> Response:
        """Without its password, and with the revision that a change has to name."""
        way = control_of(control, city)
        return await passed_on(lambda: way.get(("cameras", camera, "connection")))

    @router.put(
        "/api/cameras/{city}/{camera}/connection",
        response_class=Response,
        dependencies=[SeenCamera],
        openapi_extra=JSON_BODY,
        **described("cameras", "Change name, address or login of a camera", *PROBLEMS),
    )
    async def change_camera_connection(request: Request, city: str, camera: str) -> Response:
        """Body: `revision`, and what is to be different; see the control API."""
        return await passed.change(request, city, "PUT", "cameras", camera, "connection")

    @router.post(
        "/api/cameras/{city}/{camera}/connection/test",
        response_class=Response,
        dependencies=[SeenCamera],
        **described("cameras", "Open a camera at another address", *PROBLEMS),
    )
    async def try_camera_connection(
        request: Request, city: str, camera: str, tried: TriedLogin
    ) -> Response:
        """Codec, size, rate and, with a `reason`, an image without a mask."""
        return await passed.trial(request, city, tried, "cameras", camera, "connection", "test")
