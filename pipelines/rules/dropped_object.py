"""`littering.dropped_object`: somebody left a thing on the ground and went away.

What was added to the ground is seen in the image, without a class; people say who brought it and
whether they stay with it; classes support it and name it. Things that lie near each other are one
incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from models.detections import Box
from pipelines.incident import EndReason, Severity, Transition, worst
from pipelines.rules.condition import Explanation, SituationStage
from pipelines.rules.litter_incident import LitterIncident
from pipelines.rules.lying_thing import LyingThing
from pipelines.rules.lying_things import LitterEvidence, LyingThings
from pipelines.rules.people_log import OwnerReach
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Memory,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.signals.signal import Signal
from pipelines.track import BIN_BAGS, BOTTLES, Track

MEDIUM_AFTER_S: Final = 300.0
HIGH_AFTER_S: Final = 1800.0
RECALL_S: Final = 3600.0
"""What was open longer ago, before a restart, is not gone on with."""


class LyingThingParameters(RuleParameters):
    """When a thing that lies in a zone counts."""

    confirm_s: float = Field(
        default=10.0, ge=0, le=3600, description="seconds it must have lain until it is an incident"
    )
    evidence: LitterEvidence = Field(
        default="both",
        description="what shows a thing: `both`, `class` alone or `static_change` alone",
    )
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
    together_m: float = Field(
        default=1.0,
        ge=0,
        le=20,
        description="metres within which things belong to one incident; without calibration "
        "measured by the people, taken for 1.7 m",
    )

    @property
    def reach(self) -> OwnerReach:
        """Within which distance a person may belong to a thing."""
        return OwnerReach(self.owner_distance_m, self.owner_distance_heights)


class _DroppedObjectWatch:
    """One zone, and what was left in it."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: LyingThingParameters
    ) -> None:
        self._identity = identity
        self._parameters = parameters
        self._lying = LyingThings(shape, parameters.evidence, parameters.reach)
        self._incidents: list[LitterIncident] = []

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        self._lying.observe(tracks, signals.static_changes, at.mono_s)
        transitions = [
            step
            for incident in self._incidents
            if incident.is_open
            for step in incident.observe(self._reading(incident, at), at)
        ]
        self._incidents = [one for one in self._incidents if not one.is_cool(at.mono_s)]
        for thing in self._lying.things:
            if not thing.is_kept and self._is_litter(thing, at):
                transitions += self._take(thing, at)
        return RuleResult(transitions)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult([step for one in self._incidents for step in one.close(reason, at)])

    def explain(self, at: Moment) -> Sequence[Explanation]:
        said = [
            incident.explain(at, " and ".join(thing.where for thing in incident.lying))
            for incident in self._incidents
        ]
        return said + [
            _explained(thing, self._lying, self._identity.zone, self._parameters, at)
            for thing in self._lying.things
            if not thing.is_kept
        ]

    def remember(self, at: Moment) -> Memory:
        return {
            "things": [
                {
                    "box": list(thing.box),
                    "aspect": thing.aspect,
                    "label": thing.label,
                    "lay_s": at.mono_s - thing.since_s,
                }
                for incident in self._incidents
                if incident.is_open
                for thing in incident.lying
            ]
        }

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        for one in memory["things"] if age_s <= RECALL_S else ():
            since_s = at.mono_s - age_s - float(one["lay_s"])
            box = Box(*(float(side) for side in one["box"]))
            self._lying.recall(box, float(one["aspect"]), str(one["label"]), since_s, at.mono_s)

    def _is_litter(self, thing: LyingThing, at: Moment) -> bool:
        conditions = self._lying.conditions(thing, at.mono_s, self._parameters.confirm_s)
        return thing.lies is True and all(one.holds for one in conditions)

    def _take(self, thing: LyingThing, at: Moment) -> Sequence[Transition]:
        """Makes an incident of a thing, or a part of the one beside it."""
        most_m = self._parameters.together_m
        beside = [one for one in self._incidents if one.is_near(thing, self._lying.scale, most_m)]
        for incident in beside:
            if incident.is_open:
                incident.add([thing])
                return ()
        if beside:
            return ()  # The cool-down of that place is not over.
        incident = LitterIncident(self._identity, self._parameters, [thing])
        self._incidents.append(incident)
        reading = self._reading(incident, at)
        return incident.open(reading, thing.since_s, at, self._lying.log.interval_s)

    def _reading(self, incident: LitterIncident, at: Moment) -> Reading:
        things = incident.lying
        first_s = min((thing.since_s for thing in things), default=incident.since_s)
        conditions = [
            one
            for thing in things[:1]
            for one in self._lying.conditions(thing, at.mono_s, self._parameters.confirm_s)
        ]
        return Reading(
            holds=incident.lies,
            severity=worst(_severity(thing, at.mono_s, len(things)) for thing in things),
            tracks=[thing.subject for thing in things or incident.things],
            detail={"resting_s": round(at.mono_s - first_s, 1), "objects": float(len(things))},
            size=float(len(things)),
            conditions=conditions,
            note="; ".join(f"{thing.where}: {thing.evidence_words}" for thing in things),
        )


def _explained(
    thing: LyingThing, lying: LyingThings, place: str, parameters: RuleParameters, at: Moment
) -> Explanation:
    """Why a thing is no litter yet."""
    conditions = lying.conditions(thing, at.mono_s, parameters.confirm_s)
    holds = all(one.holds for one in conditions) if thing.lies is not None else None
    stage = SituationStage.CONFIRMING if thing.lies else SituationStage.WATCHING
    lain_s = min(max(thing.seen_s - thing.since_s, 0.0), parameters.confirm_s)
    return Explanation(
        place,
        holds,
        conditions,
        stage,
        lain_s,
        parameters.confirm_s,
        thing.where,
        thing.evidence_words,
    )


def _severity(thing: LyingThing, at_s: float, things: int) -> Severity:
    lain_s = at_s - thing.since_s
    if lain_s >= HIGH_AFTER_S and thing.label not in BOTTLES:
        return Severity.HIGH
    if lain_s >= MEDIUM_AFTER_S or thing.label in BIN_BAGS or things > 1:
        return Severity.MEDIUM
    return Severity.LOW


DROPPED_OBJECT: Final = RuleType(
    kind="littering.dropped_object",
    version="2",
    task="littering",
    Parameters=LyingThingParameters,
    zone=_DroppedObjectWatch,
    by_spot=True,
    signals=frozenset({Signal.STATIC_CHANGE}),
)
