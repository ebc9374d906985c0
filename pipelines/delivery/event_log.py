"""The log inside the outbox: bounded in events and bytes, it sheds the least important first.

Everything here runs inside a transaction that the caller has opened.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.event import INCIDENT_UPDATED, CameraStateEvent, IncidentEvent

MEBIBYTE = 1024 * 1024
SEQUENCE_DIGITS = 16

UPDATE_PRIORITY = {"low": 0, "medium": 1, "high": 2}
EDGE_PRIORITY = {"low": 3, "medium": 5, "high": 6}
"""Openings and endings; between them stands a camera's state."""
STATE_PRIORITY = 4

DELIVERED_UP_TO = """
    SELECT min(coalesce(p.acked, 0)) FROM sink s
    LEFT JOIN progress p ON p.sink = s.name AND p.camera = ?
    WHERE s.enabled
"""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Bounds of an outbox.

    Attributes:
        max_events: Number of events, delivered ones that are kept for replay included.
        max_bytes: Sum of their bodies.
        max_unsaved: Events in memory while the disk does not take them.
    """

    max_events: int = 200_000
    max_bytes: int = 256 * MEBIBYTE
    max_unsaved: int = 1000

    @property
    def batch(self) -> int:
        """How many events go at once when room is made: one in a hundred, so that it is rare."""
        return max(1, self.max_events // 100)


def priority(event: IncidentEvent | CameraStateEvent) -> int:
    """How late an event is shed: updates go before openings and endings, low severity first."""
    if isinstance(event, CameraStateEvent):
        return STATE_PRIORITY
    ranks = UPDATE_PRIORITY if event.type == INCIDENT_UPDATED else EDGE_PRIORITY
    return ranks[event.data.severity]


class EventLog:
    """Appends events and makes room for them."""

    def __init__(
        self,
        limits: OutboxLimits,
        monotonic: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._utc_s = utc_s
        self.shed = 0
        """Events given up because the outbox was full; never reset."""

    def has(self, db: sqlite3.Connection, event: str) -> bool:
        """Whether an event with this id is in the log."""
        return db.execute("SELECT 1 FROM event WHERE id = ?", (event,)).fetchone() is not None

    def next_sequence(self, db: sqlite3.Connection) -> int:
        """The place in the log that the next event gets; never used before."""
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return (row[0] if row else 0) + 1

    def append(self, db: sqlite3.Connection, event: IncidentEvent | CameraStateEvent) -> int | None:
        """Appends an event; gives its sequence, or None where it had to be shed itself.

        An event with keyframes stays open to one last change, whether they are stored; `Deliveries`
        seals it before it is first sent.
        """
        seq = self.next_sequence(db)
        event = event.model_copy(update={"sequence": f"{seq:0{SEQUENCE_DIGITS}d}"})
        body = event.model_dump_json().encode()
        rank = priority(event)
        if not self._make_room(db, rank, len(body)):
            self.shed += 1
            return None
        incident = event.data.incident_id if isinstance(event, IncidentEvent) else None
        sealed = not (isinstance(event, IncidentEvent) and event.data.keyframes)
        now = (self._utc_s(), self._monotonic())
        db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, event.id, event.partitionkey, incident, rank, body, int(sealed), *now),
        )
        db.execute(
            "INSERT INTO lane VALUES (?, ?) ON CONFLICT DO UPDATE SET newest = excluded.newest",
            (event.partitionkey, seq),
        )
        return seq

    def drop_delivered(
        self, db: sqlite3.Connection, limit: int, committed_before_s: float | None = None
    ) -> int:
        """Deletes the oldest events that every sink has acknowledged.

        Args:
            db: The connection.
            limit: At most so many per camera.
            committed_before_s: Only what was committed before this UTC time, in seconds.
        """
        before_s = float("inf") if committed_before_s is None else committed_before_s
        dropped = 0
        for (camera,) in db.execute("SELECT camera FROM lane").fetchall():
            dropped += db.execute(
                "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE camera = ?"  # noqa: S608
                f" AND seq <= ({DELIVERED_UP_TO}) AND committed_at < ? ORDER BY seq LIMIT ?)",
                (camera, camera, before_s, limit),
            ).rowcount
        return dropped

    def _make_room(self, db: sqlite3.Connection, rank: int, size: int) -> bool:
        batch = self._limits.batch
        while not self._fits(db, size):
            if self.drop_delivered(db, batch):
                continue
            shed = db.execute(
                "DELETE FROM event WHERE seq IN"
                " (SELECT seq FROM event WHERE priority <= ? ORDER BY priority, seq LIMIT ?)",
                (rank, batch),
            ).rowcount
            self.shed += shed
            if not shed:
                return False
        return True

    def _fits(self, db: sqlite3.Connection, size: int) -> bool:
        events, used = db.execute("SELECT events, bytes FROM usage").fetchone()
        limits = self._limits
        return bool(events < limits.max_events and used + size <= limits.max_bytes)
