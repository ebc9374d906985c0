"""What the control API answers about rollouts and comparisons, from the director's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipelines.metrics import InferenceMetrics
from pipelines.shadow.agreement import BoxAgreement, IncidentNote, in_one_only
from pipelines.shadow.comparison_state import ComparisonState
from serving.api.answers import ApiAnswer, Rounded
from serving.rollout.rollout import Rollout
from serving.rollout.rollouts import RolloutState


class RolloutAnswer(ApiAnswer, Rollout):
    """The table of one model.

    `cameras` follow it; `leaving` are versions that run until their last camera has left them;
    `absent` says why a version of the table does not run.
    """

    cameras: tuple[str, ...]
    under_way: str
    leaving: tuple[str, ...]
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


def rollout_answer(state: RolloutState) -> RolloutAnswer:
    """A table as the API shows it."""
    return RolloutAnswer.of(state, state.rollout)


def comparison_answer(
    first: str,
    second: str,
    states: Sequence[ComparisonState],
    metrics: Mapping[str, InferenceMetrics],
) -> ComparisonAnswer:
    """All that is known of two `name/version`, camera by camera and in sum."""
    cameras = tuple(_camera(state) for state in states)
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


def _camera(state: ComparisonState) -> CameraComparison:
    only = in_one_only(state.notes)
    sides = [note.side for note in state.notes]
    alone = [note.side for note in only]
    first, second = sides.count("first"), sides.count("second")
    return CameraComparison.of(
        state,
        boxes=BoxAnswer.of(state.boxes),
        # Several short incidents of one version may be one long one of the other.
        incidents_both=min(first - alone.count("first"), second - alone.count("second")),
        incidents_first=first,
        incidents_second=second,
        only=only,
    )


def _cost(model: str, metrics: Mapping[str, InferenceMetrics]) -> CostAnswer:
    own = metrics.get(model, InferenceMetrics())
    return CostAnswer.of(own, model=model, inference_ms_per_image=own.run_ms_per_image)
