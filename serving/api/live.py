"""Live frames of cameras: one image, a stream of a few a second, and what is followed in them.

They are masked as keyframes are. Who wants to see one without the mask says why, and the audit
trail has it before. There is no old image here: where there is no frame of now, the answer says
how the camera is instead.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from pipelines import LiveOptions
from pipelines.access import AuditError, ReasonedRequest, TokenFile, caller_of
from serving.api.access import api_access
from serving.api.answers import ApiAnswer, Coordinate, Rounded
from serving.api.restricted import trail
from serving.live_frames import MULTIPART, LiveFrames, WatchedFrame, frame_headers

router = APIRouter(tags=["live frames"])
WIDTHS: Final = (320, 640, 960, 1280, 1920)
"""Few, so that who watches the same camera is given the same encoding."""

FULL: Final = LiveOptions(width=WIDTHS[-1], clean=True)
NO_STORE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
IMAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/jpeg": {}}}}

WatchedCamera = Annotated[str, Path(max_length=128)]
Width = Annotated[int, Query(ge=160, le=WIDTHS[-1], description="Pixels at most.")]
WithBoxes = Annotated[bool, Query(description="Draw what is followed into the image.")]
WithPlaces = Annotated[bool, Query(description="Draw zones, lines and masks into the image.")]
ShownPoint = tuple[Coordinate, Coordinate]


class LiveTrackAnswer(ApiAnswer):
    """Something that is followed. `box` is x1 y1 x2 y2 in normalised image coordinates."""

    id: int
    label: str
    score: Rounded
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


class LiveFrameAnswer(ApiAnswer):
    """What is followed in the newest analysed frame.

    `frame` is the number that `CityEye-Frame` has in the answer with its image. Zones and masks are
    corners by name, a line is two points; normalised, like boxes. They are what the rules of the
    camera's worker watch, and so are `directions` by zone and the places of each of the `tasks`.
    """

    camera: str
    state: str
    reason: str
    frame: int
    at: datetime
    age_s: float
    width: int
    height: int
    tracks: tuple[LiveTrackAnswer, ...]
    zones: dict[str, tuple[ShownPoint, ...]]
    masks: dict[str, tuple[ShownPoint, ...]]
    directions: dict[str, tuple[ShownPoint, ...]]
    tasks: dict[str, tuple[str, ...]]


@cache
def live_frames() -> LiveFrames:
    """The live frames of this process."""
    return LiveFrames()


@router.get(
    "/cameras/{camera}/frame.jpg",
    summary="The newest analysed frame of a camera",
    response_class=Response,
    responses=IMAGE,
)
async def show_frame(
    camera: WatchedCamera, width: Width = 1280, boxes: WithBoxes = False, places: WithPlaces = False
) -> Response:
    """Masked; its time and the camera's state are in headers. 503 where there is none of now."""
    watched = await live_frames().newest(camera, LiveOptions(_common(width), boxes, places))
    return Response(watched.frame.jpeg, media_type="image/jpeg", headers=_headers(watched))


@router.post(
    "/cameras/{camera}/frame.jpg",
    summary="The newest analysed frame without its mask",
    response_class=Response,
    responses=IMAGE,
)
async def show_clean_frame(
    camera: WatchedCamera, why: ReasonedRequest, request: Request
) -> Response:
    """The audit trail keeps who saw it and the `reason`. 422 without one."""
    watched = await live_frames().newest(camera, FULL)
    key = f"live/{camera}/{watched.frame.captured_at.isoformat()}"
    try:
        await asyncio.to_thread(trail().note, caller_of(request.scope), key, why.reason)
    except AuditError as error:
        raise HTTPException(503, str(error)) from None
    return Response(watched.frame.jpeg, media_type="image/jpeg", headers=_headers(watched))


@router.get("/cameras/{camera}/frame", summary="What is followed in the newest analysed frame")
async def show_tracks(camera: WatchedCamera) -> LiveFrameAnswer:
    """For who draws boxes over `frame.jpg`. 503 where there is no frame of now."""
    watched = await live_frames().newest(camera, LiveOptions())
    frame = watched.frame
    return LiveFrameAnswer.of(
        frame,
        frame.places,
        watched,
        camera=camera,
        frame=frame.index,
        at=frame.captured_at,
        tracks=[LiveTrackAnswer.of(track) for track in frame.tracks],
    )


@router.get(
    "/cameras/{camera}/live",
    summary="A few frames a second as MJPEG",
    response_class=StreamingResponse,
    responses={200: {"content": {"multipart/x-mixed-replace": {}}}},
)
async def watch(
    request: Request,
    camera: WatchedCamera,
    fps: Annotated[float, Query(ge=0.2, le=5.0)] = 3.0,
    width: Width = 640,
    boxes: WithBoxes = False,
    places: WithPlaces = False,
) -> StreamingResponse:
    """Ends after ten minutes, or when the token does. Where there is no frame it says why instead.

    503 where too many watch already.
    """
    frames, options = live_frames(), LiveOptions(_common(width), boxes, places)
    tokens = TokenFile(api_access().tokens)
    presented = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    frames.check_room()
    parts = frames.stream(camera, options, fps, lambda: tokens.check(presented) is not None)
    return StreamingResponse(parts, media_type=MULTIPART, headers=NO_STORE)


def _common(width: int) -> int:
    """The least of the few widths that is not below one that is asked for."""
    return next(one for one in WIDTHS if one >= width)


def _headers(watched: WatchedFrame) -> dict[str, str]:
    return {**NO_STORE, **frame_headers(watched)}
