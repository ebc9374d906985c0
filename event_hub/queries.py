"""Reads of the store, each bounded: pages of incidents and events, cameras, keyframes, counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from event_hub.answers import (
    CameraList,
    EventPage,
    Health,
    IncidentPage,
    IncidentRecord,
    IncidentStep,
    StoredEvent,
)
from event_hub.camera_status import ReportedState, camera_status
from event_hub.heard import HeardCameras
from event_hub.store import SUBJECTS
from event_hub.tables import CAMERA_STATES, EVENTS, INCIDENTS, KEYFRAMES, from_us
from pipelines.event import CameraStateData, IncidentData, IncidentEvent, SubjectData

HISTORY_MAX = 500
HISTORY_ORDER = ("incarnation", "revision", "sequence", "event_id")
CAMERAS_MAX = 5000

State = Literal["open", "ended"]


@dataclass(frozen=True, slots=True)
class NamedKeyframe:
    """A keyframe that an event names: its digest and type, and who is where in it."""

    key: str
    sha256: str
    media_type: str
    subjects: tuple[SubjectData, ...]


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents to list; None means any."""

    state: State | None = None
    kind: str | None = None
    camera: str | None = None


def incident_page(
    connection: Connection, wanted: IncidentFilter, limit: int, before: str | None = None
) -> IncidentPage:
    """Incidents by opening time, newest first.

    Raises:
        ValueError: `before` is not a `next_before` of an earlier page.
    """
    query = select(INCIDENTS.c.data, INCIDENTS.c.opened_us, INCIDENTS.c.incident_id)
    if wanted.state is not None:
        query = query.where(INCIDENTS.c.is_open == int(wanted.state == "open"))
    if wanted.kind is not None:
        query = query.where(INCIDENTS.c.kind == wanted.kind)
    if wanted.camera is not None:
        query = query.where(INCIDENTS.c.camera == wanted.camera)
    if before is not None:
        query = query.where(_older_than(before))
    newest_first = (INCIDENTS.c.opened_us.desc(), INCIDENTS.c.incident_id.desc())
    rows = connection.execute(query.order_by(*newest_first).limit(limit + 1)).all()
    shown = rows[:limit]
    return IncidentPage(
        incidents=[IncidentData.model_validate_json(row.data) for row in shown],
        next_before=f"{shown[-1].opened_us}.{shown[-1].incident_id}" if len(rows) > limit else None,
    )


def _older_than(cursor: str) -> ColumnElement[bool]:
    opened, _, incident_id = cursor.partition(".")
    opened_us = int(opened)
    if abs(opened_us) >= 2**63 or not incident_id:
        raise ValueError(cursor)
    tie = and_(INCIDENTS.c.opened_us == opened_us, INCIDENTS.c.incident_id < incident_id)
    return or_(INCIDENTS.c.opened_us < opened_us, tie)


def incident_record(connection: Connection, incident_id: str) -> IncidentRecord | None:
    """An incident with its newest transitions (at most 500)."""
    same = INCIDENTS.c.incident_id == incident_id
    data = connection.scalar(select(INCIDENTS.c.data).where(same))
    if data is None:
        return None
    rows = connection.execute(
        select(EVENTS)
        .where(EVENTS.c.incident_id == incident_id)
        .order_by(*(EVENTS.c[name].desc() for name in HISTORY_ORDER))
        .limit(HISTORY_MAX)
    ).all()
    return IncidentRecord(
        incident=IncidentData.model_validate_json(data),
        history=[_step(row) for row in reversed(rows)],
    )


def _step(row: Row[tuple[object, ...]]) -> IncidentStep:
    event = IncidentEvent.model_validate_json(row.body)
    return IncidentStep(
        **event.data.model_dump(include={"revision", "phase", "severity", "end_reason"}),
        at=event.data.updated_at,
        received_at=from_us(row.received_us),
        event_id=event.id,
    )


def event_page(connection: Connection, after: int, limit: int) -> EventPage:
    """Events that arrived after a position, oldest first."""
    rows = connection.execute(
        select(EVENTS).where(EVENTS.c.position > after).order_by(EVENTS.c.position).limit(limit)
    ).all()
    events = [
        StoredEvent(
            position=row.position,
            received_at=from_us(row.received_us),
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            event=json.loads(row.body),
        )
        for row in rows
    ]
    return EventPage(events=events, next_after=events[-1].position if events else after)


def camera_list(connection: Connection, heard: HeardCameras) -> CameraList:
    """What is known of every camera, by its newest state event and its newest heartbeat."""
    rows = connection.execute(
        select(CAMERA_STATES).order_by(CAMERA_STATES.c.camera).limit(CAMERAS_MAX)
    ).all()
    reported = {row.camera: _reported(row) for row in rows}
    newest = heard.cameras()
    cameras = [
        camera_status(reported.get(name), newest.get(name), heard.limit_s)
        for name in sorted(reported.keys() | newest.keys())[:CAMERAS_MAX]
    ]
    return CameraList(cameras=cameras, online=sum(camera.state == "online" for camera in cameras))


def _reported(row: Row[Any]) -> ReportedState:
    return ReportedState(
        CameraStateData.model_validate_json(row.data),
        (row.incarnation, row.sequence),
        reported_at=from_us(row.time_us),
        received_at=from_us(row.received_us),
    )


def keyframes(connection: Connection, keys: Sequence[str]) -> dict[str, NamedKeyframe]:
    """The keyframes under some keys, by key."""
    rows = connection.execute(select(KEYFRAMES).where(KEYFRAMES.c.key.in_(keys))).all()
    return {
        row.key: NamedKeyframe(
            row.key, row.sha256, row.media_type, SUBJECTS.validate_json(row.subjects)
        )
        for row in rows
    }


def newest_incidents(connection: Connection, state: State, limit: int) -> list[IncidentData]:
    """Open ones by their opening, ended ones by their end, newest first."""
    moment = INCIDENTS.c.opened_us if state == "open" else INCIDENTS.c.ended_us
    rows = connection.scalars(
        select(INCIDENTS.c.data)
        .where(INCIDENTS.c.is_open == int(state == "open"))
        .order_by(moment.desc(), INCIDENTS.c.incident_id.desc())
        .limit(limit)
    )
    return [IncidentData.model_validate_json(data) for data in rows]


def open_by_severity(connection: Connection) -> dict[str, int]:
    """How many incidents are going on now."""
    rows = connection.execute(
        select(INCIDENTS.c.severity, func.count())
        .where(INCIDENTS.c.is_open == 1)
        .group_by(INCIDENTS.c.severity)
    ).all()
    return {row[0]: row[1] for row in rows}


def count_ended_since(connection: Connection, since_us: int) -> int:
    """Incidents that ended at or after a time, microseconds since 1970 UTC."""
    query = select(func.count()).select_from(INCIDENTS).where(INCIDENTS.c.ended_us >= since_us)
    return connection.scalar(query) or 0


def last_received(connection: Connection) -> datetime | None:
    """When the newest event arrived."""
    newest = select(EVENTS.c.received_us).order_by(EVENTS.c.position.desc()).limit(1)
    received_us = connection.scalar(newest)
    return None if received_us is None else from_us(received_us)


def health(connection: Connection) -> Health:
    """Proof that the database answers."""
    return Health(
        events=connection.scalar(select(func.max(EVENTS.c.position))) or 0,
        open_incidents=sum(open_by_severity(connection).values()),
        last_received_at=last_received(connection),
    )
