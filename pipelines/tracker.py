"""`CameraTracker`: detections become tracks, with real elapsed time instead of frame counts.

The method is ByteTrack's (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every
Detection Box", 2022): detections that may begin a track are matched first, weak ones with what is
left, each time with the greatest sum of likenesses. All tracks are computed at once.

Guarantees: an id is never reused and never shared between trackers of a camera; objects of grossly
different classes are never joined; a weak detection continues a track only where it overlaps it,
and only for a short time, except that of a thing at rest; what shows one thing twice is one track;
a pause longer than the lost buffer ends every track; the same input gives the same tracks.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final

import numpy as np

from camera_adapters import Letterbox
from models.detections import Box, ClassScores, Detections, pairwise_iou
from pipelines.association import Indices, Mask, Reals, assign, closeness, doubles
from pipelines.riders import CHANGE_S, together
from pipelines.track import CYCLES, PERSONS, Track, group_of
from pipelines.track_table import TrackTable

LOST_S: Final = 2.0
"""How long a track is kept after its last detection, seconds."""

LOST_FRAMES: Final = 2.5
"""The same in analysed frames, for low frame rates."""

THRESHOLD: Final = 0.3
"""Score from which on a detection is sure: it may begin a track. A weak one only continues it."""

MIN_IOU: Final = 0.1
"""Boxes that overlap by less are only near."""

REACH_SIZES: Final = 0.1
REACH_SIZES_PER_S: Final = 1.0
MAX_REACH_SIZES: Final = 1.0
"""How far a box may be from where its track is expected, in box sizes, if they do not overlap: the
more, the longer the track was not seen. A new track may be anywhere within the greatest reach."""

CLOSENESS_WEIGHT: Final = 0.2
"""Of nearness beside overlap: enough to choose among boxes that overlap alike, too little for a box
that is merely near to outbid one that overlaps."""

WEAK_IOU: Final = 0.4
"""How much a weak detection must overlap the expected box."""

WEAK_S: Final = 0.6
WEAK_FRAMES: Final = 1.5
"""How long weak detections continue a track since its last sure one, in seconds or in frames."""

REST_S: Final = 1.0
"""A thing that was at its place for so long, seen for sure, is at rest: weak detections continue it
without end. Persons are never at rest: what looks a little like one all the time is a post."""

MERGE_S: Final = 1.0
"""Two tracks that show one thing for so long become the older one, seconds."""

RIDING: Final = 0.5
"""How certain it must be that a person is on a cycle."""

EPSILON_S: Final = 1e-4


class CameraTracker:
    """Follows the objects that one model sees on one camera. Not thread-safe.

    Attributes:
        threshold: Score from which on a detection may begin a track, one for all classes or one
            by class id; may be changed at any time.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        ids: Iterator[int],
        fps: float,
        *,
        threshold: float | ClassScores = THRESHOLD,
        lost_s: float = LOST_S,
    ) -> None:
        """Starts with nothing.

        Args:
            labels: Class names by class id.
            ids: Where ids come from; shared by all trackers of the camera.
            fps: Analysed frames per second that are to be expected.
            threshold: Score from which on a detection may begin a track, for all classes or by
                class id. Detections below it that are passed in only continue one.
            lost_s: How long a track is kept after its last detection.
        """
        # Half a second for those that track, before the first frame, and none for all others.
        import_module("scipy.optimize")
        self._labels = labels
        numbers: dict[frozenset[str], int] = {}
        self._group_of = np.array(
            [numbers.setdefault(group_of(label), len(numbers)) for label in labels], np.int64
        )
        # Groups that no label is of have a number that no track has.
        self._persons, self._cycles = numbers.get(PERSONS, -1), numbers.get(CYCLES, -1)
        self._two_things = np.zeros((len(numbers), len(numbers)), np.bool_)
        if min(self._persons, self._cycles) >= 0:
            self._two_things[self._persons, self._cycles] = True
            self._two_things[self._cycles, self._persons] = True
        self._ids = ids
        self.threshold = threshold
        self._lost_s = max(lost_s, LOST_FRAMES / fps)
        self._weak_s = max(WEAK_S, WEAK_FRAMES / fps)
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
        limits = np.asarray(self.threshold, np.float32)
        sure = detections.scores >= (limits[detections.class_ids] if limits.ndim else limits)
        if (sure[1:] > sure[:-1]).any():
            # What is sure goes before what is not, whatever the scores: one class may need more.
            order = np.argsort(~sure, kind="stable")
            detections, sure = detections.where(order), sure[order]
        tracks, found = self._follow(detections, sure, at_s)
        rows = self._table.rows[tracks]
        aspect = letterbox.full.width / letterbox.full.height
        return tuple(
            Track(track, self._labels[label], Box._make(box), score, first_s, at_s, aspect, rides)
            for track, label, box, score, first_s, rides in zip(
                rows["id"].tolist(),
                rows["votes"].argmax(axis=1).tolist(),
                letterbox.to_normalised(detections.boxes[found]).tolist(),
                detections.scores[found].tolist(),
                rows["first_s"].tolist(),
                rows["rides"].tolist(),
                strict=True,
            )
        )

    def restart(self) -> None:
        """Forgets all objects, as after a restart of the stream; ids go on."""
        self._table = TrackTable(len(self._labels))
        self._updated_s = float("-inf")

    def _follow(self, detections: Detections, sure: Mask, at_s: float) -> tuple[Indices, Indices]:
        """The confirmed tracks that are seen (K,), and the detection of each (K,)."""
        table, elapsed_s = self._table, at_s - self._updated_s
        rows = table.rows
        # What was missed before it was confirmed was nothing.
        goes_on = (rows["id"] > 0) | (rows["seen_s"] == self._updated_s)
        table.keep(goes_on & (at_s - rows["seen_s"] <= self._lost_s))
        count = len(table.rows)
        if count:
            table.filter.predict(elapsed_s, table.rows["seen_s"] < self._updated_s)
        self._updated_s = at_s
        groups = self._group_of[detections.class_ids]
        every = np.concatenate((table.filter.boxes, detections.boxes), dtype=np.float64)
        # Detections are compared with each other in the same step.
        overlap = pairwise_iou(every, every[count:])
        repeats, one_thing = doubles(every[count:], overlap[count:], groups, self._two_things)
        usable = ~repeats
        tracks, found = self._match(every, overlap[:count], groups, sure & usable, ~sure & usable)
        begin = sure & usable
        begin[found] = False
        if one_thing.any():
            found = _better(found, begin, one_thing & np.equal.outer(groups, groups))
            begin[found] = False
            begin &= ~one_thing[:, found].any(axis=1)
            if begin.any():
                begin &= ~np.tril(one_thing & begin, -1).any(axis=1)
        table.see(tracks, detections.where(found), sure[found], at_s)
        confirmed = table.confirm(tracks, self._ids)
        shown = table.rows["id"][tracks] > 0
        shown &= ~self._merged(tracks, one_thing[found[:, None], found], at_s)
        self._ride(tracks[shown], confirmed, elapsed_s)
        if begin.any():
            table.begin(detections.where(begin), groups[begin], at_s)
        tracks, found = tracks[shown], found[shown]
        order = np.argsort(found)
        return tracks[order], found[order]

    def _match(
        self, every: Reals, overlap: Reals, groups: Indices, sure: Mask, weak: Mask
    ) -> tuple[Indices, Indices]:
        """Tracks (K,) and the detection of each (K,).

        Args:
            every: (N + M, 4) expected boxes of the tracks, then those of the detections.
            overlap: (N, M) their IoU.
            groups: (M,) numbers of the detections' groups of labels.
            sure: (M,) those that may continue any track of their group.
            weak: (M,) those that continue them for a while.
        """
        rows = self._table.rows
        confirmed = rows["id"] > 0
        absent_s = self._updated_s - rows["seen_s"]
        reach = np.minimum(REACH_SIZES + REACH_SIZES_PER_S * absent_s, MAX_REACH_SIZES)
        reach[~confirmed] = MAX_REACH_SIZES
        same_group = np.equal.outer(rows["group"], groups)
        likeness = closeness(every, reach)
        likeness *= CLOSENESS_WEIGHT
        likeness += np.where(overlap >= MIN_IOU, overlap, 0.0)
        likeness *= same_group
        # Squared, so that one good pair outbids two that are half as good.
        likeness *= likeness
        tracks, found = assign(likeness, np.flatnonzero(confirmed), np.flatnonzero(sure))
        left = sure.copy()
        left[found] = False
        new = assign(likeness, np.flatnonzero(~confirmed), np.flatnonzero(left))
        rests = rows["sure_s"] - rows["place_s"] >= REST_S
        rests &= rows["group"] != self._persons
        free = rests | (self._updated_s - rows["sure_s"] <= self._weak_s)
        free[tracks] = free[new[0]] = False
        overlap = np.where(overlap >= WEAK_IOU, overlap, 0.0) * same_group
        carried = assign(overlap, np.flatnonzero(free), np.flatnonzero(weak))
        return (
            np.concatenate((tracks, new[0], carried[0])),
            np.concatenate((found, new[1], carried[1])),
        )

    def _merged(self, tracks: Indices, one_thing: Mask, at_s: float) -> Mask:
        """Of some seen tracks (K,), which end because they show the thing of an older one.

        Args:
            tracks: The tracks.
            one_thing: (K, K), which two show one thing in this frame.
            at_s: The time of the frame, seconds.
        """
        rows = self._table.rows
        if not one_thing.any():
            rows["double_s"][tracks] = np.inf
            return np.zeros(len(tracks), np.bool_)
        older = np.less.outer(tracks, tracks).T & (rows["id"][tracks] > 0)
        younger = (one_thing & older).any(axis=1)
        since_s = np.where(younger, np.minimum(rows["double_s"][tracks], at_s), np.inf)
        rows["double_s"][tracks] = since_s
        merged: Mask = at_s - since_s >= MERGE_S
        # Never seen, it is forgotten before the next frame.
        rows["seen_s"][tracks[merged]] = -np.inf
        return merged

    def _ride(self, seen: Indices, confirmed: Indices, elapsed_s: float) -> None:
        """Notes which of the tracks that are seen are persons on a cycle."""
        rows = self._table.rows
        persons = seen[rows["group"][seen] == self._persons]
        cycles = np.flatnonzero((rows["group"] == self._cycles) & (rows["id"] > 0))
        if not len(persons):
            return
        cycle, sign = together(
            self._table.filter.boxes, self._table.filter.velocities, persons, cycles
        )
        riding = rows["riding"][persons] + sign * elapsed_s / CHANGE_S
        if len(confirmed):
            new = np.isin(persons, confirmed)
            riding[new] = sign[new] >= 0
        rows["riding"][persons] = np.clip(riding, 0.0, 1.0, out=riding)
        rides = np.where(sign >= 0, rows["id"][cycle], rows["rides"][persons])
        rows["rides"][persons] = np.where(riding >= RIDING, rides, 0)


def _better(found: Indices, free: Mask, one_thing: Mask) -> Indices:
    """The detections of the tracks, each replaced by a free better one that shows the same thing.

    Args:
        found: (K,) rows of the detections, which are ordered by score: a lower row is a better one.
        free: (M,) the detections that may be taken.
        one_thing: (M, M) which two of one group show one thing.
    """
    candidates = one_thing[found] & free
    if not candidates.any():
        return found
    found, free = found.copy(), free.copy()
    for index in np.flatnonzero(candidates.any(axis=1)).tolist():
        better = np.flatnonzero(one_thing[found[index], : found[index]] & free[: found[index]])
        if len(better):
            found[index] = better[0]
            free[better[0]] = False
    return found
