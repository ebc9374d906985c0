"""`CameraTracker`: detections become tracks, with real elapsed time instead of frame counts.

Guarantees: an id is never reused and never shared between trackers of a camera; objects of grossly
different classes are never joined; a pause longer than the lost buffer ends every track.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import supervision as sv
from trackers import BaseIoU, ByteTrackTracker

from camera_adapters import Letterbox
from models.detections import Box, Boxes, Detections, pairwise_iou
from pipelines.track import Track, group_of

LOST_S: Final = 2.0
"""How long a track is kept after its last detection, seconds."""

LOST_FRAMES: Final = 2.5
"""The same in analysed frames, for low frame rates."""

BUFFER_FPS: Final = 30.0
"""The library counts its buffer in frames of this rate."""

FILTER_STEPS_PER_FRAME: Final = 2.5
"""Filter steps between two frames: how quickly a new track learns its speed. Found by sweeping
synthetic traffic and crowds at 1 to 10 fps for the fewest broken and swapped tracks."""

THRESHOLD: Final = 0.3
"""Score from which on a detection may begin a track; one below it only continues it."""

HIGH_SCORE, LOW_SCORE = 1.0, 0.5
"""Given to the library instead of scores, so that it does not weigh places by them."""

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
    """What is remembered of a track beyond its box."""

    id: int
    first_seen_s: float
    last_seen_s: float
    votes: dict[str, float] = field(default_factory=dict)

    def vote(self, label: str, score: float) -> str:
        """Counts the label of one detection; gives the one with the greatest sum of scores."""
        self.votes[label] = self.votes.get(label, 0.0) + score
        return max(self.votes, key=lambda known: self.votes[known])


class _Nearness(BaseIoU):
    """Overlap first, nearness second: at low frame rates boxes of one object may not overlap."""

    def _compute(self, boxes_1: Boxes, boxes_2: Boxes) -> npt.NDArray[np.float64]:
        # The size is the side of a square with the area of the box, pixels; at least one.
        sizes_1, sizes_2 = (
            np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0).prod(axis=1))
            for boxes in (boxes_1, boxes_2)
        )
        sizes_1, sizes_2 = sizes_1[:, None], sizes_2[None]
        larger = np.maximum(sizes_1, sizes_2)
        centres_1 = (boxes_1[:, :2] + boxes_1[:, 2:]) / 2
        centres_2 = (boxes_2[:, :2] + boxes_2[:, 2:]) / 2
        away = np.linalg.norm(centres_1[:, None] - centres_2[None], axis=2) / larger
        alike = np.minimum(sizes_1, sizes_2) >= MIN_SIZE_RATIO * larger
        closeness = np.clip(1 - away / REACH_SIZES, 0, 1) * alike
        similarity: npt.NDArray[np.float64] = (
            pairwise_iou(boxes_1, boxes_2) + CLOSENESS_WEIGHT * closeness
        )
        return similarity


class _Group:
    """The objects of one group of labels: one instance of the tracking library."""

    def __init__(self, fps: float, lost_s: float) -> None:
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(lost_s * BUFFER_FPS),
            frame_rate=FILTER_STEPS_PER_FRAME * fps,
            track_activation_threshold=HIGH_SCORE,
            high_conf_det_threshold=HIGH_SCORE,
            minimum_consecutive_frames=CONFIRM_FRAMES,
            minimum_iou_threshold=MIN_SIMILARITY,
            iou=_Nearness(),
        )
        self._lost_s = lost_s
        self._updated_s = 0.0
        self._records: dict[int, _TrackRecord] = {}

    def update(
        self,
        boxes: npt.NDArray[np.float32],
        may_begin: npt.NDArray[np.bool_],
        ids: Iterator[int],
        at_s: float,
    ) -> list[tuple[int, _TrackRecord]]:
        """Row and record of every confirmed track among `boxes` (N, 4), analysis pixels."""
        found = self._tracker.update(
            sv.Detections(
                xyxy=boxes.astype(np.float64),
                confidence=np.where(may_begin, HIGH_SCORE, LOW_SCORE),
                class_id=np.arange(len(boxes)),
            ),
            timestamp=at_s,
        )
        first_s, self._updated_s = self._updated_s, at_s
        records = []
        rows = () if found.class_id is None else found.class_id.tolist()
        keys = () if found.tracker_id is None else found.tracker_id.tolist()
        for row, key in zip(rows, keys, strict=True):
            if key < 0:
                continue
            if key not in self._records:
                self._records[key] = _TrackRecord(next(ids), first_s, at_s)
            self._records[key].last_seen_s = at_s
            records.append((row, self._records[key]))
        self._records = {
            key: record
            for key, record in self._records.items()
            if at_s - record.last_seen_s <= self._lost_s
        }
        return records


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
        normalised = letterbox.to_normalised(detections.boxes)
        tracks = []
        for group, rows in self._rows(detections).items():
            may_begin = detections.scores[rows] >= self.threshold
            if group not in self._groups:
                self._groups[group] = _Group(self._fps, self._lost_s)
            tracker = self._groups[group]
            for row, record in tracker.update(detections.boxes[rows], may_begin, self._ids, at_s):
                index = rows[row]
                score = float(detections.scores[index])
                tracks.append(
                    Track(
                        id=record.id,
                        label=record.vote(self._labels[detections.class_ids[index]], score),
                        box=Box(*map(float, normalised[index])),
                        score=score,
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
        similarity = pairwise_iou(boxes, boxes)
        for row in np.flatnonzero(real).tolist():
            own = rows.setdefault(self._group_of[detections.class_ids[row]], [])
            # A box that is that of a better one under another class name is left out.
            if all(similarity[row, other] < SAME_OBJECT_IOU for other in own):
                own.append(row)
        return rows
