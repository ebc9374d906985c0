"""`crowding.dispersal`: a group that stood breaks up at once, and people hurry off on all sides.

People at the end of an event walk off, a group that goes on goes one way: both are none. Pace and
free walking speed are those of Weidmann ("Transporttechnik der Fussgaenger", 1993): 1.34 m/s with
a standard deviation of 0.26, so that hardly anybody walks at 2 m/s.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.false_persons import FalsePersons, FalsePersonsWatch
from pipelines.rules.groups import Group, GroupFinder
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation, SituationWatch
from pipelines.rules.zone_geometry import Vector, ZoneShape
from pipelines.track import Track, tracks_on_foot

MAX_INTERVAL_S: Final = 0.5
"""People who run are lost at lower rates, and gone before a speed is known."""

MAX_PAUSE_S: Final = 2.0
"""After a longer pause a group is another one."""

OUTWARDS: Final = 0.7
"""Cosine of the greatest angle between a movement and the way from the middle of the group."""

ONE_WAY: Final = 0.8
"""Length of the mean of the directions, from 0 for all sides to 1 for one way, from which on a
group moves on instead of breaking up. Half a circle is 0.64."""

HIGH_SHARE: Final = 0.85

HURRIED_S: Final = 4.0
"""How long somebody counts who has hurried: to be out of view. In a crowd that walks off feet come
out from behind others, and each second somebody else seems to run."""


class DispersalParameters(RuleParameters):
    """When a group breaks up."""

    confirm_s: float = Field(
        default=1.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    min_persons: int = Field(
        default=8, ge=3, le=1000, description="least persons who were near each other"
    )
    settled_s: float = Field(
        default=15.0, ge=3, le=600, description="seconds for which they must have been"
    )
    window_s: float = Field(
        default=10.0, ge=2, le=60, description="seconds within which the group breaks up"
    )
    min_share: float = Field(
        default=0.4, gt=0, le=1, description="least share of the group that hurries off in it"
    )
    min_speed_mps: float = Field(
        default=2.0,
        gt=0,
        le=10,
        description="metres per second from which on somebody hurries (calibrated cameras)",
    )
    min_speed_heights: float = Field(
        default=1.1,
        gt=0,
        le=10,
        description="the same in own heights per second (uncalibrated cameras)",
        json_schema_extra={"unit": "heights/s"},
    )


@dataclass(frozen=True, slots=True)
class _Settled:
    """A group that has stood for a while.

    Attributes:
        persons: How many they were.
        centre: Where, on the plane of `on_plane`.
        at_s: When that was true last, seconds.
    """

    persons: int
    centre: Vector
    at_s: float


@dataclass(frozen=True, slots=True)
class _Flight:
    """Somebody who hurries off.

    Attributes:
        track: As last seen.
        at_s: When that was, seconds.
        speed: Greatest speed.
        direction: Unit vector of the movement.
    """

    track: Track
    at_s: float
    speed: float
    direction: Vector


class _Standing:
    """Whether a group has stood for long enough, and where."""

    def __init__(self, settled_s: float) -> None:
        self._settled_s = settled_s
        self._groups: deque[tuple[float, int, Vector]] = deque()
        self._since_s = math.inf

    def observe(self, group: Group, at_s: float) -> _Settled | None:
        """The group that was there in most of the newest seconds, at the median place."""
        groups = self._groups
        if not groups or not 0 <= at_s - groups[-1][0] <= MAX_PAUSE_S:
            groups.clear()
            self._since_s = at_s
        groups.append((at_s, len(group.members), group.centre))
        while groups[0][0] < at_s - self._settled_s:
            groups.popleft()
        if at_s - self._since_s < self._settled_s:
            return None
        there = [centre for _, members, centre in groups if members]
        if not there:
            return None
        centre = (statistics.median(x for x, _ in there), statistics.median(y for _, y in there))
        return _Settled(statistics.median_low(members for _, members, _ in groups), centre, at_s)


class _DispersalWatch(SituationWatch, FalsePersonsWatch):
    """One zone, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: DispersalParameters
    ) -> None:
        self._parameters = parameters
        self._calibrated = shape.ground is not None
        self._fast = parameters.min_speed_heights
        if self._calibrated:
            self._fast = parameters.min_speed_mps
        self._false = FalsePersons()
        self._finder = GroupFinder(shape)
        self._standing = _Standing(parameters.settled_s)
        self._settled: deque[_Settled] = deque()
        self._flights: dict[int, _Flight] = {}
        self._situation = Situation(identity, parameters)
        self._last_s = -math.inf

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        at_s = at.mono_s
        persons = self._false.leave_out(tracks_on_foot(tracks), at_s)
        group = self._finder.observe(persons, at_s)
        settled = self._standing.observe(group, at_s)
        oldest_s = at_s - self._parameters.window_s
        if settled and settled.persons >= self._parameters.min_persons:
            self._settled.append(settled)
        while self._settled and not oldest_s <= self._settled[0].at_s <= at_s:
            self._settled.popleft()
        # While it breaks up it seems to have been ever smaller.
        before = max(self._settled, key=lambda one: one.persons, default=None)
        if before:
            for person in persons:
                self._follow(person, before.centre, at_s)
        self._flights = {
            track: flight
            for track, flight in self._flights.items()
            if flight.at_s >= at_s - HURRIED_S
        }
        pause_s, self._last_s = at_s - self._last_s, at_s
        reading = Reading(holds=None)
        if pause_s < MAX_INTERVAL_S:
            reading = self._read(group, before)
        return RuleResult(self._situation.observe(reading, at))

    def _follow(self, person: Track, centre: Vector, at_s: float) -> None:
        """Notes a person who hurries away from where the group stood."""
        speed, velocity = self._finder.speed(person), self._finder.velocity(person)
        place = self._finder.place(person)
        if not speed or speed < self._fast or velocity is None or place is None:
            return
        way, length = math.dist(place, centre), math.hypot(*velocity)
        along = velocity[0] * (place[0] - centre[0]) + velocity[1] * (place[1] - centre[1])
        if along < OUTWARDS * way * length:
            return
        known = self._flights.get(person.id)
        direction = (velocity[0] / length, velocity[1] / length)
        self._flights[person.id] = _Flight(
            person, at_s, max(speed, known.speed if known else 0.0), direction
        )

    def _read(self, group: Group, settled: _Settled | None) -> Reading:
        parameters, flights = self._parameters, list(self._flights.values())
        if settled is None:
            least = Condition("persons_before", len(group.members), parameters.min_persons)
            note = f"no group has stood for {parameters.settled_s:g} s"
            return Reading(holds=False, conditions=[least], note=note)
        left = 1.0 - min(len(group.members) / settled.persons, 1.0)
        hurried = min(len(flights) / settled.persons, 1.0)
        one_way = None
        if flights:
            one_way = math.hypot(
                statistics.fmean(flight.direction[0] for flight in flights),
                statistics.fmean(flight.direction[1] for flight in flights),
            )
        conditions = [
            Condition("persons_before", settled.persons, parameters.min_persons),
            Condition("share_that_left", round(left, 2), parameters.min_share),
            Condition("share_that_hurries", round(hurried, 2), parameters.min_share),
            Condition("one_way", one_way, ONE_WAY, at_least=False),
        ]
        if not all(condition.holds for condition in conditions):
            return Reading(holds=False, conditions=conditions)
        name = "median_speed_mps" if self._calibrated else "median_speed_heights_per_s"
        return Reading(
            holds=True,
            severity=Severity.HIGH if hurried >= HIGH_SHARE else Severity.MEDIUM,
            tracks=[flight.track for flight in flights if flight.track.last_seen_s >= self._last_s],
            detail={
                "persons_before": float(settled.persons),
                "persons_left": round(left * settled.persons),
                name: round(statistics.median(flight.speed for flight in flights), 2),
            },
            size=hurried,
            conditions=conditions,
        )


DISPERSAL: Final = RuleType(
    kind="crowding.dispersal",
    version="1",
    task="crowding",
    Parameters=DispersalParameters,
    zone=_DispersalWatch,
    max_interval_s=MAX_INTERVAL_S,
)
