"""Whether what was reported is still seen at its place: for whoever closes a case."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

import ray
from fastapi import APIRouter, HTTPException, Path, Query
from ray.exceptions import RayError

from pipelines import PlaceCheck
from serving.api.answers import ApiAnswer
from serving.director import NAMESPACE
from serving.director_client import all_workers
from serving.worker_actors import actor_name

router = APIRouter(tags=["cameras"])
ASK_TIMEOUT_S: Final = 3.0


class PlaceAnswer(ApiAnswer):
    """What the rules for a kind of incident make of a place now.

    `holds` says whether it is still seen; null where that cannot be known, and `reason` says why.
    `at` is when the newest analysed frame was captured, `situations` how many are still seen.
    """

    camera: str
    kind: str
    place: str
    holds: bool | None
    at: datetime | None
    situations: int
    reason: str


@router.get("/cameras/{camera}/place", summary="Whether something is still seen at a place")
async def check_place(
    camera: Annotated[str, Path(max_length=128)],
    kind: Annotated[str, Query(max_length=128)],
    place: Annotated[str, Query(max_length=128)],
) -> PlaceAnswer:
    """`kind` is that of incidents, `place` the name of a zone or line, as incidents name it."""
    workers = await all_workers()
    home = next((one for one in workers if camera in one.camera_ids), None)
    if home is None:
        raise HTTPException(404, f"there is no camera {camera!r}; GET /cameras lists them")
    worker = actor_name(home.name, home.incarnation, home.node)
    checked = await ask_worker(worker, camera, kind, place)
    if checked is None:
        raise HTTPException(503, f"the worker of camera {camera} does not answer; ask again")
    return PlaceAnswer.of(checked, camera=camera, kind=kind, place=place)


async def ask_worker(actor: str, camera: str, kind: str, place: str) -> PlaceCheck | None:
    """See `CameraWorker.check_place`; None where it does not answer, or has no such camera."""
    try:
        worker: Any = ray.get_actor(actor, namespace=NAMESPACE)
        answer: PlaceCheck | None = await asyncio.wait_for(
            worker.check_place.remote(camera, kind, place), ASK_TIMEOUT_S
        )
    except (ValueError, RayError, TimeoutError):
        return None
    return answer
