"""The log inside the outbox: finishes events, appends them, sheds the least important.

An event gets its sequence, revision and keyframes in `EventLog.append`, and the state of its
keyframes in `seal`: nothing else completes what is published. Everything here runs inside a
transaction that the caller has opened.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

from pipelines.delivery import restricted_rows
from pipelines.delivery.coverage_table import keep_coverage
from pipelines.delivery.restricted_rows import LEAST_KEYFRAME_PRIORITY
from pipelines.event import EDGE_PRIORITY, EVENT, OutgoingEvent
from pipelines.event_evidence import KeyframeData

MEBIBYTE = 1024 * 1024
SEQUENCE_DIGITS = 16

DELIVERED_UP_TO = """
    SELECT min(coalesce(p.acked, 0)) FROM sink s
    LEFT JOIN progress p ON p.sink = s.name AND p.partition = ?
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


class EventLog:
    """Finishes events, appends them and makes room for them."""

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

    def next_revision(self, db: sqlite3.Connection, incident: str) -> int:
        """The revision that the incident's next event gets."""
        row = db.execute("SELECT revision FROM incident WHERE id = ?", (incident,)).fetchone()
        return (row[0] if row else 0) + 1

    def append(
        self, db: sqlite3.Connection, event: OutgoingEvent, brought: Sequence[KeyframeData] = ()
    ) -> bool:
        """Finishes and appends an event; where there is no room for it, it is shed itself.

        An event with keyframes stays open to one last change, see `seal`.

        Args:
            db: The connection.
            event: What is to be published.
            brought: Its new keyframes, which are in the spool.

        Returns:
            False where an event with this id is in the log already; nothing was done then.
        """
        if db.execute("SELECT 1 FROM event WHERE id = ?", (event.id,)).fetchone():
            return False
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        seq = (row[0] if row else 0) + 1
        sequence, incident = f"{seq:0{SEQUENCE_DIGITS}d}", event.incident
        if incident is None:
            body = self._insert(db, seq, event.finished(sequence))
            if event.camera_state is not None:
                camera = event.camera_state.camera.id
                db.execute("INSERT OR REPLACE INTO camera VALUES (?, ?)", (camera, body))
            if event.measurement is not None:
                keep_coverage(db, event.measurement)
            return True
        rank = EDGE_PRIORITY[incident.severity]
        db.executemany(
            "INSERT OR IGNORE INTO blob (key, incident, seq, priority, data, state)"
            " VALUES (?, ?, ?, ?, ?, 'spooled')",
            [(one.key, incident.incident_id, seq, rank, one.model_dump_json()) for one in brought],
        )
        for one in brought:
            restricted_rows.add_clean(db, incident.incident_id, one)
        revision = self.next_revision(db, incident.incident_id)
        kept = db.execute(
            "SELECT data FROM blob WHERE incident = ? AND state != 'lost' AND priority >= ?"
            " ORDER BY number",
            (incident.incident_id, LEAST_KEYFRAME_PRIORITY),
        )
        keyframes = _newest_by_role(
            [KeyframeData.model_validate_json(data) for (data,) in kept.fetchall()]
        )
        keyframes = restricted_rows.without_lost(db, incident.incident_id, keyframes)
        clip = restricted_rows.clip_of(db, incident.incident_id)
        body = self._insert(db, seq, event.finished(sequence, revision, keyframes, clip))
        db.execute(
            "INSERT INTO incident VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " revision = excluded.revision, open = excluded.open, body = excluded.body",
            (incident.incident_id, revision, incident.phase != "ended", body),
        )
        return True

    def _insert(self, db: sqlite3.Connection, seq: int, event: OutgoingEvent) -> bytes:
        """Appends a finished event, or sheds it; gives its JSON in either case."""
        body = event.model_dump_json().encode()
        rank = event.shed_priority
        if not self._make_room(db, rank, len(body)):
            self.shed += 1
            return body
        partition, incident = event.partitionkey, event.incident
        sealed = not (incident and incident.keyframes)
        row = (seq, event.id, partition, incident and incident.incident_id, rank, body, sealed)
        db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, self._utc_s(), self._monotonic(), crc32(body)),
        )
        db.execute(
            "INSERT INTO partitions VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET newest = excluded.newest",
            (partition, seq),
        )
        return body

    def drop_delivered(
        self, db: sqlite3.Connection, limit: int, committed_before_s: float | None = None
    ) -> int:
        """Deletes the oldest events that every sink has acknowledged.

        Args:
            db: The connection.
            limit: At most so many per partition.
            committed_before_s: Only what was committed before this UTC time, in seconds.
        """
        before_s = float("inf") if committed_before_s is None else committed_before_s
        dropped = 0
        for (partition,) in db.execute("SELECT partition FROM partitions").fetchall():
            dropped += db.execute(
                "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE partition = ?"  # noqa: S608
                f" AND seq <= ({DELIVERED_UP_TO}) AND committed_at < ? ORDER BY seq LIMIT ?)",
                (partition, partition, before_s, limit),
            ).rowcount
        return dropped

    def _make_room(self, db: sqlite3.Connection, rank: int, size: int) -> bool:
        limits = self._limits
        # One in a hundred events goes at once, so that room is made rarely.
        batch = max(1, limits.max_events // 100)
        while True:
            events, used = db.execute("SELECT events, bytes FROM usage").fetchone()
            if events < limits.max_events and used + size <= limits.max_bytes:
                return True
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


def _newest_by_role(keyframes: Sequence[KeyframeData]) -> list[KeyframeData]:
    """Of each role the newest one: a peak replaces the one before, so that events stay small."""
    newest = {one.role: one for one in keyframes}
    return [one for one in keyframes if newest[one.role] is one]


def seal(db: sqlite3.Connection, seq: int, body: bytes) -> bytes:
    """The last change of an event, when it is first sent: which of its keyframes are stored.

    Raises:
        pydantic.ValidationError: The body is no event.
    """
    event = EVENT.validate_json(body)
    if (incident := event.incident) is None:
        return body
    rows = db.execute("SELECT key, state FROM blob WHERE incident = ?", (incident.incident_id,))
    words = {"spooled": "pending", "stored": "stored"}
    states = {key: words[state] for key, state in rows if state in words}
    keyframes = [
        one.model_copy(update={"state": states[one.key]})
        for one in incident.keyframes
        if one.key in states
    ]
    db.executemany(
        "UPDATE blob SET announced = 1 WHERE key = ?",
        [(one.key,) for one in keyframes if one.state == "pending"],
    )
    sealed = event.finished(event.sequence, incident.revision, keyframes)
    body = sealed.model_dump_json().encode()
    db.execute(
        "UPDATE event SET body = ?, sealed = 1, checksum = ? WHERE seq = ?",
        (body, crc32(body), seq),
    )
    return body
