"""The outbox: what is recorded here reaches every sink, whatever crashes in between.

One transaction writes an event, the keyframes it brings and the state of its incident. Revisions
are the outbox's: they start as the rules count them and stay strictly increasing when the outbox
adds revisions of its own. It does so when keyframes that were announced as `pending` have been
stored, or given up: the incident's newest state goes out once more, as `updated` while it is open,
as `ended` after, so that a consumer who keeps the highest revision is always right.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pipelines.delivery.deliveries import Deliveries
from pipelines.delivery.event_log import EDGE_PRIORITY, EventLog, OutboxLimits
from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.publication import event_id
from pipelines.errors import OutboxUnavailable
from pipelines.event import (
    INCIDENT_ENDED,
    INCIDENT_UPDATED,
    CameraStateEvent,
    IncidentEvent,
    KeyframeData,
)

log = logging.getLogger(__name__)

PRUNE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Blob:
    """A keyframe that waits to be stored."""

    keyframe: KeyframeData

    @property
    def name(self) -> str:
        """Its file name in the spool."""
        return self.keyframe.key.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class OutboxCounters:
    """What an outbox could not keep, since it was opened.

    Attributes:
        shed: Events given up because a bound was reached.
        unsaved: Events in memory now because the disk did not take them.
        lost: Events given up because the disk did not take them for too long.
        keyframes_lost: Keyframes given up before they were stored.
    """

    shed: int
    unsaved: int
    lost: int
    keyframes_lost: int


@dataclass(frozen=True, slots=True)
class _Unsaved:
    event: IncidentEvent | CameraStateEvent
    keyframes: tuple[KeyframeData, ...]


class Outbox:
    """An outbox file. Safe for use from several threads; one process and one object per file."""

    def __init__(
        self,
        path: Path,
        limits: OutboxLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        """Opens or creates the file.

        Raises:
            OutboxInUse: Another connection has it open.
            OutboxUnavailable: It cannot be created, read or written.
        """
        self._utc_s = utc_s
        self.file = OutboxFile(path)
        self._limits = limits or OutboxLimits()
        self._log = EventLog(self._limits, monotonic, utc_s)
        self.deliveries = Deliveries(self.file, monotonic, utc_s)
        self._recording = threading.Lock()
        self._unsaved: deque[_Unsaved] = deque()
        self._failing = False
        self._lost = 0
        self._keyframes_lost = 0

    @property
    def counters(self) -> OutboxCounters:
        """What it could not keep."""
        return OutboxCounters(self._log.shed, len(self._unsaved), self._lost, self._keyframes_lost)

    def close(self) -> None:
        """Closes the file; further use raises `OutboxUnavailable`."""
        self.file.close()

    def record(
        self, event: IncidentEvent | CameraStateEvent, keyframes: Sequence[KeyframeData] = ()
    ) -> None:
        """Commits an event and the keyframes it brings, which are in the spool already.

        The event gets its sequence and revision here, and the incident's earlier keyframes. One
        whose id is known is ignored. Where the disk does not take it, it is kept in memory, within
        bounds, and tried again before the next one and at every `save_unsaved`.
        """
        with self._recording:
            self._unsaved.append(_Unsaved(event, tuple(keyframes)))
            self._save()

    def save_unsaved(self) -> None:
        """Tries again to commit what the disk did not take."""
        with self._recording:
            self._save()

    def open_incidents(self) -> list[IncidentEvent]:
        """The newest event of each incident that has not ended.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction() as db:
            rows = db.execute("SELECT id, body FROM incident WHERE open").fetchall()
        events = []
        for incident, body in rows:
            try:
                events.append(IncidentEvent.model_validate_json(body))
            except ValidationError:
                log.error("outbox.incident_unreadable", extra={"incident": incident})
                with self.file.transaction() as db:
                    db.execute("UPDATE incident SET open = 0 WHERE id = ?", (incident,))
        return events

    def next_blob(self) -> Blob | None:
        """A keyframe to store: the least often tried, then the oldest."""
        while True:
            with self.file.transaction() as db:
                row = db.execute(
                    "SELECT key, data FROM blob WHERE state = 'spooled'"
                    " ORDER BY attempts, number LIMIT 1"
                ).fetchone()
            if row is None:
                return None
            try:
                return Blob(KeyframeData.model_validate_json(row[1]))
            except ValidationError:
                log.error("outbox.keyframe_unreadable", extra={"key": row[0]})
                self.blob_lost(row[0])

    def blobs_pending(self) -> int:
        """Keyframes that wait to be stored."""
        with self.file.transaction() as db:
            row = db.execute("SELECT count(*) FROM blob WHERE state = 'spooled'").fetchone()
        return int(row[0])

    def blob_names(self) -> frozenset[str]:
        """Spool file names of the keyframes that wait to be stored."""
        with self.file.transaction() as db:
            rows = db.execute("SELECT key FROM blob WHERE state = 'spooled'").fetchall()
        return frozenset(row[0].rsplit("/", 1)[-1] for row in rows)

    def blob_failed(self, key: str) -> None:
        """Counts an attempt, so that one bad keyframe does not hold back the others."""
        with self.file.transaction() as db:
            db.execute("UPDATE blob SET attempts = attempts + 1 WHERE key = ?", (key,))

    def blob_stored(self, key: str) -> None:
        """The store has it; events that wait for it become due."""
        with self.file.transaction(news=True) as db:
            self._resolve(db, key, "stored")

    def blob_lost(self, key: str) -> None:
        """It will never be stored; no further event names it."""
        with self.file.transaction(news=True) as db:
            self._resolve(db, key, "lost")
        self._keyframes_lost += 1

    def shed_blobs(self, severity: str, count: int) -> list[str]:
        """Gives up the least severe, oldest keyframes up to this severity; their file names."""
        with self.file.transaction(news=True) as db:
            rows = db.execute(
                "SELECT key FROM blob WHERE state = 'spooled' AND priority <= ?"
                " ORDER BY priority, number LIMIT ?",
                (EDGE_PRIORITY[severity], count),
            ).fetchall()
            for (key,) in rows:
                self._resolve(db, key, "lost")
        self._keyframes_lost += len(rows)
        return [key.rsplit("/", 1)[-1] for (key,) in rows]

    def prune(self, keep_s: float) -> int:
        """Deletes events that every sink acknowledged and that are older than `keep_s`."""
        with self.file.transaction() as db:
            dropped = self._log.drop_delivered(db, PRUNE_BATCH, self._utc_s() - keep_s)
            db.execute(
                "DELETE FROM blob WHERE state != 'spooled'"
                " AND NOT EXISTS (SELECT 1 FROM event e WHERE e.incident = blob.incident)"
                " AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.id = blob.incident AND i.open)"
            )
            db.execute(
                "DELETE FROM incident WHERE NOT open"
                " AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.incident = incident.id)"
                " AND NOT EXISTS (SELECT 1 FROM event e WHERE e.incident = incident.id)"
            )
        return dropped

    def _save(self) -> None:
        while self._unsaved:
            head = self._unsaved[0]
            try:
                with self.file.transaction(news=True) as db:
                    self._commit(db, head)
            except OutboxUnavailable as error:
                if not self._failing:
                    log.error("outbox.unsaved", extra={"error": str(error)})
                self._failing = True
                if len(self._unsaved) > self._limits.max_unsaved:
                    self._lose_one()
                return
            self._unsaved.popleft()
            if self._failing:
                log.info("outbox.saves_again", extra={"path": str(self.file.path)})
            self._failing = False

    def _lose_one(self) -> None:
        self._lost += 1
        for index, entry in enumerate(self._unsaved):
            if entry.event.type == INCIDENT_UPDATED:
                del self._unsaved[index]
                return
        self._unsaved.popleft()

    def _commit(self, db: sqlite3.Connection, entry: _Unsaved) -> None:
        event = entry.event
        if self._log.has(db, event.id):
            log.warning("outbox.duplicate", extra={"event": event.id})
            return
        if isinstance(event, CameraStateEvent):
            self._log.append(db, event)
            return
        incident = event.data.incident_id
        seq = self._log.next_sequence(db)
        rank = EDGE_PRIORITY[event.data.severity]
        for keyframe in entry.keyframes:
            db.execute(
                "INSERT OR IGNORE INTO blob (key, incident, seq, priority, data, state)"
                " VALUES (?, ?, ?, ?, ?, 'spooled')",
                (keyframe.key, incident, seq, rank, keyframe.model_dump_json()),
            )
        row = db.execute("SELECT revision FROM incident WHERE id = ?", (incident,)).fetchone()
        revision = max(row[0] + 1, event.data.revision) if row else event.data.revision
        self._put(db, event, revision)

    def _put(self, db: sqlite3.Connection, event: IncidentEvent, revision: int) -> None:
        incident = event.data.incident_id
        update = {"revision": revision, "keyframes": self._keyframes(db, incident)}
        event = event.model_copy(update={"data": event.data.model_copy(update=update)})
        self._log.append(db, event)
        db.execute(
            "INSERT INTO incident VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " revision = excluded.revision, open = excluded.open, body = excluded.body",
            (incident, revision, event.type != INCIDENT_ENDED, event.model_dump_json().encode()),
        )

    def _keyframes(self, db: sqlite3.Connection, incident: str) -> tuple[KeyframeData, ...]:
        rows = db.execute(
            "SELECT data FROM blob WHERE incident = ? AND state != 'lost' ORDER BY number",
            (incident,),
        ).fetchall()
        return tuple(KeyframeData.model_validate_json(row[0]) for row in rows)

    def _resolve(self, db: sqlite3.Connection, key: str, state: str) -> None:
        row = db.execute(
            "UPDATE blob SET state = ? WHERE key = ? AND state = 'spooled'"
            " RETURNING incident, announced",
            (state, key),
        ).fetchone()
        if row is None or not row[1]:
            return
        incident = row[0]
        waiting = db.execute(
            "SELECT 1 FROM blob WHERE incident = ? AND announced AND state = 'spooled'",
            (incident,),
        ).fetchone()
        if waiting is None:
            self._revise(db, incident)

    def _revise(self, db: sqlite3.Connection, incident: str) -> None:
        revision, is_open, body = db.execute(
            "SELECT revision, open, body FROM incident WHERE id = ?", (incident,)
        ).fetchone()
        try:
            last = IncidentEvent.model_validate_json(body)
        except ValidationError:
            log.error("outbox.incident_unreadable", extra={"incident": incident})
            return
        revision += 1
        kind = INCIDENT_UPDATED if is_open else INCIDENT_ENDED
        update = {
            "id": event_id(incident, "keyframes", revision),
            "type": kind,
            "time": datetime.fromtimestamp(self._utc_s(), UTC),
            "data": last.data.model_copy(update={"phase": kind.rsplit(".", 1)[-1]}),
        }
        self._put(db, last.model_copy(update=update), revision)
