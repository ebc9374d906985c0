"""What the control API tells of rollouts and comparisons, made from the director's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipelines.inference_metrics import InferenceMetrics
from pipelines.shadow.agreement import BoxAgreement, IncidentNote, in_one_only
from pipelines.shadow.comparison_state import ComparisonState
from serving.api.answers import Answer
from serving.rollout.rollout import Canary
from serving.rollout.rollouts import RolloutState


class RolloutAnswer(Answer):
    """The table of one model.

    `cameras` follow it; `leaving` are versions that run until their last camera has left them;
    `absent` tells why a version of the table does not run.
    """

    model: str
    stable: str
    previous: str
    canary: Canary | None
    shadow: str
    thresholds: dict[str, float]
    changed_at: datetime | None
    cameras: tuple[str, ...]
    under_way: str
    leaving: tuple[str, ...]
    absent: dict[str, str]


class BoxAnswer(Answer):
    """Agreement of boxes; `share` is that of objects which both saw confidently."""

    frames: int
    both: int
    weak_first: int
    weak_second: int
    only_first: int
    only_second: int
    share: float | None
    mean_overlap: float | None
    mean_score_difference: float | None


class NoteAnswer(Answer):
    """An incident that only one of two versions found; `image` is empty where there is none."""

    side: str
    camera: str
    kind: str
    zone: str
    severity: str
    opened_at: datetime
    ended_at: datetime | None
    image: str


class CameraComparison(Answer):
    """Two versions on one task of one camera. `unseen` frames were not judged by the shadow."""

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
    only: tuple[NoteAnswer, ...]
    images: tuple[str, ...]


class CostAnswer(Answer):
    """What one version costs. `core_ms_per_image` is processor time, which waiting is not in."""

    model: str
    images: int
    requests: int
    errors: int
    run_ms_per_image: float | None
    core_ms_per_image: float | None
    queue_ms: float | None
    provider: str


class ComparisonAnswer(Answer):
    """Two versions that looked at the same frames: `first` in service, `second` its shadow."""

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
    table = state.rollout
    return RolloutAnswer(
        model=table.model,
        stable=table.stable,
        previous=table.previous,
        canary=table.canary,
        shadow=table.shadow,
        thresholds=table.thresholds,
        changed_at=table.changed_at,
        cameras=state.cameras,
        under_way=state.under_way,
        leaving=state.leaving,
        absent=dict(state.absent),
    )


def comparison_answer(
    first: str,
    second: str,
    states: Sequence[ComparisonState],
    figures: Mapping[str, InferenceMetrics],
) -> ComparisonAnswer:
    """All that is known of two `name/version`, camera by camera and in sum."""
    cameras = tuple(_camera(state) for state in states)
    boxes = sum((state.boxes for state in states), BoxAgreement())
    return ComparisonAnswer(
        first=first,
        second=second,
        boxes=_boxes(boxes),
        incidents_both=sum(one.incidents_both for one in cameras),
        only_first=sum(note.side == "first" for one in cameras for note in one.only),
        only_second=sum(note.side == "second" for one in cameras for note in one.only),
        unseen=sum(one.unseen for one in cameras),
        costs=(_cost(first, figures), _cost(second, figures)),
        cameras=cameras,
    )


def _camera(state: ComparisonState) -> CameraComparison:
    only = in_one_only(state.notes)
    sides = [note.side for note in state.notes]
    lone = [note.side for note in only]
    return CameraComparison(
        camera=state.camera,
        task=state.task,
        since=state.since,
        until=state.until,
        boxes=_boxes(state.boxes),
        unseen=state.unseen,
        fault=state.fault,
        # Several short incidents of one version may be one long one of the other.
        incidents_both=min(
            sides.count("first") - lone.count("first"), sides.count("second") - lone.count("second")
        ),
        incidents_first=sides.count("first"),
        incidents_second=sides.count("second"),
        only=tuple(_note(note) for note in only),
        images=state.images,
    )


def _note(note: IncidentNote) -> NoteAnswer:
    return NoteAnswer(
        side=note.side,
        camera=note.camera,
        kind=note.kind,
        zone=note.zone,
        severity=note.severity,
        opened_at=note.opened_at,
        ended_at=note.ended_at,
        image=note.image,
    )


def _boxes(boxes: BoxAgreement) -> BoxAnswer:
    return BoxAnswer(
        frames=boxes.frames,
        both=boxes.both,
        weak_first=boxes.weak_first,
        weak_second=boxes.weak_second,
        only_first=boxes.only_first,
        only_second=boxes.only_second,
        share=_rounded(boxes.share),
        mean_overlap=_rounded(boxes.overlap_sum / boxes.both if boxes.both else None),
        mean_score_difference=_rounded(boxes.score_sum / boxes.both if boxes.both else None),
    )


def _cost(model: str, figures: Mapping[str, InferenceMetrics]) -> CostAnswer:
    own = figures.get(model, InferenceMetrics())
    return CostAnswer(
        model=model,
        images=own.images,
        requests=own.requests,
        errors=own.errors,
        run_ms_per_image=_rounded(own.run_ms_per_image),
        core_ms_per_image=_rounded(own.core_ms_per_image),
        queue_ms=_rounded(own.queue_ms),
        provider=own.provider,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
