"""`Stays`: how long each person has been in a zone, through new track ids and short absences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.detections import Box
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.track import Track

AWAY_S: Final = 10.0
AWAY_FRAMES: Final = 2.5
"""How long a person may be out of sight or out of the zone without having left, s or frames."""

REACH_HEIGHTS: Final = 0.5
REACH_HEIGHTS_PER_S: Final = 0.3
MAX_REACH_HEIGHTS: Final = 1.5
"""How far from where one was lost a new track may begin to be the same person, in own heights."""

EDGE: Final = 0.01
"""A box so near to the edge of the image comes or leaves, and goes on with nobody's stay."""

CROWDED_HEIGHTS: Final = 1.0
DOUBTS: Final = 1
DOUBTS_PER_S: Final = 1 / 60
"""Where another person is so near, the new track may be somebody else. A stay with more doubts than
these is known of nobody: in a dense crowd stays would otherwise go over from one to the next."""

SAME_HEIGHT: Final = 0.6
"""Least height of the smaller of both boxes, as a share of the other."""


@dataclass(slots=True, eq=False)
class Stay:
    """The stay of one person.

    Attributes:
        track: The person as last seen in the zone.
        since_s: Monotonic time at which the person came, seconds.
        doubts: How often it went on with a track that may have been somebody else.
    """

    track: Track
    since_s: float
    doubts: int = 0

    def length_s(self, at_s: float) -> float:
        """How long it has lasted, seconds."""
        return at_s - self.since_s

    def is_known(self, at_s: float) -> bool:
        """Whether it is one person's."""
        return self.doubts <= DOUBTS + DOUBTS_PER_S * self.length_s(at_s)


class Stays:
    """The persons who are in a zone, or were a moment ago."""

    def __init__(self) -> None:
        self._stays: dict[int, Stay] = {}
        self._last_s = math.inf

    def observe(self, inside: Sequence[Track], outside: Sequence[Track], at_s: float) -> list[Stay]:
        """The stays of those who are seen in the zone, and of those who are away for a moment.

        Stays that may be several persons' are left out.

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
            seen = (*inside, *outside)
            ids = {track.id for track in seen}
            lost = [stay for id_, stay in self._stays.items() if id_ not in ids]
            self._begin(new, lost, seen, at_s)
        away_s = max(AWAY_S, AWAY_FRAMES * min(at_s - self._last_s, MAX_GAP_S))
        self._last_s = at_s
        self._stays = {
            id_: stay
            for id_, stay in self._stays.items()
            if at_s - stay.track.last_seen_s <= away_s
        }
        return [stay for stay in self._stays.values() if stay.is_known(at_s)]

    def _begin(
        self, new: Sequence[Track], lost: Sequence[Stay], seen: Sequence[Track], at_s: float
    ) -> None:
        """Goes on with the stays of those who were lost near by, the nearest first."""
        pairs = sorted(
            (_heights_apart(stay.track.box, track), row, index)
            for row, track in enumerate(new)
            for index, stay in enumerate(lost)
            if _may_be_same(stay.track, track, at_s)
        )
        continued: dict[int, int] = {}
        for _, row, index in pairs:
            if row not in continued and index not in continued.values():
                continued[row] = index
        for row, track in enumerate(new):
            stay = Stay(track, at_s)
            if row in continued:
                stay = self._stays.pop(lost[continued[row]].track.id)
                others = sum(other is not track and _is_near(other, track) for other in seen)
                stay.doubts += others > 0 or sum(pair[1] == row for pair in pairs) > 1
                stay.track = track
            self._stays[track.id] = stay


def _may_be_same(lost: Track, new: Track, at_s: float) -> bool:
    if _is_at_edge(lost.box) or _is_at_edge(new.box):
        return False
    absent_s = at_s - lost.last_seen_s
    reach = min(REACH_HEIGHTS + REACH_HEIGHTS_PER_S * absent_s, MAX_REACH_HEIGHTS)
    one, other = lost.box.y2 - lost.box.y1, new.box.y2 - new.box.y1
    return (
        min(one, other) >= SAME_HEIGHT * max(one, other) and _heights_apart(lost.box, new) <= reach
    )


def _is_at_edge(box: Box) -> bool:
    return box.x1 <= EDGE or box.x2 >= 1 - EDGE or box.y2 >= 1 - EDGE


def _is_near(other: Track, track: Track) -> bool:
    return _heights_apart(other.box, track) <= CROWDED_HEIGHTS


def _heights_apart(box: Box, track: Track) -> float:
    """How far the foot of a track is from that of a box, in heights of the track."""
    (x1, y1), (x2, y2) = box.foot, track.box.foot
    height = max(track.box.y2 - track.box.y1, 1e-6)
    return math.hypot((x2 - x1) * track.aspect, y2 - y1) / height
