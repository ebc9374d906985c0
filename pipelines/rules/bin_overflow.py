"""`littering.bin_overflow`: things lie around a bin, or stick out of it, for long.

The zone is drawn around one bin. Whatever was added in it counts, whoever brought it: what stands
beside a full bin was put there and not dropped. Persons and vehicles do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
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

HIGH_SHARE: Final = 0.3
HIGH_AFTER_S: Final = 3600.0
SHARE_STEP: Final = 0.05
"""It has grown if the share of the zone is in a higher step."""

LYING_S: Final = 5.0
"""What has lain so long belongs to it, not to somebody who throws it in."""


class BinOverflowParameters(LyingThingParameters):
    """When a bin overflows."""

    confirm_s: float = Field(
        default=60.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    min_objects: int = Field(default=2, ge=1, le=100, description="least things in the zone")
    min_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="share of the zone that things cover, from which on fewer are enough",
    )


class _BinOverflowWatch:
    """One zone around a bin."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: BinOverflowParameters
    ) -> None:
        self._shape = shape
        self._identity = identity
        self._parameters = parameters
        self._lying = LyingThings(shape, parameters.evidence, parameters.reach)
        self._incident = LitterIncident(identity, parameters, ())
        self._there: list[LyingThing] = []
        self._met_s: float | None = None

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        self._lying.observe(tracks, signals.static_changes, at.mono_s)
        self._there = [one for one in self._lying.things if self._counts(one, at.mono_s)]
        self._met_s = self._since_s(at)
        incident = self._incident
        if incident.is_open:
            incident.add(self._there)
            return RuleResult(incident.observe(self._reading(at), at))
        if self._met_s is None or not incident.is_cool(at.mono_s):
            return RuleResult()
        if at.mono_s - self._met_s < self._parameters.confirm_s:
            return RuleResult()
        return RuleResult(self._open(self._met_s, at))

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult(self._incident.close(reason, at))

    def explain(self, at: Moment) -> Sequence[Explanation]:
        place, confirm_s = self._identity.zone, self._parameters.confirm_s
        if self._incident.is_open or not self._incident.is_cool(at.mono_s):
            return (self._incident.explain(at, ""),)
        met_s = 0.0 if self._met_s is None else min(at.mono_s - self._met_s, confirm_s)
        stage = SituationStage.WATCHING if self._met_s is None else SituationStage.CONFIRMING
        conditions = self._conditions(self._there, at)
        holds = self._met_s is not None
        return (Explanation(place, holds, conditions, stage, met_s, confirm_s),)

    def _open(self, since_s: float, at: Moment) -> Sequence[Transition]:
        self._incident = LitterIncident(self._identity, self._parameters, self._there)
        return self._incident.open(self._reading(at), since_s, at, self._lying.log.interval_s)

    def _counts(self, thing: LyingThing, at_s: float) -> bool:
        """Whether a thing is there: neither a person or vehicle, nor in somebody's hands."""
        return thing.lies is not False and all(
            one.holds
            for one in self._lying.conditions(thing, at_s, LYING_S)
            if one.name in {"lies", "size", "seen_as_road_user"}
        )

    def _since_s(self, at: Moment) -> float | None:
        """Since when the bin has overflowed; None if it does not."""
        since_s, least = pieces_since(self._there, at.mono_s), self._parameters.min_objects
        if len(since_s) >= least:
            return since_s[least - 1]
        came = sorted(self._there, key=lambda thing: thing.since_s)
        for number, thing in enumerate(came, 1):
            if self._share(came[:number]) >= self._parameters.min_share:
                return thing.since_s
        return None

    def _conditions(self, things: Sequence[LyingThing], at: Moment) -> tuple[Condition, Condition]:
        """What makes an overflow; one of them is enough."""
        objects = float(len(pieces_since(things, at.mono_s)))
        return (
            Condition("objects", objects, float(self._parameters.min_objects)),
            Condition("share_of_zone", self._share(things), self._parameters.min_share),
        )

    def _share(self, things: Sequence[LyingThing]) -> float:
        covered = sum(thing.area for thing in things)
        return round(min(1.0, covered / self._shape.image_share), 3)

    def _reading(self, at: Moment) -> Reading:
        things, incident = self._there, self._incident
        share, lasted_s = self._share(things), at.mono_s - incident.since_s
        conditions = self._conditions(things, at)
        is_high = share >= HIGH_SHARE or lasted_s >= HIGH_AFTER_S
        return Reading(
            holds=incident.lies,
            severity=Severity.HIGH if is_high else Severity.MEDIUM,
            tracks=[thing.subject for thing in things or incident.things],
            detail={
                "objects": conditions[0].value or 0.0,
                "share_of_zone": share,
                "resting_s": round(lasted_s, 1),
            },
            size=share // SHARE_STEP,
            conditions=conditions,
            note="; ".join(f"{thing.where}: {thing.evidence_words}" for thing in things),
        )


BIN_OVERFLOW: Final = RuleType(
    kind="littering.bin_overflow",
    version="1",
    task="littering",
    Parameters=BinOverflowParameters,
    zone=_BinOverflowWatch,
    signals=frozenset({Signal.STATIC_CHANGE}),
)
