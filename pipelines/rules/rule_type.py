"""`RuleType`: what a kind of rule declares; `Rule`: one at work on one camera.

A kind of rule only says what it makes of one zone or one line (`PlaceWatch`); what is true of all
rules is here. The configuration, `cityeye check` and the docs read the declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipelines.incident import EndReason
from pipelines.rules.rule import (
    Identity,
    Moment,
    RuleError,
    RuleParameters,
    RulePlan,
    RuleResult,
)
from pipelines.rules.signals import NO_SIGNALS, FrameSignals, Signal
from pipelines.rules.zone import Line, Zone
from pipelines.rules.zone_geometry import LineShape, ZoneShape
from pipelines.track import Track

P = TypeVar("P", bound=RuleParameters)


class PlaceWatch(Protocol):
    """One rule at work in one zone or at one line."""

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        """Takes one frame; the tracks are those of the whole camera."""
        ...

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        """Ends every open incident."""
        ...


class Rule:
    """One rule at work on one camera: every zone and line apart from the others.

    It gets every frame's tracks in order, and its incidents always end: by what it sees, or by
    `close`.

    Attributes:
        kind: The kind of its incidents: `traffic.congestion`.
        version: Changes whenever the same tracks could give other incidents.
    """

    def __init__(
        self, kind: str, version: str, signals: frozenset[Signal], watches: Sequence[PlaceWatch]
    ) -> None:
        self.kind = kind
        self.version = version
        self._signals = signals
        self._watches = tuple(watches)

    def observe(
        self, tracks: Sequence[Track], at: Moment, signals: FrameSignals = NO_SIGNALS
    ) -> RuleResult:
        """Takes one frame.

        Args:
            tracks: The objects that are seen in it, all of the camera, in any order.
            at: When it was captured.
            signals: What else is known of the same frame.
        """
        declared = signals.only(self._signals)
        return _joined(watch.observe(tracks, at, declared) for watch in self._watches)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        """Ends every open incident."""
        return _joined(watch.close(reason, at) for watch in self._watches)


def _joined(results: Iterable[RuleResult]) -> RuleResult:
    known = tuple(results)
    return RuleResult(
        tuple(step for result in known for step in result.transitions),
        tuple(number for result in known for number in result.measurements),
    )


@dataclass(frozen=True, slots=True)
class RuleType(Generic[P]):
    """A kind of rule.

    Attributes:
        kind: What it finds: `traffic.congestion`.
        version: Changes whenever the same tracks could give other incidents.
        task: The task that it belongs to: `traffic`.
        Parameters: The schema of its parameters; every one has a default.
        zone: Makes what watches one zone; None for a rule that takes no zones.
        line: Makes what watches one line; None for a rule that takes no lines.
        needs_direction: Whether it takes only zones with a direction.
        needs_ground: Whether it works on calibrated cameras only.
        signals: What it needs beside tracks.
    """

    kind: str
    version: str
    task: str
    Parameters: type[P]
    zone: Callable[[ZoneShape, Identity, P], PlaceWatch] | None = None
    line: Callable[[LineShape, Identity, P], PlaceWatch] | None = None
    needs_direction: bool = False
    needs_ground: bool = False
    signals: frozenset[Signal] = frozenset()

    @property
    def places(self) -> str:
        """Where it works, in words: `zones`, `zones with a direction or lines`."""
        zones = "zones with a direction" if self.needs_direction else "zones"
        return " or ".join(
            (zones,) * (self.zone is not None) + ("lines",) * (self.line is not None)
        )

    def build(self, camera: str, plan: RulePlan, incarnation: str) -> Rule:
        """Makes a rule.

        Args:
            camera: Camera id.
            plan: Zones, lines and parameters.
            incarnation: Differs between worker starts, so that incident ids never repeat.

        Raises:
            pydantic.ValidationError: A parameter is unknown or out of bounds.
            RuleError: There is no zone or line that the rule can use, or two have one name.
            ZoneError: A zone, a line or its calibration means nothing.
        """
        parameters = self.Parameters.model_validate(dict(plan.parameters))
        variant = parameters.model_dump_json()
        watches: list[PlaceWatch] = []

        def identity(name: str) -> Identity:
            return Identity(self.kind, camera, name, incarnation, variant=variant)

        if self.zone is not None:
            zones = [z for z in plan.zones if z.direction or not self.needs_direction]
            watches += [self.zone(ZoneShape(z), identity(z.name), parameters) for z in zones]
        if self.line is not None:
            watches += [self.line(LineShape(n), identity(n.name), parameters) for n in plan.lines]
        places: tuple[Zone | Line, ...] = (*plan.zones, *plan.lines)
        if not watches or len({place.name for place in places}) < len(places):
            raise RuleError(f"it needs {self.places}: at least one, each with a name of its own")
        if self.needs_ground and None in {place.ground for place in places}:
            raise RuleError("it works on calibrated cameras only; give the camera `ground:`")
        return Rule(self.kind, self.version, self.signals, watches)
