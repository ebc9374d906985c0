"""What the hub derives from events: the newest state of each incident and camera, and keyframes.

Each table keeps the greatest of an order over the events' own attributes, never of their times, so
duplicates, replays and out-of-order deliveries lead to the same rows. A row belongs to the city in
the event's source; what names no city, as older programs did, is of the city that has the thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache, singledispatch
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Update,
    bindparam,
    insert,
    select,
    update,
)

from event_hub.case_tables import CASE_INCIDENTS, CASES
from event_hub.incident_words import words_of
from event_hub.measured_hours import add_to_hours
from event_hub.tables import CAMERA_STATES, INCIDENTS, KEYFRAMES, MEASUREMENTS, from_us, to_us
from pipelines.event import (
    CameraStateEvent,
    CaseEvent,
    IncidentData,
    IncidentEvent,
    MeasurementEvent,
    OutgoingEvent,
)
from pipelines.event_evidence import CleanImageData, ClipData, KeyframeData
from pipelines.event_identity import city_of
from pipelines.event_incident import LEVELS, SubjectData

SUBJECTS: TypeAdapter[tuple[SubjectData, ...]] = TypeAdapter(tuple[SubjectData, ...])

_INCIDENT_ORDER = ("incarnation", "revision", "sequence", "source", "event_id")
_STATE_ORDER = ("incarnation", "sequence", "source", "event_id")

CLOCK_AHEAD = "clock_ahead_s"
AHEAD_MAX = timedelta(minutes=5)
"""A time that lies further after its arrival comes from a clock that is wrong."""


def origin(event: OutgoingEvent) -> dict[str, Any]:
    """Where an event stands among all others, by the names of columns."""
    order = {"sequence": event.sequence, "source": event.source, "event_id": event.id}
    return order | {"incarnation": event.incarnation}


def _bounded(moment: datetime, received: datetime) -> datetime:
    """The moment, or its arrival where it lies in the future."""
    return received if moment - received > AHEAD_MAX else moment


def _shown(incident: IncidentData, opened: datetime, received: datetime) -> IncidentData:
    """The incident with times that can be believed, marked where they are not its own."""
    ended = incident.ended_at and _bounded(incident.ended_at, received)
    times = {
        "opened_at": opened,
        "updated_at": _bounded(incident.updated_at, received),
        "ended_at": ended,
    }
    ahead_s = max(
        (getattr(incident, name) - moment).total_seconds()
        for name, moment in times.items()
        if moment
    )
    if ahead_s <= 0:
        return incident
    return incident.model_copy(
        update=times | {"detail": incident.detail | {CLOCK_AHEAD: round(ahead_s)}}
    )


def project_all(events: Sequence[OutgoingEvent], connection: Connection, now_us: int) -> None:
    """Updates what is derived from events that are new, in their order."""
    measured = [event for event in events if isinstance(event, MeasurementEvent)]
    if measured:
        connection.execute(insert(MEASUREMENTS), [_measurement_row(one) for one in measured])
        add_to_hours(connection, [(city_of(one.source), one.data) for one in measured], now_us)
    for event in events:
        project(event, connection, now_us)


def _measurement_row(event: MeasurementEvent) -> dict[str, Any]:
    data = event.data
    return {
        "source": event.source,
        "event_id": event.id,
        "city": city_of(event.source),
        "camera": data.camera.id,
        "kind": data.kind,
        "task": data.task,
        "zone": data.zone,
        "line": data.line,
        "begins_us": to_us(data.begins_at),
    }


@singledispatch
def project(event: OutgoingEvent, connection: Connection, now_us: int) -> None:
    """Updates what is derived from one event; of most kinds there is nothing of the sort."""


@project.register
def _project_incident(event: IncidentEvent, connection: Connection, now_us: int) -> None:
    received = from_us(now_us)
    opened = _bounded(event.data.opened_at, received)
    if opened != event.data.opened_at:
        # It does not move on with every event that repeats its opening.
        same = _row_of(connection, INCIDENTS, event.data.incident_id, city_of(event.source))
        known_us = connection.scalar(select(INCIDENTS.c.opened_us).where(same))
        opened = opened if known_us is None else min(opened, from_us(known_us))
    data = _shown(event.data, opened, received)
    rank = {"revision": data.revision, **origin(event)}
    state = {
        "incident_id": data.incident_id,
        "kind": data.kind,
        "camera": data.camera.id,
        "severity": data.severity,
        "level": LEVELS[data.severity],
        "zone": data.zone,
        "model": data.model.name,
        "model_version": data.model.version,
        "words": words_of(data),
        "is_open": int(data.phase != "ended"),
        "opened_us": to_us(data.opened_at),
        "ended_us": to_us(data.ended_at or data.updated_at) if data.phase == "ended" else None,
        "data": data.model_dump_json(),
    }
    _keep(connection, INCIDENTS, rank | state, _INCIDENT_ORDER)
    for one in data.evidence:
        named = {
            "key": one.key,
            "sha256": one.sha256,
            "media_type": one.media_type,
            "camera": data.camera.id,
            "subjects": SUBJECTS.dump_json(_subjects_in(one, data)).decode(),
        }
        _keep(connection, KEYFRAMES, rank | named, _INCIDENT_ORDER, greatest=False)


def _subjects_in(
    one: KeyframeData | CleanImageData | ClipData, data: IncidentData
) -> tuple[SubjectData, ...]:
    """Who takes part in the image: what the event says of its peak, if that is what it shows."""
    peak = data.peak
    keyframe = one if isinstance(one, KeyframeData) else _of_clean(one, data)
    shown = (keyframe.role, keyframe.at) if keyframe is not None else None
    is_peak = peak is not None and shown == ("peak", peak.at)
    return peak.subjects if peak is not None and is_peak else data.subjects


def _of_clean(one: CleanImageData | ClipData, data: IncidentData) -> KeyframeData | None:
    """The keyframe whose clean image it is; None for a clip."""
    return next((keyframe for keyframe in data.keyframes if keyframe.clean == one), None)


@project.register
def _project_case(event: CaseEvent, connection: Connection, now_us: int) -> None:
    rank = {"revision": event.data.revision, **origin(event)}
    for place in event.data.check.places if event.data.check else ():
        if place.keyframe is not None:
            named = {
                "key": place.keyframe.key,
                "sha256": place.keyframe.sha256,
                "media_type": place.keyframe.media_type,
                "camera": place.camera,
                "subjects": "[]",
            }
            _keep(connection, KEYFRAMES, rank | named, _INCIDENT_ORDER, greatest=False)


@project.register
def _project_camera(event: CameraStateEvent, connection: Connection, now_us: int) -> None:
    received = from_us(now_us)
    data = event.data.model_copy(update={"since": _bounded(event.data.since, received)})
    row = {
        "camera": data.camera.id,
        "time_us": to_us(_bounded(event.time, received)),
        **origin(event),
        "received_us": now_us,
        "state": data.state,
        "division": data.camera.place.division,
        "data": data.model_dump_json(),
    }
    _keep(connection, CAMERA_STATES, row, _STATE_ORDER)


def _keep(
    connection: Connection,
    table: Table,
    row: dict[str, Any],
    order: Sequence[str],
    greatest: bool = True,
) -> None:
    """Let `row` replace the one with the same key when it comes after it (before: not greatest)."""
    key, _ = table.primary_key.columns
    value, name = row[key.name], city_of(row["source"])
    found = connection.execute(_orders(table, tuple(order)), {"value": value})
    present = {one[0]: tuple(one)[1:] for one in found}
    where = _settled(connection, table, value, name, present)
    if name and where not in present and "" in present:
        present[where] = present[""]
    if where not in present:
        connection.execute(insert(table), {"city": name, **row})
        return
    challenger = tuple(row[name] for name in order)
    if (challenger > present[where]) == greatest:
        connection.execute(_replacing(table), {**row, "value": value, "where": where})


@cache
def _orders(table: Table, order: tuple[str, ...]) -> Select[Any]:
    """Asks where the rows of a thing stand in the order, with their cities.

    Statements that every event needs are made once: making them takes longer than running them.
    """
    key, city = table.primary_key.columns
    columns = (table.c[name] for name in order)
    return select(city, *columns).where(key == bindparam("value"))


@cache
def _replacing(table: Table) -> Update:
    key, city = table.primary_key.columns
    return update(table).where(key == bindparam("value"), city == bindparam("where"))


def _row_of(connection: Connection, table: Table, value: str, name: str) -> ColumnElement[bool]:
    """The row of a thing in a city, where there is one."""
    key, city = table.primary_key.columns
    known = set(connection.scalars(select(city).where(key == value)))
    return (key == value) & (city == _settled(connection, table, value, name, known))


def _settled(
    connection: Connection, table: Table, value: str, name: str, known: Collection[str]
) -> str:
    """The city of the row of a thing, where there is one.

    A row that names no city becomes that of the first city that has the thing.
    """
    key, city = table.primary_key.columns
    if name and name not in known and "" in known:
        nowhere = (key == value) & (city == "")
        connection.execute(update(table).where(nowhere).values(city=name))
        if table is INCIDENTS:
            _move_case(connection, value, name)
    elif not name and known:
        return min(known)
    return name


def _move_case(connection: Connection, incident_id: str, name: str) -> None:
    """Lets the case of an incident follow it into its city."""
    of_it = (CASE_INCIDENTS.c.incident_id == incident_id) & (CASE_INCIDENTS.c.city == "")
    case_id = connection.scalar(select(CASE_INCIDENTS.c.case_id).where(of_it))
    if case_id is not None:
        connection.execute(update(CASE_INCIDENTS).where(of_it).values(city=name))
        own = (CASES.c.case_id == case_id) & (CASES.c.lead == incident_id)
        connection.execute(update(CASES).where(own).values(city=name))
