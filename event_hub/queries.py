"""Reads of the store, each bounded: one incident, pages of events, cameras, keyframes, counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select

from event_hub.answers import (
    CameraList,
    CityIncident,
    EventPage,
    Health,
    IncidentRecord,
    IncidentStep,
    StoredEvent,
)
from event_hub.camera_key import CameraKey, placed
from event_hub.camera_status import ReportedState, camera_status
from event_hub.heard import HeardCameras
from event_hub.people.visible import ALL, Sees, Visible
from event_hub.projections import SUBJECTS
from event_hub.settings import HubRetention
from event_hub.tables import CAMERA_STATES, EVENTS, INCIDENTS, KEYFRAMES, USAGE, from_us, time_of
from pipelines.event import CameraStateData, IncidentData, IncidentEvent, NoticeEvent
from pipelines.event_identity import camera_source
from pipelines.event_incident import SubjectData

HISTORY_MAX = 500
HISTORY_ORDER = ("incarnation", "revision", "sequence", "event_id")
CAMERAS_MAX = 5000
NOTICE: Final = NoticeEvent.model_fields["type"].default

State = Literal["open", "ended"]


@dataclass(frozen=True, slots=True)
class NamedKeyframe:
    """A keyframe that an event names: its digest and type, and who is where in it."""

    city: str
    key: str
    sha256: str
    media_type: str
    subjects: tuple[SubjectData, ...]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to answer; None means any."""

    city: str | None = None
    camera: str | None = None
    type: str | None = None
    sees: Sees = ALL


@dataclass(frozen=True, slots=True)
class CameraFilter:
    """Of which cameras to answer; None means any."""

    city: str | None = None
    camera: str | None = None
    sees: Sees = ALL


def city_incident(row: Row[Any]) -> CityIncident:
    """What the API answers of a row of incidents."""
    data = IncidentData.model_validate_json(row.data)
    times = {"held_since": time_of(row.held_us), "deleted_at": time_of(row.deleted_us)}
    return CityIncident(**dict(data), city=row.city, **times)


def incident_rows(
    connection: Connection, incident_id: str, city: str | None = None, sees: Visible = ALL
) -> Sequence[Row[Any]]:
    """The incidents of this id, by city: more than one where two cities give the same ids."""
    query = select(INCIDENTS).where(INCIDENTS.c.incident_id == incident_id, sees.of(INCIDENTS))
    if city is not None:
        query = query.where(INCIDENTS.c.city == city)
    return connection.execute(query.order_by(INCIDENTS.c.city)).all()


def incident_record(connection: Connection, found: Row[Any]) -> IncidentRecord:
    """An incident with its newest transitions (at most 500)."""
    # Events of its case belong to it too, and are no transitions.
    of_it = (EVENTS.c.incident_id == found.incident_id) & EVENTS.c.revision.is_not(None)
    query = select(EVENTS).where(of_it)
    if len(incident_rows(connection, found.incident_id)) > 1:
        query = query.where(_is_from(found.city))
    rows = connection.execute(
        query.order_by(*(EVENTS.c[name].desc() for name in HISTORY_ORDER)).limit(HISTORY_MAX)
    ).all()
    return IncidentRecord(
        incident=city_incident(found), history=[_step(row) for row in reversed(rows)]
    )


def _is_from(city: str) -> ColumnElement[bool]:
    """Whether an event is of a city. Not LIKE: that would not tell cases apart."""
    prefix = camera_source(city, "")
    return func.substr(EVENTS.c.source, 1, len(prefix)) == prefix


def _step(row: Row[tuple[object, ...]]) -> IncidentStep:
    event = IncidentEvent.model_validate_json(row.body)
    return IncidentStep(
        **event.data.model_dump(include={"revision", "phase", "severity", "end_reason"}),
        at=event.data.updated_at,
        received_at=from_us(row.received_us),
        event_id=event.id,
    )


def event_page(
    connection: Connection, after: int, limit: int, wanted: EventFilter = EventFilter()
) -> EventPage:
    """Events that arrived after a position, oldest first."""
    query = select(EVENTS).where(EVENTS.c.position > after, wanted.sees.of_events())
    if wanted.city is not None:
        query = query.where(_is_from(wanted.city))
    if wanted.camera is not None:
        # A worker may be called like a camera.
        of_camera = EVENTS.c.type != NOTICE
        query = query.where(of_camera, EVENTS.c.partitionkey == wanted.camera)
    if wanted.type is not None:
        query = query.where(EVENTS.c.type == wanted.type)
    rows = connection.execute(query.order_by(EVENTS.c.position).limit(limit)).all()
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


def camera_list(
    connection: Connection, heard: HeardCameras, wanted: CameraFilter = CameraFilter()
) -> CameraList:
    """What is known of every camera, by its newest state event and its newest heartbeat."""
    query = select(CAMERA_STATES).order_by(CAMERA_STATES.c.camera, CAMERA_STATES.c.city)
    rows = connection.execute(query.limit(CAMERAS_MAX)).all()
    said = {CameraKey(row.city, row.camera): _reported(row) for row in rows}
    newest = heard.cameras()
    cities: dict[str, set[str]] = {}
    for city, camera in said.keys() | newest.keys():
        cities.setdefault(camera, set()).update(filter(None, [city]))
    reported, newest = placed(said, cities), placed(newest, cities)
    cameras = [
        camera_status(key.city, reported.get(key), newest.get(key), heard.limit_s)
        for key in sorted(reported.keys() | newest.keys())[:CAMERAS_MAX]
        if wanted.city in (None, key.city) and wanted.camera in (None, key.camera)
    ]
    sees = wanted.sees.sees
    cameras = [one for one in cameras if sees(one.city, one.camera.id, one.camera.place.division)]
    return CameraList(cameras=cameras, online=sum(camera.state == "online" for camera in cameras))


def _reported(row: Row[Any]) -> ReportedState:
    return ReportedState(
        CameraStateData.model_validate_json(row.data),
        (row.incarnation, row.sequence),
        reported_at=from_us(row.time_us),
        received_at=from_us(row.received_us),
    )


def keyframes(
    connection: Connection, keys: Sequence[str], sees: Visible = ALL
) -> dict[tuple[str, str], NamedKeyframe]:
    """The keyframes of the cameras that are seen under some keys, by city and key."""
    query = select(KEYFRAMES).where(KEYFRAMES.c.key.in_(keys), sees.of(KEYFRAMES))
    rows = connection.execute(query).all()
    return {
        (row.city, row.key): NamedKeyframe(
            row.city, row.key, row.sha256, row.media_type, SUBJECTS.validate_json(row.subjects)
        )
        for row in rows
    }


def newest_incidents(
    connection: Connection, state: State, limit: int, sees: Visible = ALL
) -> list[CityIncident]:
    """Open ones by their opening, ended ones by their end, newest first."""
    moment = INCIDENTS.c.opened_us if state == "open" else INCIDENTS.c.ended_us
    rows = connection.execute(
        select(INCIDENTS)
        .where(INCIDENTS.c.is_open == int(state == "open"), sees.of(INCIDENTS))
        .order_by(moment.desc(), INCIDENTS.c.incident_id.desc())
        .limit(limit)
    )
    return [city_incident(row) for row in rows]


def open_by_severity(connection: Connection, sees: Visible = ALL) -> dict[str, int]:
    """How many incidents are going on now."""
    rows = connection.execute(
        select(INCIDENTS.c.severity, func.count())
        .where(INCIDENTS.c.is_open == 1, sees.of(INCIDENTS))
        .group_by(INCIDENTS.c.severity)
    ).all()
    return {row[0]: row[1] for row in rows}


def count_ended_since(connection: Connection, since_us: int, sees: Visible = ALL) -> int:
    """Incidents that ended at or after a time, microseconds since 1970 UTC."""
    query = select(func.count()).select_from(INCIDENTS).where(INCIDENTS.c.ended_us >= since_us)
    query = query.where(sees.of(INCIDENTS))
    return connection.scalar(query) or 0


def last_received(connection: Connection) -> datetime | None:
    """When the newest event arrived."""
    return _arrival(connection, newest=True)


def first_received(connection: Connection) -> datetime | None:
    """When the oldest event arrived that is still kept."""
    return _arrival(connection, newest=False)


def _arrival(connection: Connection, newest: bool) -> datetime | None:
    position = EVENTS.c.position
    order = position.desc() if newest else position
    received_us = connection.scalar(select(EVENTS.c.received_us).order_by(order).limit(1))
    return time_of(received_us)


class KeptEvents(NamedTuple):
    """How many events are kept, and the sum of their bodies."""

    events: int
    bytes: int


def usage(connection: Connection) -> KeptEvents:
    """What is kept."""
    row = connection.execute(select(USAGE.c.events, USAGE.c.bytes)).one()
    return KeptEvents(row.events, row.bytes)


def health(connection: Connection, limits: HubRetention) -> Health:
    """What the database holds: proof that it answers."""
    used = usage(connection)
    held = select(func.count()).select_from(INCIDENTS).where(INCIDENTS.c.held_us.is_not(None))
    return Health(
        events=used.events,
        bytes=used.bytes,
        oldest_received_at=first_received(connection),
        last_received_at=last_received(connection),
        open_incidents=sum(open_by_severity(connection).values()),
        held_incidents=connection.scalar(held) or 0,
        max_days=limits.days,
        max_bytes=None if limits.gigabytes is None else int(limits.max_bytes),
    )
