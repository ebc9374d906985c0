"""What the hub's API answers: typed, so that the OpenAPI description says it all."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.event import CameraStateData, IncidentData, MeasurementData


class HubAnswer(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


class Receipt(HubAnswer):
    """How many events of a delivery were new, and how many the hub already had."""

    stored: int
    duplicates: int


class CityIncident(IncidentData):
    """An incident with the city that it is in, and since when it is held as evidence.

    At `deleted_at` images or clips of it were last deleted on request; it may still name them.

    `city` is that of the event's source, `DIVISION-NAME`; empty where an older program named none.
    """

    city: str
    held_since: datetime | None
    deleted_at: datetime | None = None


class IncidentPage(HubAnswer):
    """Incidents in the order asked for. Pass `next_before` as `before` for the next page."""

    incidents: list[CityIncident]
    next_before: str | None


class IncidentCounts(HubAnswer):
    """How many incidents there are, how many of them go on, and how many of each kind."""

    total: int
    open: int
    severities: dict[str, int]
    kinds: dict[str, int]


class CityMeasurement(MeasurementData):
    """A measurement with the city that it is from; `city` is as in `CityIncident`."""

    city: str


class MeasurementPage(HubAnswer):
    """Measurements, the newest period first. Pass `next_before` as `before` for the next page."""

    measurements: list[CityMeasurement]
    next_before: str | None


class IncidentStep(HubAnswer):
    """One transition in an incident's life."""

    revision: int
    phase: Literal["started", "updated", "ended"]
    severity: Literal["low", "medium", "high", "critical"]
    at: datetime
    received_at: datetime
    event_id: str
    end_reason: str | None


class IncidentRecord(HubAnswer):
    """An incident with its transitions, in order of revision."""

    incident: CityIncident
    history: list[IncidentStep]


class EvidenceHold(HubAnswer):
    """Since when an incident is held, and how many of its keyframes the hub has a copy of.

    Copies of the rest are made as soon as the keyframe store has them.
    """

    held_since: datetime | None
    keyframes: int
    copies: int


class StoredEvent(HubAnswer):
    """An event as it arrived. `sha256` and `size_bytes` are those of the received bytes."""

    position: int
    received_at: datetime
    sha256: str
    size_bytes: int
    event: dict[str, Any] = Field(description="as `CloudEvent` of the components")


class EventPage(HubAnswer):
    """Events in order of arrival. Pass `next_after` as `after` to go on from here."""

    events: list[StoredEvent]
    next_after: int


class CameraStatus(CameraStateData):
    """The newest known state of a camera, when the hub received it, and the last heartbeat.

    `silent` means that nothing was heard of the camera lately: nobody watches it, whatever was
    reported before. `city` is as in `CityIncident`.
    """

    city: str
    reported_at: datetime
    received_at: datetime
    heard_at: datetime | None = None


class CameraList(HubAnswer):
    """Every camera the hub has heard of, by city and id; `online` counts those in that state."""

    cameras: list[CameraStatus]
    online: int


class Health(HubAnswer):
    """That the hub can read its database, what is in it, and every problem.

    Events are kept for `max_days`, and the oldest ones less where `bytes`, the sum of all bodies,
    would outgrow `max_bytes`; null is without end. Held and open incidents are kept for as long as
    they are.
    """

    status: Literal["ok", "degraded"] = "ok"
    problems: list[str] = []
    events: int
    bytes: int
    oldest_received_at: datetime | None
    last_received_at: datetime | None
    open_incidents: int
    held_incidents: int
    max_days: float | None
    max_bytes: int | None


def described(tag: str, summary: str, *problems: int) -> dict[str, Any]:
    """How the API's description shows a route; `problems` are the statuses of its refusals."""
    responses = {status: {"description": HTTPStatus(status).phrase} for status in problems}
    return {"tags": [tag], "summary": summary, "responses": responses}
