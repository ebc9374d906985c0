"""`littering.dropped_object`: a bag, bottle or bin bag lies somewhere, and nobody stays with it.

Every object at rest is an incident of its own. It may change its track id, be missed or be covered
for a while; what counts is that something lies at the same place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pydantic import Field

from models.detections import plain_label
from pipelines.incident import EndReason, Severity, Transition
from pipelines.rules.condition import Condition, Explanation
from pipelines.rules.resting_place import MISSED_S, RestingPlace
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import BIN_BAGS, BOTTLES, LITTER, PERSONS, VEHICLES, Track

COVERED_S: Final = 120.0
"""How long an object is remembered while something stands in front of it."""

DEPTH_STRETCH: Final = 2.0
"""Without calibration: what lies behind is this much farther than the image shows (30° tilt)."""

MAX_PLACES: Final = 100
MEDIUM_AFTER_S: Final = 300.0
HIGH_AFTER_S: Final = 1800.0


class EarlierDroppedObjectParameters(RuleParameters):
    """When a thing that lies around counts as dropped."""

    owner_distance_m: float = Field(
        default=3.0,
        gt=0,
        le=50,
        description="metres within which a person may belong to the object (calibrated cameras)",
    )
    owner_distance_heights: float = Field(
        default=1.8,
        gt=0,
        le=20,
        description="the same in heights of that person (uncalibrated cameras)",
    )


class _EarlierDroppedObjectWatch:
    """One zone, and the objects at rest in it."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: EarlierDroppedObjectParameters
    ) -> None:
        self._shape = shape
        self._identity = identity
        self._parameters = parameters
        self._places: list[RestingPlace] = []

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        things = [t for t in tracks if plain_label(t.label) in LITTER]
        persons = [t for t in tracks if plain_label(t.label) in PERSONS]
        cover = persons + [t for t in tracks if plain_label(t.label) in VEHICLES]
        seen = self._place([t for t in things if self._shape.contains(t.box.foot)], at)
        person_ids = frozenset(person.id for person in persons)
        transitions: list[Transition] = []
        for place in self._places:
            near = [person for person in persons if self._is_near(place, person)]
            attended = place.owners.observe(near, person_ids, at.mono_s)
            covered = place not in seen and place.is_covered(cover)
            nearby = Condition("persons_who_may_own_it", float(attended), 1.0, at_least=False)
            transitions += self._update(place, place in seen, nearby, covered, at)
        self._forget(cover, at.mono_s)
        return RuleResult(transitions)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult(
            [step for place in self._places for step in place.situation.close(reason, at)]
        )

    def explain(self, at: Moment) -> Sequence[Explanation]:
        return [
            place.situation.explain(at, f"{place.label} at {place.box.x1:.2f} {place.box.y1:.2f}")
            for place in self._places
        ]

    def _place(self, things: list[Track], at: Moment) -> set[RestingPlace]:
        """Finds the place of every sighting, best pairs first; new places for the rest."""
        pairs = sorted(
            (
                (likeness, place_index, thing_index)
                for place_index, place in enumerate(self._places)
                for thing_index, thing in enumerate(things)
                if (likeness := place.likeness(thing)) > 0
            ),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        seen: set[RestingPlace] = set()
        placed: set[int] = set()
        for _, place_index, thing_index in pairs:
            place = self._places[place_index]
            if place not in seen and thing_index not in placed:
                place.see(things[thing_index], at.mono_s)
                seen.add(place)
            # A second sighting of a place that is already found shows the same object again.
            placed.add(thing_index)
        fresh = [thing for index, thing in enumerate(things) if index not in placed]
        return seen | self._lay(fresh, seen, at)

    def _lay(self, things: list[Track], seen: set[RestingPlace], at: Moment) -> set[RestingPlace]:
        """Makes places for things that lie at none; what was carried on leaves its last one."""
        carried = {thing.id for thing in things}
        begun = [place for place in self._places if place.situation.is_open]
        others = [
            place
            for place in self._places
            if not place.situation.is_open
            and (
                place in seen
                or place.track.id not in carried
                or not place.situation.is_cool(at.mono_s)
            )
        ]
        laid = [
            RestingPlace(thing, Situation(self._identity, self._parameters), at.mono_s)
            for thing in things
        ]
        # When there are too many, what was seen least lately is forgotten, never an incident.
        others = sorted(others, key=lambda place: place.seen_s) + laid
        self._places = begun + others[-max(MAX_PLACES - len(begun), 1) :]
        return set(laid)

    def _update(
        self, place: RestingPlace, seen: bool, nearby: Condition, covered: bool, at: Moment
    ) -> list[Transition]:
        holds: bool | None
        if seen:
            holds = place.situation.is_open or nearby.holds
        elif covered:
            holds = None
        elif not place.situation.is_open and at.mono_s - place.seen_s <= MISSED_S:
            # No observation: the next sighting decides what the time until then was.
            return []
        else:
            holds = False
            place.miss(at.mono_s)
        lasted_s = at.mono_s - place.situation.opened_s
        reading = Reading(
            holds=holds,
            severity=_severity(place.label, lasted_s),
            tracks=(place.track._replace(label=place.label),),
            detail={"resting_s": round(at.mono_s - place.since_s, 1)},
            conditions=() if place.situation.is_open else (nearby,),
            note="" if seen else "it is covered" if covered else "it is not seen",
        )
        return place.situation.observe(reading, at)

    def _is_near(self, place: RestingPlace, person: Track) -> bool:
        foot, spot = person.box.foot, place.box.foot
        if self._shape.ground:
            here, there = self._shape.ground.metres(foot), self._shape.ground.metres(spot)
            if here is None or there is None:
                return False
            return math.dist(here, there) <= self._parameters.owner_distance_m
        reach = self._parameters.owner_distance_heights * (person.box.y2 - person.box.y1)
        deep = DEPTH_STRETCH * (foot[1] - spot[1])
        return math.hypot((foot[0] - spot[0]) * person.aspect, deep) <= reach

    def _forget(self, cover: list[Track], at_s: float) -> None:
        self._places = [
            place
            for place in self._places
            if place.situation.is_open
            or not place.situation.is_cool(at_s)
            or at_s - place.seen_s <= (COVERED_S if place.is_covered(cover) else MISSED_S)
        ]


def _severity(label: str, lasted_s: float) -> Severity:
    name = plain_label(label)
    if lasted_s >= HIGH_AFTER_S and name not in BOTTLES:
        return Severity.HIGH
    if lasted_s >= MEDIUM_AFTER_S or name in BIN_BAGS:
        return Severity.MEDIUM
    return Severity.LOW


DROPPED_OBJECT_1: Final = RuleType(
    kind="littering.dropped_object",
    version="1",
    task="littering",
    Parameters=EarlierDroppedObjectParameters,
    zone=_EarlierDroppedObjectWatch,
    by_spot=True,
)
