"""`NonMotorFilter`: which cycles are what their label says, and not other cycles taken for them.

Detectors take a motorcycle for a bicycle and back, end on for as long as it is in view. Time and
speed tell them apart: what was another cycle for part of its time is none, and what goes with the
motor traffic neither. Whatever its label, what rides for seconds at the pace of a bicycle while
traffic beside it is much faster is no motorcycle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from models.detections import plain_label
from pipelines.rules.traffic_pace import TrafficPace
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import CYCLES, Track

LEAST_SHARE: Final = 0.9
"""A cycle must have had one of the labels for so much of its sightings."""

MAX_MPS: Final = 9.0
"""Who rides faster, on calibrated cameras, rides a motorcycle: 32 km/h."""

KEEPS_UP: Final = 0.75
"""Who is faster than this share of the speed of motor traffic keeps up with it."""

KEEPS_UP_S: Final = 1.0
"""Who has kept up for so long may ride a motorcycle, however slow it is later."""

APART_S: Final = 0.5
"""So long it must have been slower than traffic."""

CRAWLS: Final = 0.6
"""No motorcycle stays below this share of the speed of the motor traffic around it ..."""

CRAWLS_S: Final = 4.0
"""... for so long, unless it stops or turns off."""

RIDES_MPS: Final = (1.5, 7.0)
"""Between these speeds people ride bicycles, on calibrated cameras: 5 to 25 km/h."""

RIDES_HEIGHTS_PS: Final = 0.4
"""Who moves by less than so many heights of its box per second stands, without calibration."""

LONGEST_S: Final = 5.0
"""Two sightings that are further apart say no more than that."""

BICYCLES: Final = frozenset({"bicycle", "cyclist"})
MOTORS: Final = frozenset({"motorcycle", "motorbike", "scooter"})

_KEPT: Final = 500
"""So many tracks are remembered, those seen last."""


@dataclass(slots=True)
class _Cycle:
    """What is known of a track.

    Attributes:
        seen_s: When it was last seen, monotonic seconds.
        right: In how many sightings it had one of the labels.
        total: How many sightings there were.
        is_fast: Whether it was faster than `MAX_MPS`.
        is_compared: Whether it was where something is known of traffic.
        kept_up_s: For how long it has kept up with traffic, in all.
        apart_s: For how long it was slower.
        crawled_s: For how long it rode at the pace of a bicycle while traffic was much faster.
    """

    seen_s: float
    right: int = 0
    total: int = 0
    is_fast: bool = False
    is_compared: bool = False
    kept_up_s: float = 0.0
    apart_s: float = 0.0
    crawled_s: float = 0.0

    @property
    def rides_as_a_bicycle(self) -> bool:
        """Whether its pace alone says that it is none that has a motor."""
        return self.crawled_s >= CRAWLS_S and self.kept_up_s < KEEPS_UP_S and not self.is_fast

    @property
    def keeps_out_of_traffic(self) -> bool:
        """Whether it is slower than traffic, or there is no traffic."""
        if not self.is_compared:
            return True
        return self.apart_s >= APART_S and self.kept_up_s < KEEPS_UP_S


class NonMotorFilter:
    """The cycles in view of one zone."""

    def __init__(self, labels: Collection[str], shape: ZoneShape) -> None:
        """Keeps cycles of some labels; metres per second count where there is a ground plane."""
        self._labels = frozenset(labels)
        # Where motorcycles are asked for, there is nothing that a bicycle could be taken for.
        self._tells = not self._labels & MOTORS
        self._pace = TrafficPace(shape)
        self._cycles: dict[int, _Cycle] = {}

    def observe(self, tracks: Sequence[Track], at_s: float) -> None:
        """Takes all tracks of a frame."""
        if self._tells:
            self._pace.observe(tracks, at_s)
        for track in tracks:
            if plain_label(track.label) in CYCLES:
                cycle = self._cycles.pop(track.id, None) or _Cycle(at_s)
                self._cycles[track.id] = cycle
                cycle.right += plain_label(track.label) in self._labels
                cycle.total += 1
                self._compare(cycle, track, at_s)
                cycle.seen_s = at_s
        while len(self._cycles) > _KEPT:
            del self._cycles[next(iter(self._cycles))]

    def _compare(self, cycle: _Cycle, track: Track, at_s: float) -> None:
        speed, traffic = self._pace.speed(track), self._pace.at(track, at_s)
        if self._pace.ground is not None and speed is not None:
            cycle.is_fast |= speed > MAX_MPS
        if traffic is None:
            return
        cycle.is_compared = True
        # In a queue that stands nobody can be told apart.
        if speed is None or traffic == 0:
            return
        span_s = min(at_s - cycle.seen_s, LONGEST_S)
        if speed > KEEPS_UP * traffic:
            cycle.kept_up_s += span_s
        else:
            cycle.apart_s += span_s
        if speed <= CRAWLS * traffic and self._rides(track, speed):
            cycle.crawled_s += span_s

    def _rides(self, track: Track, speed: float) -> bool:
        """Whether it neither stands nor is faster than bicycles are."""
        if self._pace.ground is None:
            return speed >= RIDES_HEIGHTS_PS * (track.box.y2 - track.box.y1)
        slowest, fastest = RIDES_MPS
        return slowest <= speed <= fastest

    def knows(self, cycle: int) -> bool:
        """Whether a cycle that was seen lately is one of those that count."""
        known = self._cycles.get(cycle)
        if known is None:
            return False
        if not self._tells:
            return known.right > 0
        if known.rides_as_a_bicycle and self._labels & BICYCLES:
            return True
        is_one = 0 < LEAST_SHARE * known.total <= known.right
        return is_one and not known.is_fast and known.keeps_out_of_traffic
