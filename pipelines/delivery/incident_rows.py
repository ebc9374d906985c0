"""The newest event of each incident in an outbox; the caller has a transaction open."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from pydantic import ValidationError

from pipelines.event import IncidentEvent

log = logging.getLogger(__name__)


def open_incidents(db: sqlite3.Connection) -> list[IncidentEvent]:
    """Of each incident that has not ended; one that cannot be read counts as ended from now on."""
    return _events(db, db.execute("SELECT id, body FROM incident WHERE open").fetchall())


def open_bodies(db: sqlite3.Connection) -> tuple[bytes, ...]:
    """The same, as they are kept."""
    return tuple(body for (body,) in db.execute("SELECT body FROM incident WHERE open"))


def add_left_open(db: sqlite3.Connection, body: bytes) -> bool:
    """Adds an incident as open by its newest event; False where the file knows it, or nobody can.

    Only its state comes: the event itself is in another outbox, which delivers it.
    """
    try:
        last = IncidentEvent.model_validate_json(body)
    except ValidationError:
        log.error("outbox.incident_unreadable", extra={"incident": ""})
        return False
    row = (last.data.incident_id, last.data.revision, body)
    added = db.execute(
        "INSERT INTO incident (id, revision, open, body) VALUES (?, ?, 1, ?)"
        " ON CONFLICT DO NOTHING",
        row,
    )
    return added.rowcount > 0


def ended_incidents(db: sqlite3.Connection, camera: str, since_s: float) -> list[IncidentEvent]:
    """Of each incident of a camera that has ended, and of which an event is kept.

    Args:
        db: The connection.
        camera: The camera's id.
        since_s: When the oldest such event may have been committed, UTC seconds.
    """
    rows = db.execute(
        "SELECT i.id, i.body FROM incident i WHERE NOT i.open AND EXISTS (SELECT 1 FROM event e"
        " WHERE e.incident = i.id AND e.partition = ? AND e.committed_at >= ?)",
        (camera, since_s),
    )
    return _events(db, rows.fetchall())


def _events(db: sqlite3.Connection, rows: Iterable[tuple[str, bytes]]) -> list[IncidentEvent]:
    events = []
    for incident, body in rows:
        try:
            events.append(IncidentEvent.model_validate_json(body))
        except ValidationError:
            log.error("outbox.incident_unreadable", extra={"incident": incident})
            db.execute("UPDATE incident SET open = 0 WHERE id = ?", (incident,))
    return events
