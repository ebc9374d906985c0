"""What the hub's API answers: typed, so that the OpenAPI description says it all."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pipelines.event import CameraStateData, IncidentData


class HubAnswer(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


class Receipt(HubAnswer):
    """How many events of a delivery were new, and how many the hub already had."""

    stored: int
    duplicates: int


class Refusal(HubAnswer):
    """Why a request was refused, in one sentence, and the attribute or parameter behind it."""

    error: str
    attribute: str | None = None


class IncidentPage(HubAnswer):
    """Incidents, newest first. Pass `next_before` as `before` for the next page."""

    incidents: list[IncidentData]
    next_before: str | None


class IncidentStep(HubAnswer):
    """One transition in an incident's life."""

    revision: int
    phase: Literal["started", "updated", "ended"]
    severity: Literal["low", "medium", "high"]
    at: datetime
    received_at: datetime
    event_id: str
    end_reason: str | None


class IncidentRecord(HubAnswer):
    """An incident with its transitions, in order of revision."""

    incident: IncidentData
    history: list[IncidentStep]


class StoredEvent(HubAnswer):
    """An event as it arrived. `sha256` and `size_bytes` are those of the received bytes."""

    position: int
    received_at: datetime
    sha256: str
    size_bytes: int
    event: dict[str, Any]


class EventPage(HubAnswer):
    """Events in order of arrival. Pass `next_after` as `after` to go on from here."""

    events: list[StoredEvent]
    next_after: int


class CameraStatus(CameraStateData):
    """The newest known state of a camera, when the hub received it, and the last heartbeat.

    `silent` means that nothing was heard of the camera lately: nobody watches it, whatever was
    reported before.
    """

    reported_at: datetime
    received_at: datetime
    heard_at: datetime | None = None


class CameraList(HubAnswer):
    """Every camera the hub has heard of, by id. `online` counts those that are being watched."""

    cameras: list[CameraStatus]
    online: int


class Health(HubAnswer):
    """That the hub can read its database, and what is in it."""

    status: Literal["ok"] = "ok"
    events: int
    open_incidents: int
    last_received_at: datetime | None
