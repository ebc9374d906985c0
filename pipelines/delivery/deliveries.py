"""Who has acknowledged what: one cursor per sink and partition.

The events of a partition reach every sink in order; one that fails holds back no other partition.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from pipelines.delivery.event_log import seal
from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.sinks.sink import Delivery

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
        with file.transaction() as db:
            # Monotonic time does not survive a restart: waiting events start their wait anew.
            db.execute("UPDATE event SET committed_mono_s = ? WHERE NOT sealed", (monotonic(),))

    def register(self, sinks: Sequence[str]) -> None:
        """Says which sinks there are. A new one gets all that is kept; others are forgotten."""
        marks = ",".join("?" * len(sinks))
        with self._file.transaction() as db:
            for table, column in (("sink", "name"), ("progress", "sink")):
                db.execute(f"DELETE FROM {table} WHERE {column} NOT IN ({marks})", tuple(sinks))  # noqa: S608
            for name in sinks:
                db.execute(
                    "INSERT INTO sink VALUES (?, 1) ON CONFLICT DO UPDATE SET enabled = 1", (name,)
                )

    def disable(self, sink: str) -> None:
        """Keeps nothing for a sink any more, until it is registered again."""
        with self._file.transaction() as db:
            db.execute("UPDATE sink SET enabled = 0 WHERE name = ?", (sink,))

    def partitions(self, sink: str) -> list[str]:
        """Partitions with events that the sink has not acknowledged."""
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
                    "SELECT seq, id, incident, body, sealed, committed_mono_s FROM event"
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
                seq, event, incident, body, sealed, committed_s = row
                if not sealed:
                    # An image that was announced as pending holds back nothing a second time.
                    awaited = db.execute(
                        "SELECT 1 FROM blob WHERE incident = ? AND state = 'spooled'"
                        " AND NOT announced AND seq <= ?",
                        (incident, seq),
                    ).fetchone()
                    wait_s = grace_s - (self._monotonic() - committed_s)
                    if wait_s > 0 and awaited:
                        return Held(wait_s)
                    try:
                        body = seal(db, seq, body)
                    except ValidationError as error:
                        reason = f"unreadable: {error.error_count()} faults"
                        self._bury(db, None, seq, reason)
                        db.execute("DELETE FROM event WHERE seq = ?", (seq,))
                        log.error(
                            "outbox.quarantined", extra={"event": event, "partition": partition}
                        )
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
