"""The published contract: a CloudEvents 1.0 envelope around what CityEye has to say.

The same JSON bytes go into the outbox and to every sink. Events are at-least-once and ordered per
camera; `id` is deterministic, so consumers deduplicate by it and keep the highest `revision` per
incident. A keyframe is named by its key and sha256, never by a presigned URL.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

INCIDENT_STARTED = "cityeye.incident.started"
INCIDENT_UPDATED = "cityeye.incident.updated"
INCIDENT_ENDED = "cityeye.incident.ended"
CAMERA_STATE = "cityeye.camera.state"


class Contract(BaseModel):
    """Base of every wire model: unknown keys are refused when we write, kept out when we read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PlaceData(Contract):
    """Where a camera stands: WGS 84 degrees and the administrative division code."""

    lon: float | None = None
    lat: float | None = None
    division: str = ""


class CameraData(Contract):
    """The camera an event is about."""

    id: str
    name: str = ""
    place: PlaceData = PlaceData()


class VersionData(Contract):
    """A named thing and its version: the model or the rule behind an incident."""

    name: str
    version: str


class SubjectData(Contract):
    """An object that takes part. `box` is x1 y1 x2 y2 in normalised image coordinates."""

    track: int
    label: str
    score: float
    box: tuple[float, float, float, float]


class KeyframeData(Contract):
    """A stored image.

    Attributes:
        role: Which moment it shows.
        key: Object key in the keyframe store.
        state: `stored` once the store has it; `pending` while it is only spooled at the edge.
    """

    role: Literal["opening", "peak", "closing"]
    key: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    media_type: str = "image/jpeg"
    masked: bool = False
    state: Literal["stored", "pending"] = "stored"


class IncidentData(Contract):
    """An incident after its newest transition."""

    incident_id: str
    kind: str
    phase: Literal["started", "updated", "ended"]
    revision: int
    severity: Literal["low", "medium", "high"]
    camera: CameraData
    zone: str
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    subjects: tuple[SubjectData, ...] = ()
    detail: dict[str, float] = Field(default_factory=dict)
    keyframes: tuple[KeyframeData, ...] = ()
    model: VersionData
    rule: VersionData


class CameraStateData(Contract):
    """A camera changed between online, degraded, offline and unauthorized."""

    camera: CameraData
    state: Literal["online", "degraded", "offline", "unauthorized"]
    previous: str
    reason: str
    since: datetime


class EventBase(Contract):
    """CloudEvents 1.0 attributes (structured JSON mode)."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    partitionkey: str
    """Camera id: order holds among events with the same key."""
    sequence: str
    """Per outbox, zero-padded decimal, so that text order is delivery order."""


class IncidentEvent(EventBase):
    """An incident transition."""

    type: Literal["cityeye.incident.started", "cityeye.incident.updated", "cityeye.incident.ended"]
    data: IncidentData


class CameraStateEvent(EventBase):
    """A camera-state change."""

    type: Literal["cityeye.camera.state"] = "cityeye.camera.state"
    data: CameraStateData


Event = Annotated[IncidentEvent | CameraStateEvent, Field(discriminator="type")]
"""What travels: parse with `pydantic.TypeAdapter(Event)`."""
