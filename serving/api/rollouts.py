"""Routes of the control API for rollouts: tables, their changes, and comparisons of versions."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from models import VERSION_PATTERN
from pipelines import InferenceMetrics, NamedThresholds
from pipelines.shadow import BoxAgreement, ComparisonState, IncidentNote, in_one_only
from serving.api.answers import ApiAnswer, Rounded, ThresholdsAnswer
from serving.api.city_changes import who_asks
from serving.director_client import all_workers, ask_director, change_versions, rollout_states
from serving.rollout.ledger import ChangedBy, LedgerEntry
from serving.rollout.rollout import Rollout, RolloutChange
from serving.rollout.rollouts import RolloutState
from serving.worker_state import WorkerState

COMPARISON_TIMEOUT_S = 30.0

router = APIRouter(tags=["rollouts"])
ModelName = Annotated[str, Path(max_length=128)]
Why = Annotated[str, Query(max_length=300, description="For the ledger.")]
VersionQuery = Annotated[str, Query(pattern=VERSION_PATTERN)]


class WarmAnswer(ApiAnswer):
    """A version that runs on, and until when."""

    version: str
    until: datetime


class RolloutAnswer(ApiAnswer, Rollout):
    """The table of one model.

    `cameras` follow it; `leaving` are versions that run until their last camera has left them;
    `warm` is the one that runs on for a while, so that a rollback to it takes effect at once;
    `absent` says why a version of the table does not run.
    """

    cameras: tuple[str, ...]
    under_way: str
    leaving: tuple[str, ...]
    warm: WarmAnswer | None
    absent: dict[str, str]


class BoxAnswer(ApiAnswer):
    """Agreement of boxes; `share` is that of objects which both found with confidence."""

    frames: int
    both: int
    low_confidence_first: int
    low_confidence_second: int
    only_first: int
    only_second: int
    share: Rounded
    mean_iou: Rounded
    mean_score_difference: Rounded


class CameraComparison(ApiAnswer):
    """Two versions on one task of one camera. `unseen` frames have no result of the shadow.

    `first_thresholds` and `second_thresholds` are those that it was compared with, since `since`.
    `only` are the incidents that only one version found.
    """

    camera: str
    task: str
    since: datetime
    until: datetime
    boxes: BoxAnswer
    unseen: int
    fault: str
    incidents_both: int
    incidents_first: int
    incidents_second: int
    only: tuple[IncidentNote, ...]
    images: tuple[str, ...]
    first_thresholds: ThresholdsAnswer | None
    second_thresholds: ThresholdsAnswer | None


class CostAnswer(ApiAnswer):
    """What one version costs. `core_ms_per_image` is processor time, without waiting.

    `queue_ms` is the mean queue time of a batch.
    """

    model: str
    images: int
    requests: int
    errors: int
    inference_ms_per_image: Rounded
    core_ms_per_image: Rounded
    queue_ms: Rounded
    provider: str


class ComparisonAnswer(ApiAnswer):
    """Two versions on the same frames: `first` in service, `second` its shadow."""

    first: str
    second: str
    boxes: BoxAnswer
    incidents_both: int
    only_first: int
    only_second: int
    unseen: int
    costs: tuple[CostAnswer, CostAnswer]
    cameras: tuple[CameraComparison, ...]


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
async def change_rollout(
    name: ModelName, change: RolloutChange, request: Request, why: Why = ""
) -> RolloutAnswer:
    """Answers when cameras have new routes; 409 where it is refused, and nothing has changed then.

    A version is sent frames only after it was admitted and has answered its golden images.
    """
    return rollout_answer(await change_versions("change_rollout", name, change, _by(request, why)))


@router.post("/models/{name}/promote", summary="Make the canary the stable version")
async def promote(name: ModelName, request: Request, why: Why = "") -> RolloutAnswer:
    """Or the shadow where there is no canary."""
    return rollout_answer(await change_versions("promote", name, _by(request, why)))


@router.post("/models/{name}/rollback", summary="Take the canary back, or the newest promotion")
async def rollback(
    name: ModelName,
    request: Request,
    version: Annotated[str | None, Query(pattern=VERSION_PATTERN)] = None,
    why: Why = "",
) -> RolloutAnswer:
    """With `version`, any admitted one becomes the stable version of all cameras.

    A version is started anew where it does not run any more.
    """
    return rollout_answer(await change_versions("rollback", name, version, _by(request, why)))


@router.get("/models/{name}/ledger", summary="Who changed versions in service, when and why")
async def show_ledger(
    name: ModelName, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[LedgerEntry]:
    """The newest first."""
    return list(await ask_director("ledger", name, limit))


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


def _by(request: Request, why: str) -> ChangedBy:
    return ChangedBy(who_asks(request), " ".join(why.split()))


def summed(workers: list[WorkerState]) -> Mapping[str, InferenceMetrics]:
    """The metrics of all workers by `name/version`."""
    total: dict[str, InferenceMetrics] = {}
    for state in workers:
        for key, one in (state.current.models if state.current else {}).items():
            total[key] = total.get(key, InferenceMetrics()) + one
    return total


def rollout_answer(state: RolloutState) -> RolloutAnswer:
    """A table as the API shows it."""
    warm = WarmAnswer.of(state.warm) if state.warm else None
    return RolloutAnswer.of(state, state.rollout, warm=warm)


def comparison_answer(
    first: str,
    second: str,
    states: Sequence[ComparisonState],
    metrics: Mapping[str, InferenceMetrics],
) -> ComparisonAnswer:
    """All that is known of two `name/version`, camera by camera and in sum."""
    cameras = tuple(_comparison(state) for state in states)
    return ComparisonAnswer(
        first=first,
        second=second,
        boxes=BoxAnswer.of(sum((state.boxes for state in states), BoxAgreement())),
        incidents_both=sum(one.incidents_both for one in cameras),
        only_first=sum(note.side == "first" for one in cameras for note in one.only),
        only_second=sum(note.side == "second" for one in cameras for note in one.only),
        unseen=sum(one.unseen for one in cameras),
        costs=(_cost(first, metrics), _cost(second, metrics)),
        cameras=cameras,
    )


def _comparison(state: ComparisonState) -> CameraComparison:
    only = in_one_only(state.notes)
    sides = [note.side for note in state.notes]
    alone = [note.side for note in only]
    first, second = sides.count("first"), sides.count("second")
    return CameraComparison.of(
        state,
        boxes=BoxAnswer.of(state.boxes),
        first_thresholds=_thresholds(state.first_thresholds),
        second_thresholds=_thresholds(state.second_thresholds),
        # Several short incidents of one version may be one long one of the other.
        incidents_both=min(first - alone.count("first"), second - alone.count("second")),
        incidents_first=first,
        incidents_second=second,
        only=only,
    )


def _thresholds(known: NamedThresholds | None) -> ThresholdsAnswer | None:
    return None if known is None else ThresholdsAnswer.of(known)


def _cost(model: str, metrics: Mapping[str, InferenceMetrics]) -> CostAnswer:
    own = metrics.get(model, InferenceMetrics())
    return CostAnswer.of(own, model=model, inference_ms_per_image=own.run_ms_per_image)
