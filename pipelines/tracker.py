"""`CameraTracker`: detections become tracks, with real elapsed time instead of frame counts.

The method is ByteTrack's (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every
Detection Box", 2022): detections that may begin a track are matched with all tracks first, the
others with what is left, each time with the greatest sum of similarities. All tracks of a group are
computed at once.

Guarantees: an id is never reused and never shared between trackers of a camera; objects of grossly
different classes are never joined; a pause longer than the lost buffer ends every track.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import compress
from typing import Final

import numpy as np
import numpy.typing as npt

from camera_adapters import Letterbox
from models.detections import Box, Boxes, Detections, pairwise_iou
from pipelines.box_filter import BoxFilter
from pipelines.track import Track, group_of

LOST_S: Final = 2.0
"""How long a track is kept after its last detection, seconds."""

LOST_FRAMES: Final = 2.5
"""The same in analysed frames, for low frame rates."""

FILTER_STEPS_PER_FRAME: Final = 2.5
"""Filter steps between two frames: how quickly a new track learns its speed. Found by sweeping
synthetic traffic and crowds at 1 to 10 fps for the fewest broken and swapped tracks."""

THRESHOLD: Final = 0.3
"""Score from which on a detection may begin a track; one below it only continues it."""

REACH_SIZES: Final = 1.0
"""How far a box may be from where its track is expected, in box sizes, if they do not overlap."""

MIN_SIZE_RATIO: Final = 0.5
CLOSENESS_WEIGHT: Final = 0.02
"""Small, so that boxes that are merely near never outbid boxes that overlap."""

MIN_SIMILARITY: Final = 0.001
SAME_OBJECT_IOU: Final = 0.75
"""Boxes of one group that overlap this much show one object under two class names."""

CONFIRM_FRAMES: Final = 2
EPSILON_S: Final = 1e-4

_Indices = npt.NDArray[np.int64]


@dataclass(slots=True)
class _TrackRecord:
    """What is remembered of a track beyond its box.

    Attributes:
        group: Number of its group of labels.
        label: The one with the greatest sum of scores, empty before the first vote.
        id: 0 until the track is confirmed.
        frames: How many detections in a row it began with; no more are counted once it has an id.
        votes: Sum of the scores by label.
    """

    group: int
    first_seen_s: float
    last_seen_s: float
    label: str = ""
    id: int = 0
    frames: int = 1
    votes: dict[str, float] = field(default_factory=dict)

    def vote(self, label: str, score: float) -> str:
        """Counts the label of one detection; gives the one with the greatest sum of scores."""
        self.votes[label] = self.votes.get(label, 0.0) + score
        if label != self.label:
            self.label = max(self.votes, key=self.votes.__getitem__)
        return self.label


def _closeness(boxes: Boxes, count: int) -> npt.NDArray[np.float64]:
    """Of the first `count` boxes (N + M, 4) with the others: (N, M).

    It is 1 where two boxes of like sizes have one centre, and 0 from `REACH_SIZES` on.
    """
    corner, opposite = boxes[:, :2].T, boxes[:, 2:].T
    sides = opposite - corner
    np.maximum(sides, 1.0, out=sides)
    # The size is the side of a square with the area of the box, pixels.
    sizes = np.sqrt(sides[0] * sides[1])
    larger = np.maximum.outer(sizes[:count], sizes[count:])
    alike = np.minimum.outer(sizes[:count], sizes[count:]) >= MIN_SIZE_RATIO * larger
    centres = corner + opposite
    # Twice the distances, in both directions.
    apart = centres[:, :count, None] - centres[:, None, count:]
    apart *= apart
    away = np.sqrt(apart[0] + apart[1])
    larger *= 2 * REACH_SIZES
    away /= larger
    closeness: npt.NDArray[np.float64] = np.subtract(1.0, away, out=away)
    np.maximum(closeness, 0.0, out=closeness)
    closeness *= alike
    return closeness


def _matched(similarity: npt.NDArray[np.float64], first: int) -> tuple[_Indices, _Indices]:
    """Rows and columns (K,) of the pairs with the greatest sum of similarities (N, M).

    Columns from `first` on get only the rows that those before leave over.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(similarity[:, :first], maximize=True)
    close = similarity[rows, columns] >= MIN_SIMILARITY
    rows, columns = rows[close], columns[close]
    others = similarity.shape[1] - first
    if others and len(rows) < len(similarity):
        free = np.ones(len(similarity), np.bool_)
        free[rows] = False
        left = np.flatnonzero(free)
        more_rows, more_columns = _matched(similarity[left, first:], others)
        rows = np.concatenate((rows, left[more_rows]))
        columns = np.concatenate((columns, first + more_columns))
    return rows, columns


class CameraTracker:
    """Follows the objects that one model sees on one camera. Not thread-safe.

    Attributes:
        threshold: Score from which on a detection may begin a track; may be changed at any time.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        ids: Iterator[int],
        fps: float,
        *,
        threshold: float = THRESHOLD,
        lost_s: float = LOST_S,
    ) -> None:
        """Starts with nothing.

        Args:
            labels: Class names by class id.
            ids: Where ids come from; shared by all trackers of the camera.
            fps: Analysed frames per second that are to be expected.
            threshold: Score from which on a detection may begin a track. Detections
                below it that are passed in only continue one.
            lost_s: How long a track is kept after its last detection.
        """
        # Half a second for those that track, before the first frame, and none for all others.
        import_module("scipy.optimize")
        self._labels = labels
        numbers: dict[frozenset[str], int] = {}
        self._group_of = np.array(
            [numbers.setdefault(group_of(label), len(numbers)) for label in labels], np.int64
        )
        self._ids = ids
        self._steps_per_s = FILTER_STEPS_PER_FRAME * fps
        self.threshold = threshold
        self._lost_s = max(lost_s, LOST_FRAMES / fps)
        self._letterbox: Letterbox | None = None
        self.restart()

    def update(
        self, detections: Detections, letterbox: Letterbox, at_s: float
    ) -> tuple[Track, ...]:
        """Takes one frame's detections.

        Args:
            detections: What the model found, best score first, boxes in pixels of the analysis
                image.
            letterbox: Where the image lies in the analysis image. When it changes, tracks
                start anew: pixels mean something else now.
            at_s: Capture time on the monotonic clock, seconds.

        Returns:
            The confirmed objects that are seen in this frame, boxes normalised.
        """
        if letterbox != self._letterbox or at_s < self._updated_s:
            self.restart()
        self._letterbox = letterbox
        at_s = max(at_s, self._updated_s + EPSILON_S)
        # A network may give anything, and one NaN would stop the tracker.
        finite = np.isfinite(detections.boxes)
        extended = detections.boxes[:, 2:] > detections.boxes[:, :2]
        if np.count_nonzero(finite) + np.count_nonzero(extended) < finite.size + extended.size:
            detections = detections.where(np.all(finite, axis=1) & np.all(extended, axis=1))
        found = self._follow(detections, at_s)
        aspect = letterbox.full.width / letterbox.full.height
        boxes = letterbox.to_normalised(detections.boxes).tolist()
        scores, class_ids = detections.scores.tolist(), detections.class_ids.tolist()
        return tuple(
            Track(
                record.id,
                record.vote(self._labels[class_ids[row]], scores[row]),
                Box._make(boxes[row]),
                scores[row],
                record.first_seen_s,
                at_s,
                aspect,
            )
            for row, record in found
        )

    def restart(self) -> None:
        """Forgets all objects, as after a restart of the stream; ids go on."""
        self._filter = BoxFilter()
        self._records: list[_TrackRecord] = []
        self._updated_s = float("-inf")

    def _follow(self, detections: Detections, at_s: float) -> list[tuple[int, _TrackRecord]]:
        """Row and record of every confirmed track among the detections."""
        self._keep([at_s - record.last_seen_s <= self._lost_s for record in self._records])
        if self._records:
            self._filter.predict((at_s - self._updated_s) * self._steps_per_s)
        self._updated_s = at_s
        groups = self._group_of[detections.class_ids]
        may_begin = int(np.count_nonzero(detections.scores >= self.threshold))
        similarity, doubles = self._compared(detections.boxes, groups)
        tracks, rows = _matched(similarity, may_begin)
        self._filter.correct(tracks, detections.boxes[rows])
        found = []
        for track, row in zip(tracks.tolist(), rows.tolist(), strict=True):
            record = self._records[track]
            record.last_seen_s = at_s
            if not record.id:
                record.frames += 1
                record.id = next(self._ids) if record.frames >= CONFIRM_FRAMES else 0
            if record.id:
                found.append((row, record))
        # What was not confirmed by detections in a row was nothing.
        self._keep([record.id > 0 or record.last_seen_s == at_s for record in self._records])
        new = sorted(set(range(may_begin)).difference(rows.tolist(), doubles))
        if new:
            self._filter.begin(detections.boxes[new])
            self._records += [_TrackRecord(group, at_s, at_s) for group in groups[new].tolist()]
        return found

    def _compared(self, boxes: Boxes, groups: _Indices) -> tuple[npt.NDArray[np.float64], set[int]]:
        """Similarity (N, M) of tracks and detections, and which detections are doubles.

        A double shows the object of a better detection under another class name.

        Args:
            boxes: (M, 4), best first.
            groups: (M,) numbers of their groups of labels.
        """
        count = len(self._records)
        every = np.concatenate((self._filter.boxes.T, boxes.T), axis=1, dtype=np.float64).T
        # Detections are compared with each other in the same step. No pair of two groups is alike.
        alike = pairwise_iou(every, every[count:])
        own = [record.group for record in self._records]
        same_group = np.equal.outer(np.array(own + groups.tolist()), groups)
        alike *= same_group
        same = alike[count:] >= SAME_OBJECT_IOU
        doubles: set[int] = set()
        if np.count_nonzero(same) > len(groups):  # Each is like itself.
            for row, other in zip(*(side.tolist() for side in np.nonzero(same)), strict=True):
                if other < row and other not in doubles:
                    doubles.add(row)
        # Overlap first, nearness second: at low rates boxes of one object may not overlap.
        similarity = _closeness(every, count)
        similarity *= same_group[:count]
        similarity *= CLOSENESS_WEIGHT
        similarity += alike[:count]
        if doubles:
            similarity[:, list(doubles)] = 0.0
        return similarity, doubles

    def _keep(self, kept: list[bool]) -> None:
        if all(kept):
            return
        self._filter.keep([row for row, keeps in enumerate(kept) if keeps])
        self._records = list(compress(self._records, kept))
