"""Agreement of two models: over boxes of the same frames, and over incidents of the same streets.

Plain values that add up: over frames, tasks, cameras and workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.detections import Detections, overlaps
from pipelines.labels import plain
from pipelines.plan import ModelRef

SAME_OBJECT_IOU = 0.5
INCIDENT_SLACK_S = 15.0
"""Two incidents are one if they are this close: versions confirm at slightly different moments."""

Side = Literal["first", "second"]


@dataclass(frozen=True, slots=True)
class BoxAgreement:
    """How far two versions saw the same in the same frames. Confident: above its own threshold.

    Attributes:
        frames: Frames that both have judged.
        both: Objects that both saw confidently.
        weak_first: Objects of the second that the first saw below its threshold.
        weak_second: Objects of the first that the second saw below its threshold.
        only_first: Objects that only the first saw.
        only_second: Objects that only the second saw.
        overlap_sum: Intersection over union, summed over `both`.
        score_sum: Score of the second minus that of the first, summed over `both`.
    """

    frames: int = 0
    both: int = 0
    weak_first: int = 0
    weak_second: int = 0
    only_first: int = 0
    only_second: int = 0
    overlap_sum: float = 0.0
    score_sum: float = 0.0

    def __add__(self, other: BoxAgreement) -> BoxAgreement:
        return BoxAgreement(
            *(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        )

    @property
    def objects(self) -> int:
        """Objects that at least one of them saw confidently."""
        seen_by_one = self.weak_first + self.weak_second + self.only_first + self.only_second
        return self.both + seen_by_one

    @property
    def share(self) -> float | None:
        """Share of objects that both saw confidently; None without any object."""
        return self.both / self.objects if self.objects else None

    @property
    def disputed(self) -> bool:
        """Whether one saw something that the other did not see at all."""
        return self.only_first + self.only_second > 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one model saw in one frame, boxes in normalised image coordinates."""

    model: ModelRef
    found: Detections

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """Plain class name per box; versions may number their classes differently."""
        names = np.array([plain(label) for label in self.model.labels])
        return np.asarray(names[self.found.class_ids], np.str_)

    @property
    def sure(self) -> npt.NDArray[np.bool_]:
        """Which boxes are above the model's threshold."""
        return np.asarray(self.found.scores > self.model.threshold)


def box_agreement(first: Seen, second: Seen) -> BoxAgreement:
    """Compares the detections of one frame; each box has one partner at most, best overlap first.

    Boxes of both must be in the same coordinates, and reach down to below the thresholds.
    """
    table = overlaps(first.found.boxes, second.found.boxes)
    table = np.where(first.labels[:, None] == second.labels[None, :], table, 0.0)
    sure_first, sure_second = first.sure, second.sure
    # Two weak boxes are noise; they must not take a partner away from a confident one.
    table[~sure_first[:, None] & ~sure_second[None, :]] = 0.0
    both = weak_first = weak_second = 0
    overlap_sum = score_sum = 0.0
    free_first, free_second = sure_first.copy(), sure_second.copy()
    for row, column in _pairs(table):
        free_first[row] = free_second[column] = False
        if sure_first[row] and sure_second[column]:
            both += 1
            overlap_sum += float(table[row, column])
            score_sum += float(second.found.scores[column] - first.found.scores[row])
        elif sure_first[row]:
            weak_second += 1
        else:
            weak_first += 1
    return BoxAgreement(
        frames=1,
        both=both,
        weak_first=weak_first,
        weak_second=weak_second,
        only_first=int(free_first.sum()),
        only_second=int(free_second.sum()),
        overlap_sum=overlap_sum,
        score_sum=score_sum,
    )


def _pairs(table: npt.NDArray[np.float64]) -> Iterable[tuple[int, int]]:
    """Row and column of each pair of boxes that overlap enough, best first, none used twice."""
    rows, columns = np.nonzero(table >= SAME_OBJECT_IOU)
    taken_rows, taken_columns = set[int](), set[int]()
    for index in np.argsort(-table[rows, columns], kind="stable"):
        row, column = int(rows[index]), int(columns[index])
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            yield row, column


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
