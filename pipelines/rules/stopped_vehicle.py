"""`traffic.stopped_vehicle`: a vehicle stands where it must not, or where it obstructs traffic.

Every vehicle is an incident of its own, known by its place. Traffic that waits is none: what counts
as waiting is in `waiting`. What stood there is remembered over restarts, and a vehicle that was
reported is not reported again while it stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field

from models.detections import Box, plain_label
from pipelines.incident import EndReason, Phase, Severity, Transition
from pipelines.rules.condition import Condition, Explanation
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation
from pipelines.rules.standing import (
    STANDS_S,
    StandingVehicle,
    StandingVehicles,
    is_same_place,
)
from pipelines.rules.waiting import DrivenCells, Passing, rows_of
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import VEHICLES, Track

QUEUE_PASSED: Final = 2
"""So many must pass a vehicle in a row: one may have been let in."""

FILLING_SHARE: Final = 0.5
"""Share of `wait_s` in which others pass a vehicle because the lane beside it fills up."""

LOOK_EVERY_S: Final = 1.0
"""How often it is asked who stands together, seconds."""

HIGH_AFTER_S: Final = 300.0
MEDIUM_AFTER_S: Final = 600.0
"""When a vehicle on a carriageway becomes high, and one off the road medium."""

UNTOLD_KEPT_S, TOLD_KEPT_S = 30.0, 300.0
"""How long a place is kept whose vehicle is missed but was not seen to leave."""


class StoppedVehicleParameters(RuleParameters):
    """When a vehicle counts as stopped."""

    confirm_s: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="seconds a vehicle must stand until it is an incident",
    )
    expire_s: float = Field(
        default=10.0, ge=0, le=3600, description="seconds it must be gone until the incident ends"
    )
    wait_s: float = Field(
        default=120.0,
        ge=0,
        le=3600,
        description="seconds that a vehicle may wait for a light or in a queue; "
        "0 where nobody has to wait",
    )
    off_road: tuple[str, ...] = Field(
        default=("pavement", "sidewalk"),
        description="names of zones where nobody has to wait: off the carriageway",
        examples=["[pavement, verge, bus-lane]"],
    )
    labels: tuple[str, ...] = Field(
        default=tuple(sorted(VEHICLES)),
        min_length=1,
        description="labels of the vehicles that are watched",
        examples=["[car, truck, motorcycle]"],
    )
    exempt: tuple[str, ...] = Field(
        default=(), description="labels of vehicles that may stand", examples=["[bus]"]
    )


@dataclass(frozen=True, slots=True)
class _Limit:
    """From when on a vehicle counts, and why."""

    stands_s: float
    passed: int = 0
    note: str = ""


@dataclass(slots=True)
class _Watched:
    """What is decided of one place.

    Attributes:
        situation: Its incident.
        limit: From when on it counts.
        counts_s: Since when it counts, monotonic seconds; None while it does not.
    """

    situation: Situation
    limit: _Limit
    counts_s: float | None = None


class _StoppedVehicleWatch:
    """One zone, with one incident for each vehicle that stands in it."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: StoppedVehicleParameters
    ) -> None:
        self._shape = shape
        self._identity = identity
        self._parameters = parameters
        # It has stood for a while before it is known as standing.
        self._window_s = max(0.0, parameters.confirm_s - STANDS_S)
        self._labels = {plain_label(label) for label in parameters.labels}
        self._exempt = {plain_label(label) for label in parameters.exempt}
        self._is_off_road = shape.name in parameters.off_road
        self._standing = StandingVehicles()
        self._driven = DrivenCells()
        self._passing = Passing()
        self._watched: dict[StandingVehicle, _Watched] = {}
        self._left: list[tuple[Box, Situation]] = []
        self._looked_s = float("-inf")

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        vehicles = [track for track in tracks if plain_label(track.label) in self._labels]
        for vehicle, before in self._standing.observe(vehicles, at.mono_s):
            self._driven.drive(vehicle, before)
        self._standing.begin(vehicles, at.mono_s)
        self._watch()
        self._look(vehicles, at.mono_s)
        steps = [
            step
            for place, watched in self._watched.items()
            for step in self._follow(place, watched, at)
        ]
        self._forget(at.mono_s)
        return RuleResult(steps)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult(
            [step for one in self._watched.values() for step in one.situation.close(reason, at)]
        )

    def explain(self, at: Moment) -> Sequence[Explanation]:
        return [
            watched.situation.explain(at, f"{place.track.label} at {x:.2f} {y:.2f}")
            for place, watched in self._watched.items()
            for x, y in (place.box.foot,)
        ]

    def remember(self, at: Moment) -> Mapping[str, Any]:
        """Who stands where, who of them was reported, and where vehicles drive."""
        open_places = {place for place, one in self._watched.items() if one.situation.is_open}
        return {
            "places": self._standing.remember(at.mono_s, open_places),
            "driven": self._driven.remember(),
        }

    def recall(self, memory: Mapping[str, Any], age_s: float, at: Moment) -> None:
        """Goes on where an earlier run ended."""
        self._driven.recall(memory["driven"])
        self._standing.recall(memory["places"], age_s, at.mono_s)
        self._watch()

    def _watch(self) -> None:
        """Gives those that may not stand in the zone a situation of their own.

        It is asked for as long as a vehicle stands: the first mean of its place is partly of the
        way that it came, and its label may change.
        """
        for place in self._standing.places:
            label, aspect = plain_label(place.track.label), place.track.aspect
            is_known = place in self._watched or label in self._exempt
            if is_known or not self._shape.contains(place.box.foot):
                continue
            # The cool-down is that of the place.
            again = (one for box, one in self._left if is_same_place(box, place.box, aspect))
            window = self._parameters.model_copy(update={"confirm_s": self._window_s})
            fresh = Situation(self._identity, window)
            first = _Limit(max(self._parameters.confirm_s, self._parameters.wait_s))
            self._watched[place] = _Watched(next(again, fresh), first)

    def _look(self, vehicles: Sequence[Track], at_s: float) -> None:
        """Finds out who waits for others."""
        direction = self._shape.image_direction(vehicles[0].aspect) if vehicles else None
        self._passing.observe(
            vehicles, self._standing.movements, list(self._watched), direction, at_s
        )
        if at_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = at_s
        there = [place for place in self._standing.places if place.is_there(at_s) is not False]
        for row in rows_of(there):
            for place in row:
                if place in self._watched:
                    self._watched[place].limit = self._limit(place, row)

    def _limit(self, place: StandingVehicle, row: Sequence[StandingVehicle]) -> _Limit:
        confirm_s = self._parameters.confirm_s
        wait_s = max(confirm_s, self._parameters.wait_s)
        if self._is_off_road or wait_s == confirm_s:
            return _Limit(confirm_s)
        if len(row) > 1 and any(not one.from_start or self._driven.are_driven(one) for one in row):
            return _Limit(wait_s, QUEUE_PASSED, f"{len(row)} vehicles stand together")
        if place.from_start:
            return _Limit(wait_s, note="it stood there when watching began")
        if not place.passers and self._driven.are_driven(place):
            return _Limit(wait_s, note="it stands where others drive, and nobody has passed it")
        return _Limit(confirm_s)

    def _follow(
        self, place: StandingVehicle, watched: _Watched, at: Moment
    ) -> Sequence[Transition]:
        steps = watched.situation.observe(self._read(place, watched, at.mono_s), at)
        place.told = place.told or any(step.phase is Phase.STARTED for step in steps)
        return steps

    def _read(self, place: StandingVehicle, watched: _Watched, at_s: float) -> Reading:
        there, stands_s, limit = place.is_there(at_s), at_s - place.since_s, watched.limit
        conditions = [Condition("standing", round(stands_s, 1), limit.stands_s, "s")]
        passed = place.passed_after(FILLING_SHARE * self._parameters.wait_s)
        if limit.passed:
            conditions.append(Condition("passed", float(passed), float(limit.passed)))
        is_open, note = watched.situation.is_open, limit.note
        # The window of the situation is the last part of the limit.
        is_due = stands_s >= limit.stands_s - self._window_s
        holds = is_open or (is_due and passed >= limit.passed)
        if place.told and not is_open:
            holds, note = False, "it was reported before"
        if not there:
            note = "it is gone" if there is False else "others hide it"
        if not holds:
            watched.counts_s = None
        elif watched.counts_s is None:
            watched.counts_s = at_s
        before_s = (watched.counts_s or at_s) - place.since_s
        return Reading(
            holds=holds if there else there,
            severity=self._severity(stands_s),
            tracks=[place.track],
            detail={"stood_before_s": round(before_s, 1)},
            conditions=conditions,
            note=note,
        )

    def _severity(self, stands_s: float) -> Severity:
        if self._is_off_road:
            return Severity.MEDIUM if stands_s >= MEDIUM_AFTER_S else Severity.LOW
        return Severity.HIGH if stands_s >= HIGH_AFTER_S else Severity.MEDIUM

    def _forget(self, at_s: float) -> None:
        """Drops the places that are empty for good."""
        self._left = [(box, one) for box, one in self._left if not one.is_cool(at_s)]
        gone = []
        for place in self._standing.places:
            watched = self._watched.get(place)
            if place.is_there(at_s) is not False or (watched and watched.situation.is_open):
                continue
            kept_s = TOLD_KEPT_S if place.told else UNTOLD_KEPT_S
            if place.has_left(at_s) or at_s - place.seen_s > kept_s:
                gone.append(place)
        self._standing.forget(gone)
        for place in gone:
            watched = self._watched.pop(place, None)
            if watched and not watched.situation.is_cool(at_s):
                self._left.append((place.box, watched.situation))


STOPPED_VEHICLE: Final = RuleType(
    kind="traffic.stopped_vehicle",
    version="1",
    task="traffic",
    Parameters=StoppedVehicleParameters,
    zone=_StoppedVehicleWatch,
    by_spot=True,
)
