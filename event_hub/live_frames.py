"""The routes of the hub for live frames: they come from the city's control API, masked.

A page that shows many cameras asks for single images, as a browser keeps only a few connections to
one server and streams would hold them all. One that shows a single camera reads a stream.
"""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from event_hub.answers import described
from event_hub.city_control import CityControl, ControlAway, control_of, passed_on
from event_hub.errors import StoreUnavailableError
from event_hub.live_relay import MULTIPART, LiveRelay, LiveWish, drawn_query
from event_hub.people.visible import SeenCamera, seen_camera, visible_to
from pipelines.access import is_still_admitted

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
ShownWidth = Annotated[int, Query(ge=160, le=1920, description="Pixels at most.")]


def add_live_frames(router: APIRouter, control: CityControl | None) -> None:
    """Adds the routes; without a control API they say that there is none."""
    _add_stream(router, control)

    @router.get(
        "/api/cameras/{city}/{camera}/frame",
        response_class=Response,
        dependencies=[SeenCamera],
        **described("cameras", "What rules watch and follow in the newest frame", 404, 502, 503),
    )
    async def show_followed(city: str, camera: str) -> Response:
        """Tracks, and zones, masks and directions as its worker has them; see the control API."""
        way = control_of(control, city)
        return await passed_on(lambda: way.get(("cameras", camera, "frame")))

    how = described("cameras", "The newest analysed frame of a camera", 404, 502, 503)
    how["responses"][200] = {"content": {"image/jpeg": {}}}

    @router.get(
        "/api/cameras/{city}/{camera}/frame.jpg",
        response_class=Response,
        dependencies=[SeenCamera],
        **how,
    )
    def show_live_frame(
        city: str,
        camera: str,
        width: ShownWidth = 640,
        boxes: bool = False,
        places: bool = False,
    ) -> Response:
        """Masked; `boxes` draws what is followed, `places` zones, lines and masks.

        Its time and the camera's state are in headers. There is no old image: 503 says why there is
        none of now.
        """
        query = drawn_query(width, boxes, places)
        try:
            answer = control_of(control, city).get(("cameras", camera, "frame.jpg"), query)
        except ControlAway as error:
            raise HTTPException(503, str(error)) from None
        headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        if answer.status == OK:
            return Response(answer.body, media_type="image/jpeg", headers=NO_STORE | headers)
        status = answer.status if answer.status in OF_CAMERA else 502
        raise HTTPException(status, _reason(answer.body), headers=headers)


def _add_stream(router: APIRouter, control: CityControl | None) -> None:
    relay_of = cache(LiveRelay)
    how = described("cameras", "A few frames a second as MJPEG", 404, 502, 503)
    how["responses"][200] = {"content": {MULTIPART: {}}}

    @router.get(
        "/api/cameras/{city}/{camera}/live",
        response_class=StreamingResponse,
        dependencies=[SeenCamera],
        **how,
    )
    async def show_live(
        request: Request,
        city: str,
        camera: str,
        fps: Annotated[float, Query(ge=0.2, le=5.0)] = 3.0,
        width: ShownWidth = 640,
        boxes: bool = False,
        places: bool = False,
    ) -> StreamingResponse:
        """Masked. Ends with the token, or when the camera leaves what its caller sees.

        Each part has the headers of `frame.jpg`; one without `CityEye-Frame` shows in grey why
        there is no frame. However many watch, the city sends it once.
        """
        relay = relay_of(control_of(control, city))
        wish = LiveWish(camera, fps, width, boxes, places)
        media_type, parts = await relay.open(wish, partial(_may_watch, request, city, camera))
        return StreamingResponse(parts, media_type=media_type, headers=NO_STORE)


async def _may_watch(request: Request, city: str, camera: str) -> bool:
    if request.app.state.is_stopping() or not await is_still_admitted(request.scope):
        return False
    try:
        sees = await run_in_threadpool(visible_to, request)
        await run_in_threadpool(seen_camera, city, camera, request, sees)
    except (HTTPException, StoreUnavailableError):
        return False
    return True


def _reason(body: bytes) -> str:
    """The sentence in an answer of the control API."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    return str(detail)[:MAX_REASON] if detail else "the city's control API gives no frame"
