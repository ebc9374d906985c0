"""`ZonePassages`: which vehicles have passed a zone, each counted once whatever its track ids.

A vehicle that is lost and comes back under another id, where it is to be expected, goes on. One
that stops in the zone is counted when it leaves, one that never moves is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from models.detections import Box
from pipelines.rules.zone import ImagePoint
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track

LOST_S: Final = 4.0
"""How long a vehicle that is missed is expected to come back, seconds."""

LOST_STANDING_S: Final = 30.0
"""The same for one that stood when it was last seen."""

PACE_S: Final = 1.0
"""Over this time a pace is measured, seconds."""

REACH_HEIGHTS: Final = 1.2
REACH_HEIGHTS_PER_S: Final = 0.6
"""How far it may be from where it is expected, in heights of its box."""

SIZE_RATIO: Final = 2.0
"""How much larger or smaller it may be."""

STANDS_HEIGHTS_PER_S: Final = 0.15
MOVED_HEIGHTS: Final = 0.6
"""Who has moved by less, in heights of the box, has not passed."""


@dataclass(slots=True)
class ZonePassage:
    """A vehicle in the zone.

    Attributes:
        track: Its newest track id.
        begun: Where it was first.
        box: Where it was last.
        aspect: Width over height of the image.
        seen_s: When it was seen last, monotonic seconds.
        pace: Of its foot, in image heights per second.
        waited: Whether it has stood in the zone.
        has_passed: Whether it has been counted.
    """

    track: int
    begun: ImagePoint
    box: Box
    aspect: float
    seen_s: float
    pace: tuple[float, float] = (0.0, 0.0)
    waited: bool = False
    has_passed: bool = False
    _pace_from: ImagePoint = (0.0, 0.0)
    _pace_s: float = -math.inf

    def see(self, track: Track, at_s: float) -> None:
        """Notes where it is."""
        if self._pace_s == -math.inf:
            self._pace_from, self._pace_s = track.box.foot, at_s
        elif at_s - self._pace_s >= PACE_S:
            span_s = at_s - self._pace_s
            x, y = _between(self._pace_from, track.box.foot, self.aspect)
            self.pace = x / span_s, y / span_s
            self._pace_from, self._pace_s = track.box.foot, at_s
        self.track, self.box, self.seen_s = track.id, track.box, at_s

    @property
    def height(self) -> float:
        """Of its box."""
        return max(self.box.y2 - self.box.y1, 1e-6)

    @property
    def has_moved(self) -> bool:
        """Whether it is elsewhere than at first."""
        moved = math.hypot(*_between(self.begun, self.box.foot, self.aspect))
        return moved >= MOVED_HEIGHTS * self.height

    @property
    def waits_for_s(self) -> float:
        """How long it is expected to come back when it is missed, seconds."""
        stands = math.hypot(*self.pace) < STANDS_HEIGHTS_PER_S * self.height
        return LOST_STANDING_S if stands else LOST_S

    def misses(self, track: Track, at_s: float) -> float | None:
        """How far a track is from where this one is expected, in heights; None if it is another."""
        height, away_s = track.box.y2 - track.box.y1, at_s - self.seen_s
        if not 1 / SIZE_RATIO <= height / self.height <= SIZE_RATIO:
            return None
        x, y = _between(self.box.foot, track.box.foot, self.aspect)
        off = math.hypot(x - self.pace[0] * away_s, y - self.pace[1] * away_s) / self.height
        return off if off <= REACH_HEIGHTS + REACH_HEIGHTS_PER_S * min(away_s, LOST_S) else None


class ZonePassages:
    """Those of one zone."""

    def __init__(self, shape: ZoneShape) -> None:
        self._shape = shape
        self._open: dict[int, ZonePassage] = {}

    def observe(
        self, vehicles: Iterable[Track], waiting: frozenset[int], at_s: float
    ) -> list[ZonePassage]:
        """Takes one frame; gives who has passed the zone since the one before.

        Args:
            vehicles: All vehicles of the camera, each once.
            waiting: Track ids of those that stand.
            at_s: Monotonic time, seconds.
        """
        passed: list[ZonePassage] = []
        strangers = []
        for track in vehicles:
            inside, passage = self._shape.contains(track.box.foot), self._open.get(track.id)
            if passage is None:
                if inside:
                    strangers.append(track)
                continue
            passage.see(track, at_s)
            passage.waited = passage.waited or track.id in waiting
            if not inside and passage.has_moved and not passage.has_passed:
                passage.has_passed = True
                passed.append(passage)
        for track in strangers:
            passage = self._continued(track, at_s)
            if passage is None:
                passage = ZonePassage(track.id, track.box.foot, track.box, track.aspect, at_s)
            self._open[track.id] = passage
            passage.see(track, at_s)
        return passed + self._end_lost(at_s)

    def _continued(self, track: Track, at_s: float) -> ZonePassage | None:
        """The passage of a vehicle that was lost before this track began."""
        best, least = None, math.inf
        for passage in self._open.values():
            if passage.seen_s < at_s and track.first_seen_s > passage.seen_s:
                off = passage.misses(track, at_s)
                if off is not None and off < least:
                    best, least = passage, off
        if best is not None:
            del self._open[best.track]
        return best

    def _end_lost(self, at_s: float) -> list[ZonePassage]:
        lost = [p for p in self._open.values() if at_s - p.seen_s > p.waits_for_s]
        for passage in lost:
            del self._open[passage.track]
        return [p for p in lost if p.has_moved and not p.has_passed]


def _between(start: ImagePoint, end: ImagePoint, aspect: float) -> tuple[float, float]:
    """The way between two image points, in image heights."""
    return (end[0] - start[0]) * aspect, end[1] - start[1]
