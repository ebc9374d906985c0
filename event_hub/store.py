"""Keeps every event once and, from whatever order they arrive in, one state per incident.

An event is identified by (source, id); storing it again changes nothing. The projections keep the
greatest of an order over the events' own attributes, so duplicates and out-of-order deliveries
lead to the same tables. A call that returned is on disk.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, func, insert, select, update

from event_hub.answers import Receipt
from event_hub.database import Database
from event_hub.envelope import Received
from event_hub.errors import DatabaseVersionError
from event_hub.tables import (
    CAMERA_STATES,
    EVENTS,
    INCIDENTS,
    KEYFRAMES,
    METADATA,
    SCHEMA,
    VERSION,
    to_us,
)
from pipelines.event import CameraStateEvent, IncidentEvent, OutgoingEvent, SubjectData

logger = logging.getLogger(__name__)

SUBJECTS: TypeAdapter[tuple[SubjectData, ...]] = TypeAdapter(tuple[SubjectData, ...])

_REVISION_ORDER = ("revision", "sequence", "source", "event_id")
_TIME_ORDER = ("time_us", "sequence", "source", "event_id")


class EventStore:
    """What the hub keeps in a database by SQLAlchemy URL; safe to use from several threads.

    Raises:
        DatabaseUrlError: The URL cannot be used.
        DatabaseInUseError: Another hub has the file.
        DatabaseVersionError: A newer program wrote it.
        StoreUnavailableError: The database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self._version = 0
        try:
            with self.database.write() as connection:
                METADATA.create_all(connection)
                _check_version(connection)
        except BaseException:
            self.database.close()
            raise

    @property
    def version(self) -> int:
        """Grows whenever something new was stored, so that a reader knows when to read again."""
        return self._version

    def add(self, received: Sequence[Received]) -> Receipt:
        """Store events in one transaction: all of them or none.

        Raises:
            StoreUnavailableError: Nothing was stored; the delivery may be repeated.
        """
        now_us = to_us(datetime.now(UTC))
        with self.database.write() as connection:
            last = connection.scalar(select(func.max(EVENTS.c.position))) or 0
            new = 0
            for one in received:
                if _insert(connection, one, last + new + 1, now_us):
                    new += 1
        if new:
            self._version += 1
        return Receipt(stored=new, duplicates=len(received) - new)

    def close(self) -> None:
        """Release the database. May be called twice."""
        self.database.close()


def _check_version(connection: Connection) -> None:
    found = connection.scalar(select(SCHEMA.c.version))
    if found is None:
        connection.execute(insert(SCHEMA).values(version=VERSION))
    elif found != VERSION:
        raise DatabaseVersionError(found, VERSION)


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


def _origin(event: OutgoingEvent) -> dict[str, str]:
    return {"sequence": event.sequence, "source": event.source, "event_id": event.id}


@singledispatch
def _project(event: OutgoingEvent, connection: Connection, now_us: int) -> None:
    """Updates what is derived from events of one kind; most kinds have nothing of the sort."""


@_project.register
def _project_incident(event: IncidentEvent, connection: Connection, now_us: int) -> None:
    data = event.data
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
    _keep(connection, INCIDENTS, "incident_id", rank | state, _REVISION_ORDER)
    for keyframe in data.keyframes:
        named = {
            "key": keyframe.key,
            "sha256": keyframe.sha256,
            "media_type": keyframe.media_type,
            "subjects": SUBJECTS.dump_json(data.subjects).decode(),
        }
        _keep(connection, KEYFRAMES, "key", rank | named, _REVISION_ORDER, greatest=False)


@_project.register
def _project_camera(event: CameraStateEvent, connection: Connection, now_us: int) -> None:
    row = {
        "camera": event.data.camera.id,
        "time_us": to_us(event.time),
        **_origin(event),
        "received_us": now_us,
        "state": event.data.state,
        "data": event.data.model_dump_json(),
    }
    _keep(connection, CAMERA_STATES, "camera", row, _TIME_ORDER)


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
