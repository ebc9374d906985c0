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
from itertools import compress
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

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


@dataclass(slots=True)
class _TrackRecord:
    """What is remembered of a track beyond its box.

    Attributes:
        id: 0 until the track is confirmed.
        frames: How many detections in a row it began with; no more are counted once it has an id.
        votes: Sum of the scores by label.
    """

    first_seen_s: float
    last_seen_s: float
    id: int = 0
    frames: int = 1
    votes: dict[str, float] = field(default_factory=dict)

    def vote(self, label: str, score: float) -> str:
        """Counts the label of one detection; gives the one with the greatest sum of scores."""
        self.votes[label] = self.votes.get(label, 0.0) + score
        return max(self.votes, key=self.votes.__getitem__)


def _similarity(expected: Boxes, boxes: Boxes) -> npt.NDArray[np.float64]:
    """(N, M). Overlap first, nearness second: at low rates boxes of one object may not overlap."""
    # The size is the side of a square with the area of the box, pixels; at least one.
    sizes_1, sizes_2 = (
        np.sqrt(sides[:, 0] * sides[:, 1])
        for sides in (np.maximum(some[:, 2:] - some[:, :2], 1.0) for some in (expected, boxes))
    )
    larger = np.maximum(sizes_1[:, None], sizes_2)
    alike = np.minimum(sizes_1[:, None], sizes_2) >= MIN_SIZE_RATIO * larger
    centres_1, centres_2 = expected[:, :2] + expected[:, 2:], boxes[:, :2] + boxes[:, 2:]
    apart = (centres_1[:, None] - centres_2) / 2
    away = np.hypot(apart[..., 0], apart[..., 1]) / larger
    closeness = np.maximum(1 - away / REACH_SIZES, 0) * alike
    similarity: npt.NDArray[np.float64] = CLOSENESS_WEIGHT * closeness
    similarity += pairwise_iou(expected, boxes)
    return similarity


class _Group:
    """The objects of one group of labels."""

    def __init__(self, fps: float, lost_s: float) -> None:
        self._steps_per_s = FILTER_STEPS_PER_FRAME * fps
        self._lost_s = lost_s
        self._updated_s = 0.0
        self._filter = BoxFilter()
        self._records: list[_TrackRecord] = []

    def update(
        self,
        boxes: npt.NDArray[np.float32],
        may_begin: npt.NDArray[np.bool_],
        ids: Iterator[int],
        at_s: float,
    ) -> list[tuple[int, _TrackRecord]]:
        """Row and record of every confirmed track among `boxes` (N, 4), analysis pixels."""
        self._keep([at_s - record.last_seen_s <= self._lost_s for record in self._records])
        self._filter.predict((at_s - self._updated_s) * self._steps_per_s)
        self._updated_s = at_s
        first, second = np.flatnonzero(may_begin), np.flatnonzero(~may_begin)
        expected = self._filter.boxes.copy()
        tracks, rows = self._matched(np.arange(len(expected)), expected, boxes, first)
        if len(second) and len(tracks) < len(expected):
            left = np.setdiff1d(np.arange(len(expected)), tracks)
            more_tracks, more_rows = self._matched(left, expected, boxes, second)
            first = np.setdiff1d(first, rows)
            tracks, rows = np.append(tracks, more_tracks), np.append(rows, more_rows)
        elif len(rows):
            first = np.setdiff1d(first, rows)
        if len(tracks):
            self._filter.correct(tracks, boxes[rows])
        found = []
        for track, row in zip(tracks.tolist(), rows.tolist(), strict=True):
            record = self._records[track]
            record.last_seen_s = at_s
            if not record.id:
                record.frames += 1
                record.id = next(ids) if record.frames >= CONFIRM_FRAMES else 0
            if record.id:
                found.append((row, record))
        # What was not confirmed by detections in a row was nothing.
        self._keep([record.id > 0 or record.last_seen_s == at_s for record in self._records])
        self._begin(boxes[first], at_s)
        return found

    def _matched(
        self,
        tracks: npt.NDArray[np.int64],
        expected: Boxes,
        boxes: Boxes,
        rows: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Pairs of `tracks` and `rows` that show one object: (K,) of each."""
        if not len(tracks) or not len(rows):
            return tracks[:0], rows[:0]
        similarity = _similarity(expected[tracks], boxes[rows].astype(np.float64))
        ours, theirs = linear_sum_assignment(similarity, maximize=True)
        close = similarity[ours, theirs] >= MIN_SIMILARITY
        return tracks[ours[close]], rows[theirs[close]]

    def _keep(self, kept: list[bool]) -> None:
        if all(kept):
            return
        self._filter.keep([row for row, keeps in enumerate(kept) if keeps])
        self._records = list(compress(self._records, kept))

    def _begin(self, boxes: Boxes, at_s: float) -> None:
        if len(boxes):
            self._filter.begin(boxes)
            self._records += [_TrackRecord(at_s, at_s) for _ in boxes]


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
        self._labels = labels
        self._group_of = tuple(group_of(label) for label in labels)
        self._ids = ids
        self._fps = fps
        self.threshold = threshold
        self._lost_s = max(lost_s, LOST_FRAMES / fps)
        self._groups: dict[frozenset[str], _Group] = {}
        self._letterbox: Letterbox | None = None
        self._updated_s = float("-inf")

    def update(
        self, detections: Detections, letterbox: Letterbox, at_s: float
    ) -> tuple[Track, ...]:
        """Takes one frame's detections.

        Args:
            detections: What the model found, boxes in pixels of the analysis image.
            letterbox: Where the image lies in the analysis image. When it changes, tracks
                start anew: pixels mean something else now.
            at_s: Capture time on the monotonic clock, seconds.

        Returns:
            The confirmed objects that are seen in this frame, boxes normalised.
        """
        if letterbox != self._letterbox or at_s < self._updated_s:
            self.restart()
        self._letterbox = letterbox
        at_s = self._updated_s = max(at_s, self._updated_s + EPSILON_S)
        aspect = letterbox.full.width / letterbox.full.height
        boxes = letterbox.to_normalised(detections.boxes).tolist()
        scores, class_ids = detections.scores.tolist(), detections.class_ids.tolist()
        tracks = []
        for group, rows in self._rows(detections).items():
            if group not in self._groups:
                self._groups[group] = _Group(self._fps, self._lost_s)
            found = self._groups[group].update(
                detections.boxes[rows],
                detections.scores[rows] >= self.threshold,
                self._ids,
                at_s,
            )
            for row, record in found:
                index = rows[row]
                tracks.append(
                    Track(
                        id=record.id,
                        label=record.vote(self._labels[class_ids[index]], scores[index]),
                        box=Box(*boxes[index]),
                        score=scores[index],
                        first_seen_s=record.first_seen_s,
                        last_seen_s=at_s,
                        aspect=aspect,
                    )
                )
        return tuple(tracks)

    def restart(self) -> None:
        """Forgets all objects, as after a restart of the stream; ids go on."""
        self._groups.clear()
        self._updated_s = float("-inf")

    def _rows(self, detections: Detections) -> dict[frozenset[str], list[int]]:
        """Detections by group; a group that has tracks is there even without detections."""
        rows: dict[frozenset[str], list[int]] = {group: [] for group in self._groups}
        boxes = detections.boxes
        # A network may give anything, and one NaN would stop the tracker.
        real = np.isfinite(boxes).all(axis=1) & np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
        boxes = np.where(real[:, None], boxes, 0)
        alike: dict[int, list[int]] = {}
        # Each pair once: the box with the better score comes first.
        pairs = np.nonzero(np.tril(pairwise_iou(boxes, boxes) >= SAME_OBJECT_IOU, -1))
        for row, other in zip(*(side.tolist() for side in pairs), strict=True):
            alike.setdefault(row, []).append(other)
        for row in np.flatnonzero(real).tolist():
            own = rows.setdefault(self._group_of[detections.class_ids[row]], [])
            # A box that is that of a better one under another class name is left out.
            if row not in alike or not any(other in own for other in alike[row]):
                own.append(row)
        return rows
