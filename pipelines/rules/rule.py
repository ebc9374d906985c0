"""What a rule is: tracks in, incident transitions out, one zone apart from the other.

Rules know no image, no model and no wall clock. A rule gets every frame's tracks in order, and
its incidents always end: by what it sees, or by `close`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from pipelines.incident import EndReason, Transition
from pipelines.rules.hysteresis import Timing
from pipelines.rules.zone import Zone
from pipelines.track import Track


class RuleError(ValueError):
    """A rule cannot be built from its plan; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: `utc` to tell people, `mono_s` for every elapsed time."""

    utc: datetime
    mono_s: float


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule of one task: its kind (`traffic.congestion`) and its validated parameters."""

    kind: str
    zones: tuple[Zone, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)


class RuleParameters(BaseModel):
    """Parameters that every rule has; all are numbers, all have defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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

    @property
    def timing(self) -> Timing:
        """The windows, as hysteresis takes them."""
        return Timing(self.confirm_s, self.expire_s, self.cooldown_s)


class Rule(Protocol):
    """One rule at work on one camera."""

    @property
    def kind(self) -> str:
        """The kind of its incidents: `traffic.congestion`."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same tracks could give other incidents."""
        ...

    def observe(self, tracks: Sequence[Track], at: Moment) -> tuple[Transition, ...]:
        """Judges one frame: the objects seen in it, all of the camera, in any order."""
        ...

    def close(self, reason: EndReason, at: Moment) -> tuple[Transition, ...]:
        """Ends every open incident."""
        ...


class RuleType(Protocol):
    """A kind of rule: what it is called, what it can be told, how it is made."""

    @property
    def kind(self) -> str:
        """The kind of its incidents: `traffic.congestion`."""
        ...

    @property
    def task(self) -> str:
        """The task that it belongs to: `traffic`."""
        ...

    @property
    def Parameters(self) -> type[RuleParameters]:
        """The schema of its parameters; every one has a default."""
        ...

    def build(
        self, camera: str, zones: Sequence[Zone], parameters: Mapping[str, float], incarnation: str
    ) -> Rule:
        """Makes a rule.

        Args:
            camera: Camera id.
            zones: Where to look; their names differ.
            parameters: Deviations from the defaults of `Parameters`.
            incarnation: Differs between worker starts, so that incident ids never repeat.

        Raises:
            pydantic.ValidationError: A parameter is unknown or out of bounds.
            RuleError: There is no zone, or two have one name.
            ZoneError: A zone or its calibration means nothing.
        """
        ...
