"""`littering.exposed_rubbish`: a heap that stays and grows.

Several things that were left near each other, or one whose area is that of a heap. The first of
them is a dropped object; what comes beside it makes no further one, and from the least size of a
heap on the heap is an incident of its own, with its area.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import Field

from pipelines.incident import EndReason, Severity, Transition
from pipelines.rules.condition import Condition, Explanation, SituationStage
from pipelines.rules.dropped_object import LyingThingParameters
from pipelines.rules.litter_incident import LitterIncident
from pipelines.rules.lying_thing import LyingThing
from pipelines.rules.lying_things import LyingThings
from pipelines.rules.pieces import pieces_since
from pipelines.rules.rule import FrameSignals, Identity, Moment, RuleResult, RuleType
from pipelines.rules.situation import Reading
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.signals.signal import Signal
from pipelines.track import Track

HIGH_M2: Final = 3.0
CRITICAL_M2: Final = 8.0
HIGH_AFTER_S: Final = 1800.0

AREA_STEP_M2: Final = 0.5
"""A heap has grown if its area is in a higher step: the box of a change is never quite the same."""


class ExposedRubbishParameters(LyingThingParameters):
    """When things that lie near each other are a heap."""

    min_objects: int = Field(
        default=3, ge=1, le=100, description="least things near each other that are a heap"
    )
    min_area_m2: float = Field(
        default=1.5,
        gt=0,
        le=1000,
        description="square metres, as the camera sees them, from which on fewer things are a "
        "heap; without calibration measured by the people, taken for 1.7 m",
    )


class _ExposedRubbishWatch:
    """One zone, and the heaps in it."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: ExposedRubbishParameters
    ) -> None:
        self._identity = identity
        self._parameters = parameters
        self._lying = LyingThings(shape, parameters.evidence, parameters.reach)
        self._heaps: list[LitterIncident] = []
        self._newest: list[list[LyingThing]] = []

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        self._lying.observe(tracks, signals.static_changes, at.mono_s)
        for thing in self._lying.things:
            conditions = self._lying.conditions(thing, at.mono_s, self._parameters.confirm_s)
            holds = thing.lies is True and all(one.holds for one in conditions)
            thing.is_litter = holds or (thing.is_litter and thing.lies is not False)
        transitions: list[Transition] = []
        for heap in self._heaps:
            if heap.is_open:
                transitions += heap.observe(self._reading(heap.lying or heap.things, heap, at), at)
        self._heaps = [one for one in self._heaps if not one.is_cool(at.mono_s)]
        litter = [thing for thing in self._lying.things if thing.is_litter]
        self._newest = self._groups(one for one in litter if not one.is_kept)
        for group in self._newest:
            transitions += self._take(group, at)
        return RuleResult(transitions)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult([step for one in self._heaps for step in one.close(reason, at)])

    def explain(self, at: Moment) -> Sequence[Explanation]:
        said = [heap.explain(at, f"heap of {len(heap.lying)}") for heap in self._heaps]
        place, confirm_s = self._identity.zone, self._parameters.confirm_s
        for group in self._newest or ([] if said else [[]]):
            conditions = self._conditions(group, at)
            holds = any(one.holds for one in conditions)
            where = " and ".join(thing.where for thing in group)
            stage = SituationStage.WATCHING
            said.append(Explanation(place, holds, conditions, stage, 0.0, confirm_s, where))
        return said

    def _groups(self, things: Iterable[LyingThing]) -> list[list[LyingThing]]:
        """Things of which each is near to another one of its group."""
        groups: list[list[LyingThing]] = []
        for thing in things:
            near = [group for group in groups if any(self._near(thing, one) for one in group)]
            groups = [group for group in groups if group not in near]
            groups.append([thing, *(one for group in near for one in group)])
        return groups

    def _near(self, one: LyingThing, other: LyingThing) -> bool:
        away_m = self._lying.scale.distance_m(one.box, other.box, one.aspect)
        return away_m <= self._parameters.together_m

    def _take(self, group: list[LyingThing], at: Moment) -> Sequence[Transition]:
        """Makes a heap of things, or a part of the one beside them."""
        most_m, scale = self._parameters.together_m, self._lying.scale
        for heap in self._heaps:
            if any(heap.is_near(thing, scale, most_m) for thing in group):
                if heap.is_open:
                    heap.add(group)
                return ()
        since_s = self._since_s(group, at)
        if since_s is None:
            return ()
        heap = LitterIncident(self._identity, self._parameters, group)
        self._heaps.append(heap)
        reading = self._reading(group, heap, at)
        return heap.open(reading, since_s, at, self._lying.log.interval_s)

    def _since_s(self, group: Sequence[LyingThing], at: Moment) -> float | None:
        """Since when things have been a heap; None if they are none."""
        objects, area = self._conditions(group, at)
        if objects.holds:
            return self._pieces_since(group, at)[self._parameters.min_objects - 1]
        if not area.holds:
            return None
        came = sorted(group, key=lambda thing: thing.since_s)
        least_m2 = self._parameters.min_area_m2
        return next(
            thing.since_s
            for number, thing in enumerate(came, 1)
            if self._area_m2(came[:number]) >= least_m2 or thing is came[-1]
        )

    def _pieces_since(self, things: Sequence[LyingThing], at: Moment) -> Sequence[float]:
        """Since when each piece has lain that has done so for the confirm window.

        While somebody stays with a thing, what is put on it is theirs.
        """
        since_s = pieces_since(things, at.mono_s - self._parameters.confirm_s)
        if any(thing.alone_since_s is None for thing in things):
            return since_s[: len(things)]
        return since_s

    def _conditions(self, things: Sequence[LyingThing], at: Moment) -> tuple[Condition, Condition]:
        """What makes a heap; one of them is enough."""
        objects = float(len(self._pieces_since(things, at)))
        return (
            Condition("objects", objects, float(self._parameters.min_objects)),
            Condition("area", self._area_m2(things), self._parameters.min_area_m2, "m2"),
        )

    def _area_m2(self, things: Iterable[LyingThing]) -> float:
        return round(float(sum(self._lying.area_m2(one) for one in things)), 2)

    def _reading(self, things: Sequence[LyingThing], heap: LitterIncident, at: Moment) -> Reading:
        area_m2, conditions = self._area_m2(things), self._conditions(things, at)
        lasted_s = at.mono_s - heap.since_s
        return Reading(
            holds=heap.lies,
            severity=_severity(area_m2, lasted_s),
            tracks=[thing.subject for thing in things],
            detail={
                "objects": conditions[0].value or 0.0,
                "area_m2": area_m2,
                "resting_s": round(lasted_s, 1),
            },
            size=area_m2 // AREA_STEP_M2,
            conditions=conditions,
            note="; ".join(f"{thing.where}: {thing.evidence_words}" for thing in things),
        )


def _severity(area_m2: float, lasted_s: float) -> Severity:
    if area_m2 >= CRITICAL_M2:
        return Severity.CRITICAL
    if area_m2 >= HIGH_M2 or lasted_s >= HIGH_AFTER_S:
        return Severity.HIGH
    return Severity.MEDIUM


EXPOSED_RUBBISH: Final = RuleType(
    kind="littering.exposed_rubbish",
    version="1",
    task="littering",
    Parameters=ExposedRubbishParameters,
    zone=_ExposedRubbishWatch,
    by_spot=True,
    signals=frozenset({Signal.STATIC_CHANGE}),
)
