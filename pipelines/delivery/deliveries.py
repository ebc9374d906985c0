"""Who has acknowledged what: a cursor per sink and partition over the log of the outbox.

The events of a partition reach every sink in order; one that fails holds back no other partition.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zlib import crc32

from pydantic import ValidationError

from pipelines.delivery.dead_letters import DeadLetters
from pipelines.delivery.event_log import seal
from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.outbox_schema import BODY_TYPE
from pipelines.delivery.registration import Registration
from pipelines.delivery.sinks.sink import Delivery

log = logging.getLogger(__name__)

LATELY_S: Final = 24 * 3600.0
"""How long a new dead letter is news."""


@dataclass(frozen=True, slots=True)
class Held:
    """The next event still waits for its keyframes to be stored, for at most `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one sink has not got.

    Attributes:
        pending: Events that it has not acknowledged and that are kept for it.
        dead: Its dead letters.
        dead_lately: Those that died within the last day.
        oldest: When the oldest pending one was recorded, UTC; None where there is none.
    """

    pending: int = 0
    dead: int = 0
    dead_lately: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that one sink has not acknowledged.

    Attributes:
        event: Event id.
        type: CloudEvents type, empty where it is unreadable.
        partition: Partition key, the camera id.
        since: When it was recorded, UTC.
        is_next: Whether it is the one that the sink is to get next of its partition.
        reason: Why the last attempt failed, empty where that is not known.
    """

    sink: str
    event: str
    type: str
    partition: str
    since: datetime
    is_next: bool
    reason: str = ""


class Deliveries:
    """The outbox as a sink's courier sees it.

    Attributes:
        dead: The dead letters of the file.
    """

    def __init__(
        self,
        file: OutboxFile,
        monotonic: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self.dead = DeadLetters(file, utc_s)
        self._file = file
        self._monotonic = monotonic
        self._utc_s = utc_s
        self._registration = Registration(file, monotonic)

    def register(self, sinks: Sequence[str]) -> None:
        """Says which sinks there are. A new one gets all that is kept; others are forgotten."""
        self._registration.register(sinks)

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
            after, refusals = self._cursor(db, sink, partition)
            found = self._read(db, partition, after, refusals, grace_s)
            if found is None:
                # What comes next was shed: the cursor goes on to the newest that there was.
                db.execute(
                    "INSERT INTO progress SELECT ?, partition, newest, 0 FROM partitions"
                    " WHERE partition = ? AND newest > ?"
                    " ON CONFLICT DO UPDATE SET acked = excluded.acked, refusals = 0",
                    (sink, partition, after),
                )
            return found

    def following(self, delivery: Delivery, grace_s: float) -> Delivery | None:
        """The event behind `delivery` in its partition, where it is ready to be sent."""
        with self._file.transaction() as db:
            found = self._read(db, delivery.partition, delivery.sequence, 0, grace_s)
        return found if isinstance(found, Delivery) else None

    def acknowledge(self, sink: str, delivery: Delivery) -> None:
        """The sink has it. Void when the cursor was moved meanwhile by `replay`."""
        with self._file.transaction() as db:
            if self._cursor(db, sink, delivery.partition)[0] == delivery.after:
                self._move(db, sink, delivery.partition, delivery.sequence)

    def refused(self, sink: str, delivery: Delivery) -> None:
        """Counts a refusal, so that a restart does not start the count anew."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO progress VALUES (?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET refusals = refusals + 1",
                (sink, delivery.partition, delivery.after),
            )

    def bury(self, sink: str, refused: Sequence[tuple[Delivery, str]]) -> None:
        """Makes events dead letters of this sink, each with its reason, and goes on behind them.

        Args:
            sink: Sink name.
            refused: The next event of a partition, and those that follow it without a gap.
        """
        first, last = refused[0][0], refused[-1][0]
        with self._file.transaction() as db:
            if self._cursor(db, sink, first.partition)[0] != first.after:
                return
            for delivery, reason in refused:
                self.dead.bury(db, sink, delivery.sequence, reason)
            self._move(db, sink, last.partition, last.sequence)

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
        """Whether every sink has acknowledged everything; cheaper than `backlogs`."""
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT 1 FROM sink s JOIN partitions n LEFT JOIN progress p"
                " ON p.sink = s.name AND p.partition = n.partition"
                " WHERE n.newest > coalesce(p.acked, 0) LIMIT 1"
            ).fetchone()
        return row is None

    def pending(self) -> int:
        """Events that some sink has not acknowledged, counted once per sink."""
        return sum(backlog.pending for backlog in self.backlogs().values())

    def backlogs(self) -> dict[str, Backlog]:
        """What each sink has not got, by its name."""
        lately_s = self._utc_s() - LATELY_S
        with self._file.transaction() as db:
            rows = db.execute(
                "SELECT s.name, (SELECT coalesce(sum((SELECT count(*) FROM event e"
                " WHERE e.partition = n.partition AND e.seq > coalesce(p.acked, 0))), 0)"
                " FROM partitions n LEFT JOIN progress p"
                " ON p.sink = s.name AND p.partition = n.partition),"
                " (SELECT count(*) FROM dead d WHERE d.sink = s.name),"
                " (SELECT count(*) FROM dead d WHERE d.sink = s.name AND d.at > ?),"
                " (SELECT min((SELECT e.committed_at FROM event e"
                " WHERE e.partition = n.partition AND e.seq > coalesce(p.acked, 0)"
                " ORDER BY e.seq LIMIT 1)) FROM partitions n LEFT JOIN progress p"
                " ON p.sink = s.name AND p.partition = n.partition)"
                " FROM sink s",
                (lately_s,),
            ).fetchall()
        return {
            name: Backlog(
                pending, dead, lately, None if at_s is None else datetime.fromtimestamp(at_s, UTC)
            )
            for name, pending, dead, lately, at_s in rows
        }

    def unreadable_lately(self) -> int:
        """Damaged events of the last day: dead letters of no sink, which nobody can get."""
        with self._file.transaction() as db:
            (count,) = db.execute(
                "SELECT count(*) FROM dead WHERE sink IS NULL AND at > ?",
                (self._utc_s() - LATELY_S,),
            ).fetchone()
        return int(count)

    def waiting(self, limit: int) -> list[PendingEvent]:
        """Events that a sink has not acknowledged, oldest first, at most `limit`."""
        with self._file.transaction() as db:
            rows = db.execute(
                f"SELECT s.name, e.id, {BODY_TYPE}, e.partition, e.committed_at,"  # noqa: S608
                " NOT EXISTS (SELECT 1 FROM event f WHERE f.partition = e.partition"
                " AND f.seq > coalesce(p.acked, 0) AND f.seq < e.seq)"
                " FROM event e JOIN sink s LEFT JOIN progress p"
                " ON p.sink = s.name AND p.partition = e.partition"
                " WHERE e.seq > coalesce(p.acked, 0) ORDER BY e.seq, s.name LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            PendingEvent(
                sink, event, kind or "", partition, datetime.fromtimestamp(at, UTC), bool(is_next)
            )
            for sink, event, kind, partition, at, is_next in rows
        ]

    def _read(
        self, db: sqlite3.Connection, partition: str, after: int, refusals: int, grace_s: float
    ) -> Delivery | Held | None:
        """The first readable event of a partition behind a place in the log, ready to be sent."""
        while True:
            row = db.execute(
                "SELECT seq, id, incident, body, sealed, committed_mono_s, checksum FROM event"
                " WHERE partition = ? AND seq > ? ORDER BY seq LIMIT 1",
                (partition, after),
            ).fetchone()
            if row is None:
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
                since_s = self._registration.since_s(seq, committed_s)
                wait_s = grace_s - (self._monotonic() - since_s)
                if wait_s > 0 and awaited:
                    return Held(wait_s)
                try:
                    body = seal(db, seq, body)
                except ValidationError as error:
                    self._quarantine(db, seq, event, f"{error.error_count()} faults")
                    continue
            return Delivery(seq, after, event, partition, bytes(body), refusals)

    def _quarantine(self, db: sqlite3.Connection, seq: int, event: str, reason: str) -> None:
        """Makes an event that cannot be sent a dead letter of all sinks."""
        self.dead.bury(db, None, seq, f"unreadable: {reason}")
        db.execute("DELETE FROM event WHERE seq = ?", (seq,))
        log.error("outbox.quarantined", extra={"event": event, "reason": reason})

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
