"""Keeps every event once and, from whatever order they arrive in, one state per incident.

An event is identified by (source, id); storing it again changes nothing. The projections keep the
greatest of an order over the events' own attributes, never of their times, so duplicates, replays
and out-of-order deliveries lead to the same tables. A call that returned is on disk, but for
heartbeats, which are only noted.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, func, insert, select, update

from event_hub.answers import Receipt
from event_hub.database import Database
from event_hub.envelope import Received
from event_hub.errors import StoreUnavailableError
from event_hub.heard import HeardCameras
from event_hub.heard_rows import known_cameras, save_heard
from event_hub.migrations import prepare
from event_hub.settings import SILENCE_LIMIT_S
from event_hub.tables import CAMERA_STATES, EVENTS, INCIDENTS, KEYFRAMES, from_us, to_us
from pipelines.event import (
    CameraStateEvent,
    HeartbeatEvent,
    IncidentData,
    IncidentEvent,
    OutgoingEvent,
    SubjectData,
)

logger = logging.getLogger(__name__)

SUBJECTS: TypeAdapter[tuple[SubjectData, ...]] = TypeAdapter(tuple[SubjectData, ...])

_INCIDENT_ORDER = ("incarnation", "revision", "sequence", "source", "event_id")
_STATE_ORDER = ("incarnation", "sequence", "source", "event_id")

CLOCK_AHEAD = "clock_ahead_s"
AHEAD_MAX = timedelta(minutes=5)
"""A time that lies further after its arrival comes from a clock that is wrong."""
SAVE_HEARD_EVERY_S = 30.0


class EventStore:
    """What the hub keeps in a database by SQLAlchemy URL; safe to use from several threads.

    Raises:
        DatabaseUrlError: The URL cannot be used.
        DatabaseInUseError: Another hub has the file.
        DatabaseVersionError: A newer program wrote it.
        StoreUnavailableError: The database cannot be opened.
    """

    def __init__(self, url: str, silence_limit_s: float = SILENCE_LIMIT_S) -> None:
        """Opens or creates the database; `silence_limit_s` as in `HubSettings`."""
        self.database = Database(url)
        self.heard = HeardCameras(silence_limit_s)
        self._version = 0
        self._heard_due_s = time.monotonic() + SAVE_HEARD_EVERY_S
        try:
            with self.database.write() as connection:
                prepare(connection)
                self.heard.restore(known_cameras(connection))
        except BaseException:
            self.database.close()
            raise

    @property
    def version(self) -> int:
        """Grows whenever there is something new to read: an event, or a camera fallen silent."""
        return self._version + self.heard.version

    def add(self, received: Sequence[Received]) -> Receipt:
        """Store events in one transaction: all of them or none. Heartbeats are noted, not stored.

        Raises:
            StoreUnavailableError: Nothing was stored; the delivery may be repeated.
        """
        now_us = to_us(datetime.now(UTC))
        events = [one for one in received if not isinstance(one.event, HeartbeatEvent)]
        new = self._store(events, now_us) if events else 0
        for one in received:
            if isinstance(one.event, HeartbeatEvent):
                self.heard.note(one.event, now_us)
        if time.monotonic() >= self._heard_due_s:
            self._save_heard()
        return Receipt(stored=new, duplicates=len(events) - new)

    def _store(self, received: Sequence[Received], now_us: int) -> int:
        with self.database.write() as connection:
            last = connection.scalar(select(func.max(EVENTS.c.position))) or 0
            new = 0
            for one in received:
                if _insert(connection, one, last + new + 1, now_us):
                    new += 1
        if new:
            self._version += 1
        return new

    def close(self) -> None:
        """Release the database. May be called twice."""
        self._save_heard()
        self.database.close()

    def _save_heard(self) -> None:
        """What is lost of it is when silent cameras were last heard of, and nothing else."""
        self._heard_due_s = time.monotonic() + SAVE_HEARD_EVERY_S
        heard = self.heard.take_unsaved()
        try:
            if heard:
                with self.database.write() as connection:
                    save_heard(connection, heard)
        except StoreUnavailableError as error:
            logger.warning("heartbeats_not_saved error=%s", error)


def _insert(connection: Connection, received: Received, position: int, now_us: int) -> bool:
    event = received.event
    digest = hashlib.sha256(received.body).hexdigest()
    same = (EVENTS.c.source == event.source) & (EVENTS.c.event_id == event.id)
    known = connection.scalar(select(EVENTS.c.sha256).where(same))
    if known is not None:
        if known != digest:
            logger.warning("event_id_reused source=%s id=%s", event.source, event.id)
        return False
    row = {
        **_origin(event),
        "position": position,
        "received_us": now_us,
        "time_us": to_us(event.time),
        "type": received.type,
        "partitionkey": event.partitionkey,
        "incident_id": event.incident.incident_id if event.incident else None,
        "revision": event.incident.revision if event.incident else None,
        "sha256": digest,
        "size_bytes": len(received.body),
        "body": received.body,
    }
    connection.execute(insert(EVENTS).values(row))
    _project(event, connection, now_us)
    return True


def _origin(event: OutgoingEvent) -> dict[str, Any]:
    origin = {"sequence": event.sequence, "source": event.source, "event_id": event.id}
    return origin | {"incarnation": event.incarnation}


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


@singledispatch
def _project(event: OutgoingEvent, connection: Connection, now_us: int) -> None:
    """Updates what is derived from events of one kind; most kinds have nothing of the sort."""


@_project.register
def _project_incident(event: IncidentEvent, connection: Connection, now_us: int) -> None:
    received = from_us(now_us)
    opened = _bounded(event.data.opened_at, received)
    if opened != event.data.opened_at:
        # It does not move on with every event that repeats its opening.
        same = INCIDENTS.c.incident_id == event.data.incident_id
        known_us = connection.scalar(select(INCIDENTS.c.opened_us).where(same))
        opened = opened if known_us is None else min(opened, from_us(known_us))
    data = _shown(event.data, opened, received)
    rank = {"revision": data.revision, **_origin(event)}
    state = {
        "incident_id": data.incident_id,
        "kind": data.kind,
        "camera": data.camera.id,
        "severity": data.severity,
        "is_open": int(data.phase != "ended"),
        "opened_us": to_us(data.opened_at),
        "ended_us": to_us(data.ended_at or data.updated_at) if data.phase == "ended" else None,
        "data": data.model_dump_json(),
    }
    _keep(connection, INCIDENTS, "incident_id", rank | state, _INCIDENT_ORDER)
    for keyframe in data.keyframes:
        named = {
            "key": keyframe.key,
            "sha256": keyframe.sha256,
            "media_type": keyframe.media_type,
            "subjects": SUBJECTS.dump_json(data.subjects).decode(),
        }
        _keep(connection, KEYFRAMES, "key", rank | named, _INCIDENT_ORDER, greatest=False)


@_project.register
def _project_camera(event: CameraStateEvent, connection: Connection, now_us: int) -> None:
    received = from_us(now_us)
    data = event.data.model_copy(update={"since": _bounded(event.data.since, received)})
    row = {
        "camera": data.camera.id,
        "time_us": to_us(_bounded(event.time, received)),
        **_origin(event),
        "received_us": now_us,
        "state": data.state,
        "data": data.model_dump_json(),
    }
    _keep(connection, CAMERA_STATES, "camera", row, _STATE_ORDER)


def _keep(
    connection: Connection,
    table: Table,
    key: str,
    row: dict[str, Any],
    order: Sequence[str],
    greatest: bool = True,
) -> None:
    """Let `row` replace the one with the same key when it comes after it (before: not greatest)."""
    same = table.c[key] == row[key]
    present = connection.execute(select(*(table.c[name] for name in order)).where(same)).first()
    if present is None:
        connection.execute(insert(table).values(row))
        return
    challenger = tuple(row[name] for name in order)
    if (challenger > tuple(present)) == greatest:
        connection.execute(update(table).where(same).values(row))
