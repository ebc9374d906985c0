"""`ZonedRuleType`: how a kind of rule is made that watches each of its zones apart.

A kind of rule only says what it makes of one zone (`ZoneWatch`); what is true of all rules is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipelines.incident import EndReason, Transition
from pipelines.rules.rule import Moment, Rule, RuleError, RuleParameters
from pipelines.rules.situation import Identity
from pipelines.rules.zone import Zone
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track

P = TypeVar("P", bound=RuleParameters)


class ZoneWatch(Protocol):
    """One rule at work in one zone."""

    def observe(self, tracks: Sequence[Track], at: Moment) -> Iterable[Transition]:
        """Judges one frame; the tracks are those of the whole camera."""
        ...

    def close(self, reason: EndReason, at: Moment) -> Iterable[Transition]:
        """Ends every open incident."""
        ...


class ZonedRule:
    """A rule that judges each of its zones apart from the others."""

    def __init__(self, kind: str, version: str, watches: Sequence[ZoneWatch]) -> None:
        self.kind = kind
        self.version = version
        self._watches = tuple(watches)

    def observe(self, tracks: Sequence[Track], at: Moment) -> tuple[Transition, ...]:
        """See `Rule.observe`."""
        return tuple(step for watch in self._watches for step in watch.observe(tracks, at))

    def close(self, reason: EndReason, at: Moment) -> tuple[Transition, ...]:
        """See `Rule.close`."""
        return tuple(step for watch in self._watches for step in watch.close(reason, at))


@dataclass(frozen=True, slots=True)
class ZonedRuleType(Generic[P]):
    """A kind of rule that judges zone by zone: a `RuleType`.

    Attributes:
        kind: The kind of its incidents: `traffic.congestion`.
        version: Changes whenever the same tracks could give other incidents.
        task: The task that it belongs to: `traffic`.
        Parameters: The schema of its parameters; every one has a default.
        watch: Makes what watches one zone.
    """

    kind: str
    version: str
    task: str
    Parameters: type[P]
    watch: Callable[[ZoneShape, Identity, P], ZoneWatch]

    def build(
        self, camera: str, zones: Sequence[Zone], parameters: Mapping[str, float], incarnation: str
    ) -> Rule:
        """See `RuleType.build`."""
        if not zones or len({zone.name for zone in zones}) < len(zones):
            raise RuleError("give at least one zone, each with a name of its own")
        checked = self.Parameters.model_validate(dict(parameters))
        variant = checked.model_dump_json()
        watches = [
            self.watch(
                ZoneShape(zone),
                Identity(self.kind, camera, zone.name, incarnation, variant=variant),
                checked,
            )
            for zone in zones
        ]
        return ZonedRule(self.kind, self.version, watches)
