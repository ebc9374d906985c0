"""The log inside the outbox: finishes events, sheds the least important, keeps a cursor per sink.

An event gets its sequence, revision and keyframes in `EventLog.append`, and the state of its
keyframes in `seal`: nothing else completes what is published. Everything in `EventLog` runs inside
a transaction that the caller has opened. `Deliveries` says who has acknowledged what: the events of
a partition reach every sink in order; one that fails holds back no other partition.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

from pydantic import ValidationError

from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.registration import Registration
from pipelines.delivery.sinks.sink import Delivery
from pipelines.event import EDGE_PRIORITY, EVENT, KeyframeData, OutgoingEvent

MEBIBYTE = 1024 * 1024
SEQUENCE_DIGITS = 16

DELIVERED_UP_TO = """
    SELECT min(coalesce(p.acked, 0)) FROM sink s
    LEFT JOIN progress p ON p.sink = s.name AND p.partition = ?
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
            return True
        rank = EDGE_PRIORITY[incident.severity]
        db.executemany(
            "INSERT OR IGNORE INTO blob (key, incident, seq, priority, data, state)"
            " VALUES (?, ?, ?, ?, ?, 'spooled')",
            [(one.key, incident.incident_id, seq, rank, one.model_dump_json()) for one in brought],
        )
        revision = self.next_revision(db, incident.incident_id)
        kept = db.execute(
            "SELECT data FROM blob WHERE incident = ? AND state != 'lost' ORDER BY number",
            (incident.incident_id,),
        )
        keyframes = [KeyframeData.model_validate_json(data) for (data,) in kept.fetchall()]
        body = self._insert(db, seq, event.finished(sequence, revision, keyframes))
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


log = logging.getLogger(__name__)

MAX_DEAD = 10_000
"""Dead letters kept for a person to look at; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Held:
    """The next event still waits for its keyframes to be stored, for at most `seconds`."""

    seconds: float


class Deliveries:
    """The outbox as a sink's courier sees it."""

    def __init__(
        self,
        file: OutboxFile,
        monotonic: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._monotonic = monotonic
        self._utc_s = utc_s
        self._registration = Registration(file, monotonic)

    def register(self, sinks: Sequence[str]) -> None:
        """Says which sinks there are. A new one gets all that is kept; others are forgotten."""
        self._registration.register(sinks)

    def disable(self, sink: str) -> None:
        """Keeps nothing for a sink any more, until it is registered again."""
        with self._file.transaction() as db:
            db.execute("UPDATE sink SET enabled = 0 WHERE name = ?", (sink,))

    def partitions(self, sink: str) -> list[str]:
        """Partitions with events that the sink has not acknowledged."""
        self._registration.renew()
        with self._file.transaction() as db:
            rows = db.execute(
                "SELECT n.partition FROM partitions n LEFT JOIN progress p"
                " ON p.sink = ? AND p.partition = n.partition"
                " WHERE n.newest > coalesce(p.acked, 0)",
                (sink,),
            ).fetchall()
        return [row[0] for row in rows]

    def next(self, sink: str, partition: str, grace_s: float) -> Delivery | Held | None:
        """The partition's next event for the sink, if any.

        Args:
            sink: Sink name.
            partition: Partition key.
            grace_s: How long an event waits for its keyframes to be stored.
        """
        with self._file.transaction() as db:
            while True:
                after, refusals = self._cursor(db, sink, partition)
                row = db.execute(
                    "SELECT seq, id, incident, body, sealed, committed_mono_s, checksum FROM event"
                    " WHERE partition = ? AND seq > ? ORDER BY seq LIMIT 1",
                    (partition, after),
                ).fetchone()
                if row is None:
                    # What comes next was shed: the cursor goes on to the newest that there was.
                    db.execute(
                        "INSERT INTO progress SELECT ?, partition, newest, 0 FROM partitions"
                        " WHERE partition = ? AND newest > ?"
                        " ON CONFLICT DO UPDATE SET acked = excluded.acked, refusals = 0",
                        (sink, partition, after),
                    )
                    return None
                seq, event, incident, body, sealed, committed_s, checksum = row
                if checksum is not None and checksum != crc32(body):
                    self._quarantine(db, seq, event, "it was altered on the disk")
                    continue
                if not sealed:
                    # An image that was announced as pending holds back nothing a second time.
                    awaited = db.execute(
                        "SELECT 1 FROM blob WHERE incident = ? AND state = 'spooled'"
                        " AND NOT announced AND seq <= ?",
                        (incident, seq),
                    ).fetchone()
                    wait_s = grace_s - (
                        self._monotonic() - self._registration.since_s(seq, committed_s)
                    )
                    if wait_s > 0 and awaited:
                        return Held(wait_s)
                    try:
                        body = seal(db, seq, body)
                    except ValidationError as error:
                        self._quarantine(db, seq, event, f"{error.error_count()} faults")
                        continue
                return Delivery(seq, after, event, partition, bytes(body), refusals)

    def acknowledge(self, sink: str, delivery: Delivery) -> None:
        """The sink has it. Void when the cursor was moved meanwhile by `replay`."""
        with self._file.transaction() as db:
            if self._cursor(db, sink, delivery.partition)[0] == delivery.after:
                self._move(db, sink, delivery.partition, delivery.sequence)

    def refused(self, sink: str, delivery: Delivery) -> None:
        """Counts a permanent refusal, so that a restart does not start the count anew."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO progress VALUES (?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET refusals = refusals + 1",
                (sink, delivery.partition, delivery.after),
            )

    def bury(self, sink: str, delivery: Delivery, reason: str) -> None:
        """Makes the event a dead letter of this sink and goes on with the next."""
        with self._file.transaction() as db:
            self._bury(db, sink, delivery.sequence, reason)
            self._move(db, sink, delivery.partition, delivery.sequence)

    def replay(self, sink: str, since: datetime) -> None:
        """Sends again what was committed since then and is still kept."""
        with self._file.transaction(news=True) as db:
            db.execute(
                "UPDATE progress SET refusals = 0, acked = min(acked, coalesce((SELECT min(seq) - 1"
                " FROM event e WHERE e.partition = progress.partition AND e.committed_at >= ?),"
                " acked))"
                " WHERE sink = ?",
                (since.timestamp(), sink),
            )

    def idle(self) -> bool:
        """Whether every enabled sink has acknowledged everything; cheaper than `pending`."""
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT 1 FROM sink s JOIN partitions n LEFT JOIN progress p"
                " ON p.sink = s.name AND p.partition = n.partition"
                " WHERE s.enabled AND n.newest > coalesce(p.acked, 0) LIMIT 1"
            ).fetchone()
        return row is None

    def pending(self) -> int:
        """Events that some enabled sink has not acknowledged, counted once per sink."""
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT coalesce(sum((SELECT count(*) FROM event e"
                " WHERE e.partition = n.partition AND e.seq > coalesce(p.acked, 0))), 0)"
                " FROM sink s JOIN partitions n LEFT JOIN progress p"
                " ON p.sink = s.name AND p.partition = n.partition WHERE s.enabled"
            ).fetchone()
        return int(row[0])

    def dead(self) -> list[tuple[str | None, str, str]]:
        """Dead letters: sink (None: unreadable, for all), event id, reason; oldest first."""
        with self._file.transaction() as db:
            return db.execute("SELECT sink, id, reason FROM dead ORDER BY rowid").fetchall()

    def _cursor(self, db: sqlite3.Connection, sink: str, partition: str) -> tuple[int, int]:
        row = db.execute(
            "SELECT acked, refusals FROM progress WHERE sink = ? AND partition = ?",
            (sink, partition),
        ).fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def _move(self, db: sqlite3.Connection, sink: str, partition: str, seq: int) -> None:
        db.execute(
            "INSERT INTO progress VALUES (?, ?, ?, 0)"
            " ON CONFLICT DO UPDATE SET acked = excluded.acked, refusals = 0",
            (sink, partition, seq),
        )

    def _quarantine(self, db: sqlite3.Connection, seq: int, event: str, reason: str) -> None:
        """Makes an event that cannot be sent a dead letter of all sinks."""
        self._bury(db, None, seq, f"unreadable: {reason}")
        db.execute("DELETE FROM event WHERE seq = ?", (seq,))
        log.error("outbox.quarantined", extra={"event": event, "reason": reason})

    def _bury(self, db: sqlite3.Connection, sink: str | None, seq: int, reason: str) -> None:
        db.execute(
            "INSERT INTO dead SELECT ?, seq, id, partition, body, ?, ? FROM event WHERE seq = ?",
            (sink, reason, self._utc_s(), seq),
        )
        db.execute(
            "DELETE FROM dead WHERE rowid IN"
            " (SELECT rowid FROM dead ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            (MAX_DEAD,),
        )
