"""The published contract: a CloudEvents 1.0 envelope around what CityEye publishes.

The same JSON bytes go into the outbox and to every sink. Events are at-least-once; `id` is
deterministic, so consumers deduplicate by it. `source` is one camera of one city, and
(`incarnation`, `sequence`) orders all its events whatever clocks say: of an incident and of a
camera's state, consumers keep the newest in that order. A keyframe is named by its key and sha256,
and by an address that asks for a token, never by a presigned one. A heartbeat is the exception: it
is sent once, never stored, never repeated.

A new kind of event is one subclass of `OutgoingEvent` here, named in `Event`, and its schema
(`pipelines.event_schemas`): outbox, deliveries and hub use only what `OutgoingEvent` declares.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import ConfigDict, Field, TypeAdapter

from pipelines.event_case import CaseTypes, CaseWorkData
from pipelines.event_evidence import CleanImageData, ClipData, Contract, KeyframeData, TraceParent
from pipelines.event_incident import LEVELS, CaseData, PeakData, Severities, SubjectData
from pipelines.event_place import CameraData as CameraData  # noqa: PLC0414 - part of this contract
from pipelines.event_place import PlaceData as PlaceData  # noqa: PLC0414 - part of this contract
from pipelines.event_place import VersionData as VersionData  # noqa: PLC0414 - part of this contract

UPDATE_PRIORITY: Final = {"low": 0, "medium": 1, "high": 2, "critical": 2}
EDGE_PRIORITY: Final = {"low": 3, "medium": 5, "high": 6, "critical": 6}
"""Openings and endings; between them stands a camera's state."""
STATE_PRIORITY: Final = 4

HEARTBEAT_EVERY_S: Final = 4.0
"""Shorter than the 5 s after which servers close an idle connection: that would cost heartbeats."""

INCARNATION_MAX: Final = 2**53 - 1
"""The greatest integer that every JSON reader keeps exactly."""


def schema_id(name: str, major: int) -> str:
    """The id of a JSON Schema of `data`: within a major version it only grows."""
    return f"urn:cityeye:schema:{name}:{major}"


class IncidentData(Contract):
    """An incident after its newest transition.

    Attributes:
        level: The severity as a number: 1 for low to 4 for critical.
        group: Id of the first incident of the same cause; its own, where that is this one. Empty in
            events of programs that knew no groups.
        peak: When it was greatest; None where the rule does not measure how big it is. The
            `detail` of an incident that has ended is that of its peak.
    """

    incident_id: str
    group: str = ""
    kind: str
    phase: Literal["started", "updated", "ended"]
    revision: int
    severity: Severities
    level: int = Field(default_factory=lambda said: LEVELS[said["severity"]], ge=1, le=4)
    camera: CameraData
    zone: str
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    subjects: tuple[SubjectData, ...] = ()
    detail: dict[str, float] = Field(default_factory=dict)
    peak: PeakData | None = None
    keyframes: tuple[KeyframeData, ...] = ()
    clip: ClipData | None = None
    """None where the camera makes no clips."""
    model: VersionData
    rule: VersionData
    case: CaseData | None = None
    """Null where the configuration has no code for the kind."""

    @property
    def evidence(self) -> tuple[KeyframeData | CleanImageData | ClipData, ...]:
        """Everything that a store has of it, or will have: all of that has a key and a digest."""
        clean = [one.clean for one in self.keyframes if one.clean]
        return (*self.keyframes, *clean, *((self.clip,) if self.clip and self.clip.key else ()))


StateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""`online`, `degraded`, `offline`, `unauthorized`, or `stopped`: nobody watches it any more, on
purpose. An open list: a reader shows a name that it does not know, and never takes it for online.
"""

ViewName = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,31})?$")]
"""Why images that come do not show the place, such as `covered`; else empty. An open list."""


class CameraStateData(Contract):
    """A camera's state changed; `since` is for people, order goes by incarnation and sequence.

    While `view` is not empty nothing that depends on the view is watched, and the state is
    `degraded`. A change of `view` alone is an event too.
    """

    camera: CameraData
    state: StateName
    previous: str
    reason: str
    since: datetime
    view: ViewName = ""


class CameraBeat(Contract):
    """The state of one camera at a heartbeat."""

    camera: CameraData
    state: StateName
    reason: str = ""


class HeartbeatData(Contract):
    """What a worker knows of its cameras now.

    Attributes:
        beat: Counts the heartbeats of this incarnation, from 1.
        uptime_s: Monotonic seconds since the worker started, so that a receiver notices late ones.
        valid_s: Seconds for which it counts; a camera without a newer one is not watched.
        cameras: All cameras of the worker, or a part of them where there are many.
    """

    worker: str
    beat: int = Field(ge=1)
    uptime_s: float = Field(ge=0)
    valid_s: float = Field(gt=0)
    cameras: tuple[CameraBeat, ...]


CountedSeconds = Annotated[float, Field(ge=0)]


class CoverageData(Contract):
    """CountedSeconds for which a task was asked to watch a camera, and what became of them.

    Attributes:
        watched_s: Those in which frames were analysed one soon enough after the other.
        able_s: Those of `watched_s` in which the camera showed its place.
        gaps: What `able_s` lacks of `requested_s`, by reason; an open list.
    """

    requested_s: CountedSeconds
    watched_s: CountedSeconds
    able_s: CountedSeconds
    gaps: dict[str, CountedSeconds] = Field(default_factory=dict)


class MeasurementData(Contract):
    """A number over a period.

    Attributes:
        kind: What was measured: `coverage`, `traffic.flow`.
        value: The number; what could not be measured is not published.
        unit: Its unit, such as `s`, `km/h` or `1/min`; `1` for a count or a share.
        zone: Where, if in a zone, as `line`, if at a line.
        coverage: How much of the period the task could see: what the number is worth.
        detail: Numbers that belong to it; a name ends in its unit, or the value is a count.
    """

    kind: str
    value: float
    unit: str
    camera: CameraData
    task: str
    zone: str = ""
    line: str = ""
    begins_at: datetime
    ends_at: datetime
    coverage: CoverageData
    detail: dict[str, float] = Field(default_factory=dict)
    model: VersionData | None = None
    rule: VersionData | None = None


class NoticeData(Contract):
    """What a worker has to say of itself that is no camera's state, once.

    Attributes:
        kind: What it is about, such as `outbox_damaged`; an open list.
        text: The same for people, with what to do.
        values: Numbers that belong to it, such as events that could not be saved.
    """

    worker: str
    kind: str
    text: str
    at: datetime
    values: dict[str, int] = Field(default_factory=dict)


class OutgoingEvent(Contract):
    """CloudEvents 1.0 attributes (structured JSON mode), and what delivery asks of every event."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    """What `data` looks like, see `pipelines.event_schemas`. None in older events."""
    partitionkey: str
    """Camera id; of a heartbeat and of a notice the worker's name."""
    incarnation: int = Field(default=0, ge=0, le=INCARNATION_MAX)
    """Which start of a worker it comes from; grows, also when a camera moves to another worker.
    0 in events that were written before there were incarnations."""
    sequence: str
    """Grows within an incarnation; zero-padded decimal, so that text order is delivery order."""
    traceparent: TraceParent = None

    @property
    def shed_priority(self) -> int:
        """Events with a lower number are given up first when the outbox is full."""
        return 0

    @property
    def incident(self) -> IncidentData | None:
        """The incident whose newest state this event is, if it is one."""
        return None

    @property
    def incident_id(self) -> str | None:
        """The incident that this event belongs to, if there is one."""
        return None if self.incident is None else self.incident.incident_id

    @property
    def camera_state(self) -> CameraStateData | None:
        """The state of a camera that this event reports, if it does."""
        return None

    @property
    def measurement(self) -> MeasurementData | None:
        """The number over a period that this event reports, if it does."""
        return None

    def finished(
        self,
        sequence: str,
        revision: int = 0,
        keyframes: Sequence[KeyframeData] = (),
        clip: ClipData | None = None,
    ) -> Self:
        """The event as it is published; the outbox alone calls this.

        Args:
            sequence: Its place in the outbox.
            revision: Number of this state of the incident, if there is one.
            keyframes: All of the incident so far, each with its present state.
            clip: Its clip, where that is known by now.
        """
        update: dict[str, object] = {"sequence": sequence}
        if self.incident is not None:
            named = {
                "revision": revision,
                "keyframes": tuple(keyframes),
                "clip": clip or self.incident.clip,
            }
            update["data"] = self.incident.model_copy(update=named)
        return self.model_copy(update=update)


class IncidentEvent(OutgoingEvent):
    """An incident transition."""

    type: Literal["cityeye.incident.started", "cityeye.incident.updated", "cityeye.incident.ended"]
    dataschema: str | None = schema_id("incident", 2)
    data: IncidentData

    @property
    def shed_priority(self) -> int:
        """Updates go before openings and endings, low severity first."""
        is_update = self.data.phase == "updated"
        return (UPDATE_PRIORITY if is_update else EDGE_PRIORITY)[self.data.severity]

    @property
    def incident(self) -> IncidentData:
        """The whole of `data`."""
        return self.data

    def changed(self, id: str, time: datetime, **data: object) -> Self:
        """The next state of the incident: the same but for some of `data`, `phase` among them."""
        changed = self.data.model_copy(update=data)
        kind = f"cityeye.incident.{changed.phase}"
        update = {"id": id, "time": time, "type": kind, "data": changed, "traceparent": None}
        return self.model_copy(update=update)

    def moved(self, source: str, incarnation: int) -> Self:
        """The same from another source or incarnation."""
        return self.model_copy(update={"source": source, "incarnation": incarnation})


class CameraStateEvent(OutgoingEvent):
    """A camera-state change."""

    type: Literal["cityeye.camera.state"] = "cityeye.camera.state"
    dataschema: str | None = schema_id("camera-state", 1)
    data: CameraStateData

    @property
    def shed_priority(self) -> int:
        """Between openings and endings of low and of medium severity."""
        return STATE_PRIORITY

    @property
    def camera_state(self) -> CameraStateData:
        """The whole of `data`."""
        return self.data


class MeasurementEvent(OutgoingEvent):
    """A number over a period. Belongs to no incident and has no keyframes."""

    type: Literal["cityeye.measurement"] = "cityeye.measurement"
    dataschema: str | None = schema_id("measurement", 2)
    data: MeasurementData

    @property
    def shed_priority(self) -> int:
        """Before everything else."""
        return min(UPDATE_PRIORITY.values()) - 1

    @property
    def measurement(self) -> MeasurementData:
        """The whole of `data`."""
        return self.data


class HeartbeatEvent(OutgoingEvent):
    """A worker's sign that it watches, with the newest state of its cameras.

    Its `sequence` is the newest one that the worker's outbox had before the states were read: the
    state of a camera here is newer than every event up to it.
    """

    type: Literal["cityeye.worker.heartbeat"] = "cityeye.worker.heartbeat"
    dataschema: str | None = schema_id("heartbeat", 1)
    expirytime: datetime
    """When brokers may drop it, by the worker's clock."""
    data: HeartbeatData


class NoticeEvent(OutgoingEvent):
    """Something that a worker has to say of itself, such as a damaged outbox."""

    type: Literal["cityeye.worker.notice"] = "cityeye.worker.notice"
    dataschema: str | None = schema_id("notice", 1)
    data: NoticeData

    @property
    def shed_priority(self) -> int:
        """After everything else."""
        return max(EDGE_PRIORITY.values()) + 1


class CaseEvent(OutgoingEvent):
    """What somebody made of an incident, or the hub of a time limit; hubs make these."""

    type: CaseTypes
    dataschema: str | None = schema_id("case", 1)
    data: CaseWorkData

    @property
    def incident_id(self) -> str | None:
        """The first incident of the case."""
        return self.data.incidents[0].incident_id if self.data.incidents else None


Event = Annotated[
    IncidentEvent | CameraStateEvent | MeasurementEvent | HeartbeatEvent | NoticeEvent | CaseEvent,
    Field(discriminator="type"),
]
"""Every kind of event: the registry of this seam."""

# By default thousands of texts that were read stay in memory; here hardly one comes twice.
EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event, config=ConfigDict(cache_strings="keys"))
"""Parses what was published."""

DATA_SCHEMAS: Final[dict[str, str]] = {
    name: kind.model_fields["dataschema"].default
    for kind in get_args(get_args(Event)[0])
    for name in get_args(kind.model_fields["type"].annotation)
}
EVENT_TYPES: Final = frozenset(DATA_SCHEMAS)
"""The `type` of every kind of event, and the schema of its data."""
