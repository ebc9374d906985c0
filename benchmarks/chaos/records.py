"""What a run records: events as they were committed and as they arrived, frames, claims, faults.

Times named `at_s` are seconds since 1970 UTC for events, and monotonic seconds for all else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

HEARTBEAT: Final = "cityeye.worker.heartbeat"
"""Sent once and never stored: no part of what had to arrive."""


@dataclass(frozen=True, slots=True)
class WireKeyframe:
    """A keyframe as an event names it; `stored` is false while it is announced as pending."""

    key: str
    sha256: str
    size_bytes: int
    stored: bool


@dataclass(frozen=True, slots=True)
class WireIncident:
    """The incident of an event; `opened_s` is when it was opened, seconds since 1970 UTC."""

    id: str
    kind: str
    camera: str
    phase: str
    opened_s: float
    keyframes: tuple[WireKeyframe, ...] = ()


@dataclass(frozen=True, slots=True)
class WireEvent:
    """An event by its bytes. (`incarnation`, `sequence`) orders those of one source."""

    id: str
    source: str
    incarnation: int
    sequence: int
    type: str
    digest: str
    incident: WireIncident | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the events of its source."""
        return self.incarnation, self.sequence


@dataclass(frozen=True, slots=True)
class CommittedEvent:
    """An event in an outbox. One that is not `sealed` may still change once."""

    event: WireEvent
    at_s: float
    sealed: bool


@dataclass(frozen=True, slots=True)
class SinkArrival:
    """An event that a receiver has taken."""

    event: WireEvent
    at_s: float


@dataclass(frozen=True, slots=True)
class SurfaceClaim:
    """What a surface said at a moment of who is watched.

    Attributes:
        watched: The cameras that it calls watched; a surface that does not answer names none.
        count: How many it calls watched, where it says no more than that.
    """

    surface: str
    at_s: float
    watched: frozenset[str] = frozenset()
    count: int | None = None


@dataclass(frozen=True, slots=True)
class FreshFrame:
    """A frame that its server handed out and that shows something new; `number` in its clip."""

    at_s: float
    number: int


@dataclass(frozen=True, slots=True)
class ReadingSample:
    """Which cameras were really read at a moment: by a process that runs and takes its bytes."""

    at_s: float
    cameras: frozenset[str]


@dataclass(slots=True)
class FaultRecord:
    """One fault of a run.

    Attributes:
        index: Its place in the schedule.
        kind: Name of the kind.
        target: What it hit; empty where there was nothing to hit, and then it does not count.
        applied_s: When it began, monotonic seconds.
        healed_s: When it was taken away.
        recovered_s: Seconds until all was well: since it began where a process was hit, since it
            was taken away otherwise. None where that did not come in time.
        together: Whether another fault was there at the same time.
    """

    index: int
    kind: str
    target: str
    applied_s: float
    healed_s: float = 0.0
    recovered_s: float | None = None
    together: bool = False

    def is_on(self, begin_s: float, end_s: float) -> bool:
        """Whether it was there, or not recovered from, between two moments."""
        if not self.target or self.applied_s > end_s:
            return False
        # Recovery counts from the begin or from the end: the later of both is on the safe side.
        return self.recovered_s is None or begin_s <= self.healed_s + self.recovered_s


@dataclass(frozen=True, slots=True)
class Recording:
    """All that a run recorded.

    Attributes:
        committed: Every event that was ever read in an outbox, by id.
        arrivals: What each sink has taken, in order.
        frames: Fresh frames by camera, in order of time.
        reading: Who was really read, in order of time.
        claims: What surfaces said, in order of time.
        faults: In order of time.
        wall_offset_s: Seconds since 1970 less monotonic seconds.
    """

    committed: Mapping[str, CommittedEvent]
    arrivals: Mapping[str, Sequence[SinkArrival]]
    frames: Mapping[str, Sequence[FreshFrame]] = field(default_factory=dict)
    reading: Sequence[ReadingSample] = ()
    claims: Sequence[SurfaceClaim] = ()
    faults: Sequence[FaultRecord] = ()
    wall_offset_s: float = 0.0


def read_event(body: bytes) -> WireEvent | None:
    """An event by its JSON; None for a heartbeat.

    Raises:
        ValueError: It is no event.
    """
    try:
        parsed = json.loads(body)
        if parsed["type"] == HEARTBEAT:
            return None
        return WireEvent(
            id=str(parsed["id"]),
            source=str(parsed["source"]),
            incarnation=int(parsed["incarnation"]),
            sequence=int(parsed["sequence"]),
            type=str(parsed["type"]),
            digest=hashlib.sha256(body).hexdigest(),
            incident=_incident(parsed["data"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no event: {error!r}") from None


def _incident(data: Mapping[str, Any]) -> WireIncident | None:
    if "incident_id" not in data:
        return None
    return WireIncident(
        id=data["incident_id"],
        kind=data["kind"],
        camera=data["camera"]["id"],
        phase=data["phase"],
        opened_s=datetime.fromisoformat(data["opened_at"]).timestamp(),
        keyframes=tuple(
            WireKeyframe(one["key"], one["sha256"], one["size_bytes"], one["state"] == "stored")
            for one in data.get("keyframes", ())
        ),
    )
