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
