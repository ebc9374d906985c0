"""All tracks of one tracker in one array: what is remembered of each, and where it is expected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import Detections
from pipelines.association import Indices, Mask, aligned_iou
from pipelines.box_filter import BoxFilter

CONFIRM_SIGHTINGS: Final = 2
"""So many sure detections make a track; weak ones may lie between them, but no miss."""

REST_IOU: Final = 0.6
"""A thing that overlaps its place by less has moved."""

_FIELDS: Final = (
    ("id", np.int64),
    ("group", np.int64),
    ("sightings", np.int64),
    ("first_s", np.float64),
    ("seen_s", np.float64),
    ("sure_s", np.float64),
    ("place", np.float64, 4),
    ("place_s", np.float64),
    ("double_s", np.float64),
    ("rides", np.int64),
    ("riding", np.float64),
)


class TrackTable:
    """The tracks, one row each, oldest first.

    Attributes:
        rows: Structured array (N,) with the fields `id`, 0 until the track is confirmed; `group`,
            number of its group of labels; `sightings`, how often it was seen for sure; `first_s`,
            `seen_s` and `sure_s`, monotonic seconds of its first, its newest and its newest sure
            detection; `place`, the box at which it is since `place_s`; `double_s`, since when it
            shows the same thing as an older track, or infinity; `rides`, id of the cycle it is on,
            or 0; `riding`, how certain that is, 0..1; `votes` (labels,), sum of the scores by
            label.
        filter: Where each of them is expected.
    """

    def __init__(self, labels: int) -> None:
        """Starts empty, for so many labels."""
        self._type = np.dtype([*_FIELDS, ("votes", np.float64, (labels,))])
        self.rows: npt.NDArray[np.void] = np.zeros(0, self._type)
        self.filter = BoxFilter()

    def begin(self, found: Detections, groups: Indices, at_s: float) -> None:
        """Appends a track for each detection; `groups` (K,) are those of their labels."""
        new = np.zeros(len(found), self._type)
        new["group"] = groups
        new["sightings"] = 1
        for moment in ("first_s", "seen_s", "sure_s", "place_s"):
            new[moment] = at_s
        new["double_s"] = np.inf
        new["place"] = found.boxes
        new["votes"][np.arange(len(found)), found.class_ids] = found.scores
        self.rows = np.concatenate((self.rows, new))
        self.filter.begin(found.boxes)

    def see(self, tracks: Indices, found: Detections, sure: Mask, at_s: float) -> None:
        """Notes one detection for each of some tracks (K,); `sure` (K,) says which are sure."""
        rows = self.rows
        self.filter.correct(tracks, found.boxes)
        rows["seen_s"][tracks] = at_s
        rows["votes"][tracks, found.class_ids] += found.scores
        tracks, boxes = tracks[sure], found.boxes[sure]
        rows["sure_s"][tracks] = at_s
        rows["sightings"][tracks] += 1
        moved = aligned_iou(rows["place"][tracks], boxes.astype(np.float64)) < REST_IOU
        if moved.any():
            rows["place"][tracks[moved]] = boxes[moved]
            rows["place_s"][tracks[moved]] = at_s

    def confirm(self, tracks: Indices, ids: Iterator[int]) -> Indices:
        """Gives ids to those of some tracks that were seen often enough; returns them."""
        rows = self.rows
        due = (rows["id"][tracks] == 0) & (rows["sightings"][tracks] >= CONFIRM_SIGHTINGS)
        confirmed = np.sort(tracks[due])
        for row in confirmed.tolist():
            rows["id"][row] = next(ids)
        return confirmed

    def keep(self, kept: Mask) -> None:
        """Forgets all tracks but these (N,)."""
        if not kept.all():
            self.rows = self.rows[kept]
            self.filter.keep(kept)
