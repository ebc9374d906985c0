"""Incidents that are open when a machine is lost go on in the outbox of another one.

Only their state travels: their events are in the outbox of the lost machine, which delivers them
when it is back.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from pydantic import ValidationError

from pipelines.delivery.outbox import Outbox
from pipelines.event import IncidentEvent

log = logging.getLogger(__name__)


def open_bodies(outbox: Outbox) -> tuple[bytes, ...]:
    """The newest event of each incident that has not ended, as JSON.

    Raises:
        OutboxUnavailable: The disk does not answer.
    """
    with outbox.file.transaction() as db:
        return tuple(body for (body,) in db.execute("SELECT body FROM incident WHERE open"))


def take_over(outbox: Outbox, bodies: Sequence[bytes]) -> int:
    """Takes incidents for left open in this outbox that were so in one on another machine.

    Args:
        outbox: Of the worker that goes on with them.
        bodies: The newest event of each, as JSON.

    Returns:
        How many are new here: of the others this outbox knows more.

    Raises:
        OutboxUnavailable: The disk does not take them.
    """
    with outbox.file.transaction() as db:
        return sum(_add_left_open(db, body) for body in bodies)


def _add_left_open(db: sqlite3.Connection, body: bytes) -> bool:
    try:
        last = IncidentEvent.model_validate_json(body)
    except ValidationError:
        log.error("outbox.incident_unreadable", extra={"bytes": len(body)})
        return False
    added = db.execute(
        "INSERT INTO incident (id, revision, open, body) VALUES (?, ?, 1, ?)"
        " ON CONFLICT DO NOTHING",
        (last.data.incident_id, last.data.revision, body),
    )
    return added.rowcount > 0
