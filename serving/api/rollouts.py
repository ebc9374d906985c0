"""Routes of the control API for rollouts: tables, their changes, and comparisons of versions."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from models.package import VERSION_PATTERN
from pipelines.metrics import InferenceMetrics
from serving.api.rollout_answers import (
    ComparisonAnswer,
    RolloutAnswer,
    comparison_answer,
    rollout_answer,
)
from serving.director import WorkerState
from serving.director_client import (
    all_workers,
    ask_director,
    change_versions,
    rollout_states,
)
from serving.rollout.rollout import RolloutChange

COMPARISON_TIMEOUT_S = 30.0

router = APIRouter(tags=["rollouts"])
ModelName = Annotated[str, Path(max_length=128)]
VersionQuery = Annotated[str, Query(pattern=VERSION_PATTERN)]


@router.get("/rollouts", summary="The rollout tables of all models")
async def list_rollouts() -> list[RolloutAnswer]:
    """By the name of the model."""
    return [rollout_answer(state) for state in await rollout_states()]


@router.get("/models/{name}/rollout", summary="The rollout table of one model")
async def show_rollout(name: ModelName) -> RolloutAnswer:
    """404 for a model that no camera uses without naming a version."""
    for answer in await list_rollouts():
        if answer.model == name:
            return answer
    raise HTTPException(404, f"there is no rollout of a model {name!r}; GET /rollouts lists them")


@router.post("/models/{name}/rollout", summary="Change canary, shadow or thresholds")
async def change_rollout(name: ModelName, change: RolloutChange) -> RolloutAnswer:
    """Answers when cameras have new routes; 409 where it is refused, and nothing has changed then.

    A version is sent frames only after it was admitted and has answered its golden images.
    """
    return rollout_answer(await change_versions("change_rollout", name, change))


@router.post("/models/{name}/promote", summary="Make the canary the stable version")
async def promote(name: ModelName) -> RolloutAnswer:
    """Or the shadow where there is no canary."""
    return rollout_answer(await change_versions("promote", name))


@router.post("/models/{name}/rollback", summary="Take the canary back, or the newest promotion")
async def rollback(name: ModelName) -> RolloutAnswer:
    """The old version is started anew where it does not run any more."""
    return rollout_answer(await change_versions("rollback", name))


@router.get("/models/{name}/comparison", summary="Compare two versions on the same frames")
async def compare(name: ModelName, first: VersionQuery, second: VersionQuery) -> ComparisonAnswer:
    """`first` is the version in service, `second` its shadow; 404 where they never were."""
    keys = f"{name}/{first}", f"{name}/{second}"
    states = await ask_director("comparisons", *keys, timeout_s=COMPARISON_TIMEOUT_S)
    if not states:
        raise HTTPException(
            404,
            f"{keys[1]} was never a shadow of {keys[0]}; make it one and let it run for a while",
        )
    return comparison_answer(*keys, states, summed(await all_workers()))


@router.get(
    "/comparisons/images/{image}",
    summary="An image that a comparison names",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def show_image(image: Annotated[str, Path(max_length=256)]) -> Response:
    """A full frame with the boxes of both versions drawn in."""
    jpeg = await ask_director("image", image, timeout_s=COMPARISON_TIMEOUT_S)
    if jpeg is None:
        raise HTTPException(404, f"there is no image {image!r}; old ones make room for new")
    return Response(jpeg, media_type="image/jpeg")


def summed(workers: list[WorkerState]) -> Mapping[str, InferenceMetrics]:
    """The metrics of all workers by `name/version`."""
    total: dict[str, InferenceMetrics] = {}
    for state in workers:
        for key, one in (state.snapshot.models if state.snapshot else {}).items():
            total[key] = total.get(key, InferenceMetrics()) + one
    return total
