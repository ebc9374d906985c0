"""`Stays`: how long each person has been in a zone, through new track ids and short absences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.detections import Box
from pipelines.track import Track

AWAY_S: Final = 10.0
"""How long a person may be out of sight or out of the zone without having left, seconds."""

REACH_HEIGHTS: Final = 0.5
REACH_HEIGHTS_PER_S: Final = 0.5
MAX_REACH_HEIGHTS: Final = 2.0
"""How far from where one was lost a new track may begin to be the same person, in own heights."""

SAME_HEIGHT: Final = 0.6
"""Least height of the smaller of both boxes, as a share of the other."""


@dataclass(slots=True, eq=False)
class Stay:
    """The stay of one person.

    Attributes:
        track: The person as last seen in the zone.
        since_s: Monotonic time at which the person came, seconds.
    """

    track: Track
    since_s: float

    def length_s(self, at_s: float) -> float:
        """How long it has lasted, seconds."""
        return at_s - self.since_s


class Stays:
    """The persons who are in a zone, or were a moment ago."""

    def __init__(self) -> None:
        self._stays: dict[int, Stay] = {}

    def observe(self, inside: Sequence[Track], outside: Sequence[Track], at_s: float) -> list[Stay]:
        """The stays of those who are seen in the zone, and of those who are away for a moment.

        Args:
            inside: The persons in the zone.
            outside: All others in view.
            at_s: Monotonic time, seconds.
        """
        new = [track for track in inside if track.id not in self._stays]
        for track in inside:
            if track.id in self._stays:
                self._stays[track.id].track = track
        if new:
            seen = {track.id for track in (*inside, *outside)}
            lost = [stay for id_, stay in self._stays.items() if id_ not in seen]
            self._begin(new, lost, at_s)
        self._stays = {
            id_: stay
            for id_, stay in self._stays.items()
            if at_s - stay.track.last_seen_s <= AWAY_S
        }
        return list(self._stays.values())

    def _begin(self, new: Sequence[Track], lost: Sequence[Stay], at_s: float) -> None:
        """Goes on with the stays of those who were lost near by, the nearest first."""
        pairs = sorted(
            (_heights_apart(stay.track.box, track), id_, index)
            for id_, track in enumerate(new)
            for index, stay in enumerate(lost)
            if _may_be_same(stay.track, track, at_s)
        )
        continued: dict[int, Stay] = {}
        for _, row, index in pairs:
            if row not in continued and lost[index] not in continued.values():
                continued[row] = lost[index]
        for row, track in enumerate(new):
            stay = continued.get(row)
            if stay is None:
                self._stays[track.id] = Stay(track, at_s)
                continue
            del self._stays[stay.track.id]
            stay.track = track
            self._stays[track.id] = stay


def _may_be_same(lost: Track, new: Track, at_s: float) -> bool:
    absent_s = at_s - lost.last_seen_s
    reach = min(REACH_HEIGHTS + REACH_HEIGHTS_PER_S * absent_s, MAX_REACH_HEIGHTS)
    one, other = lost.box.y2 - lost.box.y1, new.box.y2 - new.box.y1
    return (
        min(one, other) >= SAME_HEIGHT * max(one, other) and _heights_apart(lost.box, new) <= reach
    )


def _heights_apart(box: Box, track: Track) -> float:
    """How far the foot of a track is from that of a box, in heights of the track."""
    (x1, y1), (x2, y2) = box.foot, track.box.foot
    height = max(track.box.y2 - track.box.y1, 1e-6)
    return math.hypot((x2 - x1) * track.aspect, y2 - y1) / height
