"""`Presence`: how many objects are in a zone, although the detector misses one now and then.

A track that is not seen for a moment still counts where it was, unless a track that began since is
there now, which may be the same object under a new id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from models.detections import plain_label
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track, box_iou

MISSED_S: Final = 1.0
"""How long a missed track still counts, seconds."""

TAKEN_IOU: Final = 0.3


class Presence:
    """The objects of one group of labels in one zone."""

    def __init__(self, shape: ZoneShape, labels: frozenset[str]) -> None:
        self._shape = shape
        self._labels = labels
        self._latest: dict[int, Track] = {}

    def observe(self, tracks: Iterable[Track], at_s: float) -> tuple[list[Track], int]:
        """The tracks that are seen in the zone now, and how many objects that makes."""
        seen = [track for track in tracks if plain_label(track.label) in self._labels]
        inside = [track for track in seen if self._shape.contains(track.box.foot)]
        missed = self._missed({track.id for track in seen}, at_s)
        absent = [
            track for track in missed if not any(_may_be_new_id(other, track) for other in seen)
        ]
        self._latest = {track.id: track for track in (*missed, *inside)}
        return inside, len(inside) + len(absent)

    def _missed(self, seen: set[int], at_s: float) -> Sequence[Track]:
        return [
            track
            for track in self._latest.values()
            if track.id not in seen and at_s - track.last_seen_s <= MISSED_S
        ]


def _may_be_new_id(other: Track, track: Track) -> bool:
    """Whether `other` may be the object of the missed `track` under a new id."""
    begun_since = other.first_seen_s > track.last_seen_s
    return begun_since and box_iou(track.box, other.box) >= TAKEN_IOU
