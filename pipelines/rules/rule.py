"""What all rules have in common: plan, parameters, clock, incident identity and result.

Rules know no model and no wall clock.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pipelines.incident import Transition
from pipelines.measurement import Measurement
from pipelines.rules.hysteresis import HysteresisWindows
from pipelines.rules.zone import Line, Zone

NAMESPACE: Final = uuid.UUID("6f1f5cd2-9c0e-5d0b-8a53-1d1c2f5b7a40")


class RuleError(ValueError):
    """A rule cannot be built from its plan; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: `utc` for people, `mono_s` for every elapsed time."""

    utc: datetime
    mono_s: float


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule of one task.

    Attributes:
        kind: What it finds: `traffic.congestion`.
        zones: The task's zones.
        parameters: Deviations from the defaults, as its kind's `Parameters` take them.
        lines: The task's lines.
    """

    kind: str
    zones: tuple[Zone, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()


class RuleParameters(BaseModel):
    """Parameters that every rule has.

    A kind of rule adds its own: numbers, choices, lists and durations, in seconds, metres, km/h
    or shares. All have a default and a description, all numbers have bounds.
    """

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
    def windows(self) -> HysteresisWindows:
        """The windows, as hysteresis takes them."""
        return HysteresisWindows(self.confirm_s, self.expire_s, self.cooldown_s)


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
    """

    kind: str
    camera: str
    zone: str
    incarnation: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    variant: str = ""

    def mint(self) -> str:
        """The next incident id; the same run gives the same ids."""
        named = (self.camera, self.kind, self.zone, self.incarnation, self.variant)
        return str(uuid.uuid5(NAMESPACE, "\x1f".join((*named, str(next(self.numbers))))))


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one frame, or the end of the stream, brings."""

    transitions: Sequence[Transition] = ()
    measurements: Sequence[Measurement] = ()
