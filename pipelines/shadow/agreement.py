"""Agreement of two models: over boxes of the same frames, and over incidents of the same streets.

Plain values that add up: over frames, tasks, cameras and workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AliasChoices, Field

from models.detections import Detections, matched_pairs, pairwise_iou, plain_label
from pipelines.plan import ModelRef

SAME_OBJECT_IOU = 0.5
INCIDENT_SLACK_S = 15.0
"""Two incidents are one if they are this close: versions confirm at slightly different moments."""

Side = Literal["first", "second"]


def _names(*names: str) -> Any:  # noqa: ANN401 - as pydantic types it
    """The names of a field in a saved file: its own, and that of an earlier version."""
    return Field(validation_alias=AliasChoices(*names))


@dataclass(frozen=True, slots=True)
class BoxAgreement:
    """How far two versions agree on the same frames. Confident: above its own threshold.

    Attributes:
        frames: Frames on which both ran.
        both: Objects that both found with confidence.
        low_confidence_first: Objects of the second that the first found below its threshold.
        low_confidence_second: Objects of the first that the second found below its threshold.
        only_first: Objects that only the first found.
        only_second: Objects that only the second found.
        iou_sum: Intersection over union, summed over `both`.
        score_sum: Score of the second minus that of the first, summed over `both`.
    """

    frames: int = 0
    both: int = 0
    low_confidence_first: Annotated[int, _names("low_confidence_first", "weak_first")] = 0
    low_confidence_second: Annotated[int, _names("low_confidence_second", "weak_second")] = 0
    only_first: int = 0
    only_second: int = 0
    iou_sum: Annotated[float, _names("iou_sum", "overlap_sum")] = 0.0
    score_sum: float = 0.0

    def __add__(self, other: BoxAgreement) -> BoxAgreement:
        return BoxAgreement(
            *(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        )

    @property
    def objects(self) -> int:
        """Objects that at least one of them found with confidence."""
        low_confidence = self.low_confidence_first + self.low_confidence_second
        return self.both + low_confidence + self.only_first + self.only_second

    @property
    def share(self) -> float | None:
        """Share of objects that both found with confidence; None without any object."""
        return self.both / self.objects if self.objects else None

    @property
    def mean_iou(self) -> float | None:
        """Mean over `both`; None without any."""
        return self.iou_sum / self.both if self.both else None

    @property
    def mean_score_difference(self) -> float | None:
        """Mean over `both`; None without any."""
        return self.score_sum / self.both if self.both else None

    @property
    def disputed(self) -> bool:
        """Whether one found something that the other did not find at all."""
        return self.only_first + self.only_second > 0


@dataclass(frozen=True, slots=True)
class ModelDetections:
    """What one model found in one frame, boxes in normalised image coordinates."""

    model: ModelRef
    found: Detections

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """Plain class name per box; versions may number their classes differently."""
        names = np.array([plain_label(label) for label in self.model.labels])
        return np.asarray(names[self.found.class_ids], np.str_)

    @property
    def confident(self) -> npt.NDArray[np.bool_]:
        """Which boxes are above the model's threshold of their class."""
        return np.asarray(self.found.scores > self.model.thresholds[self.found.class_ids])


def box_agreement(first: ModelDetections, second: ModelDetections) -> BoxAgreement:
    """Compares the detections of one frame; each box has one partner at most, best IoU first.

    Boxes of both must be in the same coordinates, and reach down to below the thresholds.
    """
    table = pairwise_iou(first.found.boxes, second.found.boxes)
    table = np.where(first.labels[:, None] == second.labels[None, :], table, 0.0)
    # Two boxes of low confidence are noise; they must not take a partner from a confident one.
    table[~first.confident[:, None] & ~second.confident[None, :]] = 0.0
    rows, columns = matched_pairs(table, SAME_OBJECT_IOU)
    here, there = first.confident[rows], second.confident[columns]
    both = here & there
    scores = second.found.scores[columns] - first.found.scores[rows]
    return BoxAgreement(
        frames=1,
        both=int(both.sum()),
        low_confidence_first=int((~here).sum()),
        low_confidence_second=int((~there).sum()),
        only_first=int(first.confident.sum() - here.sum()),
        only_second=int(second.confident.sum() - there.sum()),
        iou_sum=float(table[rows, columns][both].sum()),
        score_sum=float(scores[both].sum(dtype=np.float64)),
    )


@dataclass(frozen=True, slots=True)
class IncidentNote:
    """An incident of one side: a real one of the version in service, a would-be one of a shadow.

    Attributes:
        id: Incident id, unique within its side.
        image: Name in the gallery of the image of its opening, empty where there is none.
        ended_at: None while it is going on.
    """

    side: Side
    id: str
    camera: str
    kind: str
    zone: str
    severity: str
    opened_at: datetime
    ended_at: datetime | None
    image: str = ""

    def meets(self, other: IncidentNote) -> bool:
        """Whether both can be the same matter: one camera, kind and zone, at the same time."""
        if (self.camera, self.kind, self.zone) != (other.camera, other.kind, other.zone):
            return False
        slack = timedelta(seconds=INCIDENT_SLACK_S)
        return (self.ended_at is None or other.opened_at <= self.ended_at + slack) and (
            other.ended_at is None or self.opened_at <= other.ended_at + slack
        )


def in_one_only(notes: Sequence[IncidentNote]) -> tuple[IncidentNote, ...]:
    """The incidents that have no counterpart on the other side, in their order."""
    by_side = {side: [note for note in notes if note.side == side] for side in ("first", "second")}
    other: dict[Side, Side] = {"first": "second", "second": "first"}
    return tuple(
        note for note in notes if not any(note.meets(one) for one in by_side[other[note.side]])
    )
