"""What all rules have in common: plan, parameters, signals, incident identity and result.

A kind of rule only says what it makes of one zone or one line (`PlaceWatch`); what is true of all
rules is here. Rules know no model and no wall clock.
"""

from __future__ import annotations

import itertools
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from camera_adapters import AnalysisImage
from pipelines.incident import EndReason, Measurement, Transition
from pipelines.rules.condition import Explanation, RuleExplanation
from pipelines.rules.cooling import Cooling, EndedIncident
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.schedule import ArmingSchedule
from pipelines.rules.zone import Line, Zone
from pipelines.rules.zone_geometry import LineShape, MaskedArea, ZoneShape
from pipelines.signals.signal import Motion, Signal, StaticChange
from pipelines.track import Track

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FrameSignals:
    """The signals of one frame, as far as a rule declares them.

    While the view is at fault no rule gets any frame.

    Attributes:
        image: The image that the model was run on, the same array without a copy; None for a
            rule that does not declare `Signal.IMAGE`.
        motion: What moves; None for a rule that does not declare `Signal.MOTION`, and before there
            are two frames.
        static_changes: What was added to the place or taken away, and stays; None for a rule that
            does not declare `Signal.STATIC_CHANGE`.
    """

    image: AnalysisImage | None = None
    motion: Motion | None = None
    static_changes: tuple[StaticChange, ...] | None = None

    def only(self, declared: frozenset[Signal]) -> FrameSignals:
        """Those that are declared."""
        return FrameSignals(
            self.image if Signal.IMAGE in declared else None,
            self.motion if Signal.MOTION in declared else None,
            self.static_changes if Signal.STATIC_CHANGE in declared else None,
        )

    def outside(self, mask: MaskedArea) -> FrameSignals:
        """The same without the changes that a mask hides."""
        if not self.static_changes:
            return self
        seen = tuple(change for change in self.static_changes if not mask.hides(change.box))
        return replace(self, static_changes=seen)


NO_SIGNALS = FrameSignals()


NAMESPACE: Final = uuid.UUID("6f1f5cd2-9c0e-5d0b-8a53-1d1c2f5b7a40")


class RuleError(ValueError):
    """A rule cannot be built from its plan; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: `utc` for people, `mono_s` for every elapsed time.

    `armed` says whether a rule may open incidents then.
    """

    utc: datetime
    mono_s: float
    armed: bool = True


class MeasureParameters(BaseModel):
    """Parameters of a rule that only measures: those that its kind adds, none by itself.

    They are numbers, choices, lists and durations, in seconds, metres, km/h or shares. All have a
    default and a description, all numbers have bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RuleParameters(MeasureParameters):
    """Parameters that every rule with incidents has; a kind of rule adds its own."""

    confirm_s: float = Field(
        default=6.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    expire_s: float = Field(
        default=8.0, ge=0, le=3600, description="seconds it must be over until the incident ends"
    )
    cooldown_s: float = Field(
        default=20.0,
        ge=0,
        le=86400,
        description="seconds after an end until a new incident may begin at the same place",
    )
    update_every_s: float = Field(
        default=30.0, ge=1, le=86400, description="least seconds between two regular updates"
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """What incident ids are made of.

    Attributes:
        kind: Kind of incident.
        camera: Camera id.
        zone: Name of the zone or line.
        incarnation: Differs between worker starts.
        numbers: Running numbers, shared by all situations of the zone.
        variant: Differs between two rules of one kind in one zone.
        peaks: Ids of incidents that the newest frame shows at their peak; shared in a rule.
        cooling: What ended before this run began and still cools down; shared like `peaks`.
    """

    kind: str
    camera: str
    zone: str
    incarnation: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    variant: str = ""
    peaks: list[str] = field(default_factory=list)
    cooling: Cooling = field(default_factory=Cooling)

    def mint(self) -> str:
        """The next incident id; the same run gives the same ids."""
        named = (self.camera, self.kind, self.zone, self.incarnation, self.variant)
        return str(uuid.uuid5(NAMESPACE, "\x1f".join((*named, str(next(self.numbers))))))


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one frame, or the end of the stream, brings.

    Attributes:
        peaks: Ids of open incidents that this frame shows greater than before; from `Rule` only.
    """

    transitions: Sequence[Transition] = ()
    measurements: Sequence[Measurement] = ()
    peaks: Sequence[str] = ()


P = TypeVar("P", bound=MeasureParameters)


class PlaceWatch(Protocol):
    """One rule at work in one zone or at one line."""

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        """Takes one frame; the tracks are those of the whole camera."""
        ...

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        """Ends every open incident."""
        ...

    def explain(self, at: Moment) -> Sequence[Explanation]:
        """Why there is an incident or none, after the frame that was captured at `at`."""
        ...


Memory = Mapping[str, Any]
"""What a place has learned, as JSON can hold it."""


@runtime_checkable
class LearningWatch(PlaceWatch, Protocol):
    """A rule at a place that learns, and whose knowledge survives restarts."""

    def remember(self, at: Moment) -> Memory:
        """What it has learned up to now; no time in it may be of the monotonic clock."""
        ...

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        """Goes on with what an earlier run learned, before its first frame.

        Args:
            memory: What `remember` gave, of this version of the rule at this very place.
            age_s: How long ago that was, seconds.
            at: When the first frame of this run was captured.
        """
        ...


class Rule:
    """One rule at work on one camera: every zone and line apart from the others.

    It gets every frame's tracks in order, and its incidents always end: by what it sees, or by
    `close`. While it is not armed it opens none and ends those that are open; its places learn and
    measure all the same.

    Attributes:
        kind: The kind of its incidents: `traffic.congestion`.
        version: Changes whenever the same tracks could give other incidents.
        signals: What it needs beside tracks.
    """

    def __init__(
        self,
        kind: str,
        version: str,
        signals: frozenset[Signal],
        watches: Mapping[str, PlaceWatch],
        schedule: ArmingSchedule | None = None,
        mask: MaskedArea | None = None,
        shared: Identity | None = None,
    ) -> None:
        """Takes the watches by a text that differs wherever the place does.

        Without a schedule it is always armed, without a mask everything counts; `shared` has what
        their identities share.
        """
        self.kind = kind
        self.version = version
        self.signals = signals
        self._watches = tuple(watches.values())
        self._schedule = schedule
        self._mask = mask
        self._peaks = shared.peaks if shared else []
        self._cooling = shared.cooling if shared else Cooling()
        self._learning = {
            f"{kind}/{version} {place}": watch
            for place, watch in watches.items()
            if isinstance(watch, LearningWatch)
        }

    def observe(
        self, tracks: Sequence[Track], at: Moment, signals: FrameSignals = NO_SIGNALS
    ) -> RuleResult:
        """Takes one frame.

        Args:
            tracks: The objects that are seen in it, all of the camera, in any order.
            at: When it was captured.
            signals: What else is known of the same frame.
        """
        declared = signals.only(self.signals) if self.signals else NO_SIGNALS
        if self._mask is not None:
            tracks = [track for track in tracks if not self._mask.hides(track.box)]
            declared = declared.outside(self._mask)
        if not self.is_armed(at):
            at = replace(at, armed=False)
        transitions: list[Transition] = []
        measurements: list[Measurement] = []
        for watch in self._watches:
            result = watch.observe(tracks, at, declared)
            transitions += result.transitions
            measurements += result.measurements
        peaks = tuple(self._peaks)
        self._peaks.clear()
        return RuleResult(tuple(transitions), tuple(measurements), peaks)

    def is_armed(self, at: Moment) -> bool:
        """Whether it may open incidents then."""
        return self._schedule is None or self._schedule.armed(at.utc)

    def explain(self, at: Moment) -> tuple[Explanation, ...]:
        """Why there are incidents or none, after the frame that was captured at `at`."""
        return tuple(said for watch in self._watches for said in watch.explain(at))

    def account(self, at: Moment) -> RuleExplanation:
        """The same, with what is true of the rule as a whole."""
        schedule, armed = str(self._schedule or ""), self.is_armed(at)
        return RuleExplanation(self.kind, self.version, armed, schedule, self.explain(at))

    def remember(self, at: Moment) -> dict[str, Memory]:
        """What its places have learned, by a text that names rule, version and place."""
        return {place: watch.remember(at) for place, watch in self._learning.items()}

    def recall(self, memories: Mapping[str, Memory], age_s: float, at: Moment) -> None:
        """Gives its places what an earlier run learned there; see `LearningWatch.recall`.

        What cannot be used is left out, and learned anew.
        """
        for place, watch in self._learning.items():
            if place in memories:
                try:
                    watch.recall(memories[place], age_s, at)
                except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                    said = {"place": place, "error": f"{type(error).__name__}: {error}"}
                    log.warning("rules.memory_unusable", extra=said)

    def cool(self, ended: Sequence[EndedIncident], at: Moment) -> None:
        """Takes what an earlier run ended at its camera: it cools down from then on."""
        for one in ended:
            if one.kind == self.kind:
                self._cooling.add(one, at.utc, at.mono_s)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        """Ends every open incident."""
        results = [watch.close(reason, at) for watch in self._watches]
        steps = tuple(step for result in results for step in result.transitions)
        return RuleResult(steps, tuple(n for result in results for n in result.measurements))


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
        by_spot: Whether each thing at its spot is an incident of its own, so that several of one
            zone may be open at once; else a zone or line has one at a time.
        signals: What it needs beside tracks.
        max_interval_s: Time between two frames from which on it can measure nothing, seconds; None
            where only the windows of its parameters limit it.
        least_fps: Frames per second up to which it would measure wrong numbers; a longer pause now
            and then does no harm.
        measures: Kinds of the measurements that it publishes.
    """

    kind: str
    version: str
    task: str
    Parameters: type[P]
    zone: Callable[[ZoneShape, Identity, P], PlaceWatch] | None = None
    line: Callable[[LineShape, Identity, P], PlaceWatch] | None = None
    needs_direction: bool = False
    needs_ground: bool = False
    by_spot: bool = False
    signals: frozenset[Signal] = frozenset()
    max_interval_s: float | None = None
    least_fps: float = 0.0
    measures: tuple[str, ...] = ()

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
        watches: dict[str, PlaceWatch] = {}
        cooldown_s = parameters.cooldown_s if isinstance(parameters, RuleParameters) else 0.0
        cooling = Cooling(cooldown_s, self.by_spot)
        shared = Identity(self.kind, camera, "", incarnation, cooling=cooling)

        def identity(name: str) -> Identity:
            return replace(shared, zone=name, numbers=itertools.count(1), variant=variant)

        if self.zone is not None:
            zones = [z for z in plan.zones if z.direction or not self.needs_direction]
            watches |= {
                repr(z): self.zone(ZoneShape(z), identity(z.name), parameters) for z in zones
            }
        if self.line is not None:
            watches |= {
                repr(n): self.line(LineShape(n), identity(n.name), parameters) for n in plan.lines
            }
        places: tuple[Zone | Line, ...] = (*plan.zones, *plan.lines)
        if not watches or len({place.name for place in places}) < len(places):
            raise RuleError(f"it needs {self.places}: at least one, each with a name of its own")
        if self.needs_ground and None in {place.ground for place in places}:
            raise RuleError("it works on calibrated cameras only; give the camera `ground:`")
        mask = MaskedArea(plan.masks) if plan.masks else None
        return Rule(self.kind, self.version, self.signals, watches, plan.schedule, mask, shared)
