"""What rules find: incidents with their transitions, and measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from models.detections import Box


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number that one rule measured over a period, in one zone or at one line.

    Attributes:
        kind: What was measured: `traffic.flow`.
        camera: Camera id.
        begins_at: Begin of the period, UTC.
        ends_at: End of the period, UTC.
        value: The number; one that is not finite was not measured, and is not published.
        unit: Its unit, such as `km/h`; `1` for a count or a share.
        zone: Name of the zone, empty where there is none.
        line: Name of the line, empty where there is none.
        detail: Numbers that belong to it, by name; a name ends in its unit or the value is a count.
    """

    kind: str
    camera: str
    begins_at: datetime
    ends_at: datetime
    value: float
    unit: str
    zone: str = ""
    line: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)


class Phase(StrEnum):
    """A kind of change in an incident."""

    STARTED = "started"
    UPDATED = "updated"
    ENDED = "ended"


class Severity(StrEnum):
    """How much an incident matters to the people who work through it: levels 1 to 4."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def level(self) -> int:
        """1 for low to 4 for critical."""
        return tuple(Severity).index(self) + 1


def worst(severities: Iterable[Severity], default: Severity = Severity.LOW) -> Severity:
    """The highest of some severities; `default` of none."""
    return max(severities, key=lambda one: one.level, default=default)


class EndReason(StrEnum):
    """Why an incident is over."""

    CLEARED = "cleared"
    STREAM_LOST = "stream_lost"
    VIEW_LOST = "view_lost"
    SHUTDOWN = "shutdown"
    RECOVERED = "recovered"
    REMOVED = "removed"
    RECONFIGURED = "reconfigured"
    DISARMED = "disarmed"


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that takes part in an incident, in the image that shows it."""

    track: int
    label: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Peak:
    """An incident at the moment when it was greatest.

    Attributes:
        at: When the frame of that moment was captured, UTC.
        severity: How bad it was.
        size: How much of it there was, in what the rule counts.
        detail: Numbers that the rule measured, as in `Incident`.
        subjects: Who took part.
    """

    at: datetime
    severity: Severity
    size: float
    detail: Mapping[str, float]
    subjects: tuple[Subject, ...]

    def exceeds(self, other: Peak | None) -> bool:
        """Whether this is more than another one: severity decides, then size."""
        if other is None:
            return True
        return (self.severity.level, self.size) > (other.severity.level, other.size)


@dataclass(frozen=True, slots=True)
class Incident:
    """The state of an incident after its newest transition. Times are UTC.

    Attributes:
        id: Deterministic (uuid5), the same over retries and restarts of delivery.
        kind: The kind of the rule that found it: `traffic.congestion`.
        camera: Camera id.
        zone: Name of the zone it is going on in.
        detail: Numbers that the rule measured, by name with unit (`mean_speed_mps`); of one that
            has ended those of its peak, where it has one.
        peak: When it was greatest; None where the rule does not measure how big it is.
        group: Id of the first incident of the same cause, its own where that is this one; empty
            until that is decided.
    """

    id: str
    kind: str
    camera: str
    zone: str
    severity: Severity
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
    subjects: tuple[Subject, ...]
    detail: Mapping[str, float] = field(default_factory=dict)
    peak: Peak | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an incident, with the incident as it is afterwards."""

    phase: Phase
    incident: Incident
