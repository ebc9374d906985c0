"""Actors: what moves in a scripted scene, each a pure function from time to its state.

An actor may live across the end of the loop: a scene asks it for the time as well as for the time
one loop earlier and later, so that the end of a clip runs into its start without a jump.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulation.drawing.view import ObjectState

Waypoint = tuple[float, float, float]  # time in s, x and y in m

STRIDE_M = 1.45  # two steps of a walking person
PEDAL_M = 4.5  # one turn of a bicycle's pedals
_REST_MPS = 0.15
_LOOK_S = 0.3  # half the time over which a heading is taken


class Actor(Protocol):
    """Something with a life in a scene."""

    @property
    def start_s(self) -> float:
        """First moment it exists."""

    @property
    def end_s(self) -> float:
        """Last moment it exists."""

    def state_at(self, time_s: float) -> ObjectState:
        """Return where it is at a moment of its life."""


class Path:
    """A walk through waypoints at constant speed between them; equal points are a rest."""

    def __init__(
        self, waypoints: Sequence[Waypoint], rest_heading_rad: float | None = None
    ) -> None:
        """Keep the waypoints; ``rest_heading_rad`` is where it faces while it rests.

        Raises:
            ValueError: Fewer than two waypoints, or their times do not increase.
        """
        table: NDArray[np.float64] = np.array(waypoints, np.float64)
        if len(table) < 2 or np.any(np.diff(table[:, 0]) <= 0):
            raise ValueError("a path needs two or more waypoints with increasing times")
        self.times, self.xs, self.ys = table.T
        self.along = np.concatenate(
            [[0.0], np.cumsum(np.hypot(np.diff(self.xs), np.diff(self.ys)))]
        )
        self.rest_heading_rad = rest_heading_rad

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the position in metres."""
        return (
            float(np.interp(time_s, self.times, self.xs)),
            float(np.interp(time_s, self.times, self.ys)),
        )

    def along_m(self, time_s: float) -> float:
        """Return the distance travelled."""
        return float(np.interp(time_s, self.times, self.along))

    def speed_mps(self, time_s: float) -> float:
        """Return the speed over the moment around a time."""
        way = self.along_m(time_s + 0.1) - self.along_m(time_s - 0.1)
        span = min(time_s + 0.1, self.times[-1]) - max(time_s - 0.1, self.times[0])
        return way / span if span > 0 else 0.0

    def heading_rad(self, time_s: float) -> float:
        """Return the direction of travel; at rest, where it came from or has to face."""
        if self.speed_mps(time_s) < _REST_MPS and self.rest_heading_rad is not None:
            return self.rest_heading_rad
        here, there = self.at(time_s - _LOOK_S), self.at(time_s + _LOOK_S)
        if math.dist(here, there) < 0.04:
            here, there = self._last_move(time_s)
        return math.atan2(there[1] - here[1], there[0] - here[0])

    def _last_move(self, time_s: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the ends of the last leg that moved before a time, or else of the first one."""
        legs = np.flatnonzero(np.diff(self.along) > 0.02)
        past = legs[self.times[legs] <= time_s]
        leg = int(past[-1]) if len(past) else int(legs[0]) if len(legs) else 0
        return (self.xs[leg], self.ys[leg]), (self.xs[leg + 1], self.ys[leg + 1])


class _OnPath:
    """Something that lives as long as its path."""

    __slots__ = ()
    path: Path

    @property
    def start_s(self) -> float:
        """First moment of the path."""
        return float(self.path.times[0])

    @property
    def end_s(self) -> float:
        """Last moment of the path."""
        return float(self.path.times[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Walker(_OnPath):
    """A person on a path; ``bends`` are the spans (from, to) in seconds when it bends down."""

    key: int
    look: int
    path: Path
    bends: tuple[tuple[float, float], ...] = ()

    def state_at(self, time_s: float) -> ObjectState:
        """Return the walking, standing or bending person."""
        x, y = self.path.at(time_s)
        gesture = "walk" if self.path.speed_mps(time_s) > _REST_MPS else "stand"
        if any(start <= time_s < end for start, end in self.bends):
            gesture = "bend"
        step = int(self.path.along_m(time_s) / STRIDE_M * 12) % 12
        heading = self.path.heading_rad(time_s)
        return ObjectState(self.key, "person", self.look, x, y, heading, 0.0, gesture, step)


def stroll(
    key: int,
    look: int,
    start_s: float,
    points: Sequence[tuple[float, float]],
    speed_mps: float = 1.35,
) -> Walker:
    """Return a person who walks through ground points at an even speed."""
    waypoints: list[Waypoint] = [(start_s, *points[0])]
    for here, there in pairwise(points):
        waypoints.append((waypoints[-1][0] + math.dist(here, there) / speed_mps, *there))
    return Walker(key, look, Path(waypoints))


@dataclass(frozen=True, slots=True, eq=False)
class Vehicle(_OnPath):
    """A vehicle on a path; two-wheelers have a rider."""

    key: int
    label: str
    look: int
    path: Path

    def state_at(self, time_s: float) -> ObjectState:
        """Return the vehicle."""
        x, y = self.path.at(time_s)
        step = int(self.path.along_m(time_s) / PEDAL_M * 12) % 12
        heading = self.path.heading_rad(time_s)
        return ObjectState(self.key, self.label, self.look, x, y, heading, 0.0, "ride", step)


def in_hand(who: ObjectState, key: int, label: str, look: int, *, left: bool) -> ObjectState:
    """Return a thing that hangs in the left or right hand of a person."""
    aside, heading = 0.3 if left else -0.3, who.heading_rad
    x, y = who.x_m - aside * math.sin(heading), who.y_m + aside * math.cos(heading)
    return ObjectState(key, label, look, x, y, heading, z_m=0.26)


@dataclass(frozen=True, slots=True, eq=False)
class Spell:
    """A part of a thing's life: in somebody's hand, or lying at a place (x, y in metres)."""

    start_s: float
    end_s: float
    carrier: Walker | None = None
    at_m: tuple[float, float] = (0.0, 0.0)
    left_hand: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """A bag, bottle or bin bag that is carried, put down, picked up."""

    key: int
    label: str
    look: int
    spells: tuple[Spell, ...]

    @property
    def start_s(self) -> float:
        """Start of the first spell."""
        return self.spells[0].start_s

    @property
    def end_s(self) -> float:
        """End of the last spell."""
        return self.spells[-1].end_s

    def state_at(self, time_s: float) -> ObjectState:
        """Return the thing in the hand or on the ground."""
        spell = next((s for s in self.spells if time_s < s.end_s), self.spells[-1])
        if spell.carrier is None:
            return ObjectState(self.key, self.label, self.look, *spell.at_m, 0.3)
        who = spell.carrier.state_at(time_s)
        return in_hand(who, self.key, self.label, self.look, left=spell.left_hand)
