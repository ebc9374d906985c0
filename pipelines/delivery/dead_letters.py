"""Dead letters: events that a sink refused while it took their neighbours, until a person decides.

They are listed with the reason, and sent again on request. A letter leaves the file only when its
sink has acknowledged it, or when there are too many of them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.outbox_schema import BODY_TYPE
from pipelines.delivery.sinks.sink import Delivery

MAX_DEAD: Final = 10_000
"""Dead letters kept for a person to look at; the oldest go first."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up for one sink.

    Attributes:
        sink: Name of the sink; None where the event is unreadable, and nobody can get it.
        event: Event id.
        type: CloudEvents type, empty where it is unreadable.
        partition: Partition key, the camera id.
        at: When it was given up, UTC.
        replayed: Whether it is about to be sent again.
    """

    sink: str | None
    event: str
    type: str
    partition: str
    reason: str
    at: datetime
    replayed: bool


class DeadLetters:
    """The dead letters of one outbox file. Safe for use from several threads."""

    def __init__(self, file: OutboxFile, utc_s: Callable[[], float] = time.time) -> None:
        self._file = file
        self._utc_s = utc_s

    def bury(self, db: sqlite3.Connection, sink: str | None, seq: int, reason: str) -> None:
        """Makes an event of the log a dead letter, in a transaction that the caller has opened."""
        db.execute(
            "INSERT INTO dead (sink, seq, id, partition, body, reason, at)"
            " SELECT ?, seq, id, partition, body, ?, ? FROM event WHERE seq = ?",
            (sink, reason, self._utc_s(), seq),
        )
        db.execute(
            "DELETE FROM dead WHERE rowid IN"
            " (SELECT rowid FROM dead ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            (MAX_DEAD,),
        )

    def listed(self, limit: int = MAX_DEAD) -> list[DeadLetter]:
        """All of them, oldest first, at most `limit`."""
        with self._file.transaction() as db:
            rows = db.execute(
                f"SELECT sink, id, {BODY_TYPE}, partition, reason, at, replay FROM dead"  # noqa: S608
                " ORDER BY rowid LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            DeadLetter(
                sink,
                event,
                kind or "",
                partition,
                reason,
                datetime.fromtimestamp(at, UTC),
                bool(re),
            )
            for sink, event, kind, partition, reason, at, re in rows
        ]

    def request_replay(self, event: str | None = None, sink: str | None = None) -> int:
        """Has dead letters sent again by the couriers of their sinks, now or after the next start.

        Args:
            event: Id of the event; all where it is None.
            sink: Only of this sink; of all where it is None.

        Returns:
            How many it concerns; those of sinks that are not configured any more are left alone.
        """
        with self._file.transaction(news=True) as db:
            return db.execute(
                "UPDATE dead SET replay = 1 WHERE sink IN (SELECT name FROM sink)"
                " AND (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR sink = ?2)",
                (event, sink),
            ).rowcount

    def next_replay(self, sink: str) -> tuple[int, Delivery] | None:
        """The number and the event of a letter that is to be sent again, the oldest first."""
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT rowid, seq, id, partition, body FROM dead WHERE sink = ? AND replay = 1"
                " ORDER BY rowid LIMIT 1",
                (sink,),
            ).fetchone()
        if row is None:
            return None
        number, seq, event, partition, body = row
        return number, Delivery(seq, seq, event, partition, bytes(body))

    def acknowledge(self, sink: str, event: str) -> None:
        """The sink has it: it is dead no more."""
        # Not by number: a damaged file that was replaced meanwhile has others.
        with self._file.transaction() as db:
            db.execute("DELETE FROM dead WHERE sink = ? AND id = ?", (sink, event))

    def refused_again(self, number: int, reason: str) -> None:
        """It was refused once more and stays what it was; `at` is now."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE dead SET replay = 0, reason = ?, at = ? WHERE rowid = ?",
                (reason, self._utc_s(), number),
            )
