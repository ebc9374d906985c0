"""The route of the hub for live frames: they come from the city's control API, masked.

A page that shows many cameras asks for single images, as a browser keeps only a few connections to
one server and streams would hold them all.
"""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Response

from event_hub.answers import described
from event_hub.camera_seen import check_seen
from event_hub.city_control import CityControl, ControlAway, control_of
from event_hub.people.visible import Sees
from event_hub.store import EventStore

PASSED_ON: Final = (
    "cityeye-state",
    "cityeye-reason",
    "cityeye-frame",
    "cityeye-frame-at",
    "cityeye-frame-age",
    "cityeye-masked",
    "retry-after",
)
NO_STORE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
OK: Final = 200
OF_CAMERA: Final = (404, 503)
"""What the control API says of a camera, and not of the hub's own token."""

MAX_REASON: Final = 500


def add_live_frames(router: APIRouter, store: EventStore, control: CityControl | None) -> None:
    """Adds the route; without a control API it says that there is none."""
    how = described("cameras", "The newest analysed frame of a camera", 404, 502, 503)
    how["responses"][200] = {"content": {"image/jpeg": {}}}

    @router.get("/api/cameras/{city}/{camera}/frame.jpg", response_class=Response, **how)
    def show_live_frame(
        city: str,
        camera: str,
        sees: Sees,
        width: Annotated[int, Query(ge=160, le=1920)] = 640,
        boxes: bool = False,
        places: bool = False,
    ) -> Response:
        """Masked; `boxes` draws what is followed, `places` zones, lines and masks.

        Its time and the camera's state are in headers. There is no old image: 503 says why there is
        none of now.
        """
        check_seen(store, sees, city, camera)
        query = {
            "width": str(width),
            "boxes": str(boxes).lower(),
            "places": str(places).lower(),
        }
        try:
            answer = control_of(control, city).get(("cameras", camera, "frame.jpg"), query)
        except ControlAway as error:
            raise HTTPException(503, str(error)) from None
        headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        if answer.status == OK:
            return Response(answer.body, media_type="image/jpeg", headers=NO_STORE | headers)
        status = answer.status if answer.status in OF_CAMERA else 502
        raise HTTPException(status, _reason(answer.body), headers=headers)


def _reason(body: bytes) -> str:
    """The sentence in an answer of the control API."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    return str(detail)[:MAX_REASON] if detail else "the city's control API gives no frame"
