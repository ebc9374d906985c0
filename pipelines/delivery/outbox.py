"""The outbox: what is recorded here reaches every sink, whatever crashes in between.

One transaction writes an event, the keyframes it brings and the state of its incident. Revisions
are counted here alone, from 1. The outbox adds an event of its own when keyframes that were
announced as `pending` have been stored, or given up, and when it is known what became of the
incident's clip: the incident's newest state goes out once
more, as `updated` while it is open, as `ended` after, so that a consumer who keeps the highest
revision is always right.
"""

from __future__ import annotations

import contextlib
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

from pipelines.delivery import restricted_rows
from pipelines.delivery.coverage_table import CoverageTable
from pipelines.delivery.deliveries import Deliveries
from pipelines.delivery.event_log import SEQUENCE_DIGITS, EventLog, OutboxLimits
from pipelines.delivery.incident_rows import ended_incidents, open_incidents
from pipelines.delivery.outbox_file import OutboxFile
from pipelines.delivery.restricted_rows import LEAST_KEYFRAME_PRIORITY, Blob
from pipelines.errors import OutboxUnavailable
from pipelines.event import CameraStateEvent, IncidentEvent, OutgoingEvent
from pipelines.event_evidence import ClipData, KeyframeData
from pipelines.event_identity import event_id

log = logging.getLogger(__name__)

PRUNE_BATCH = 1000
SAVED_AT_ONCE = 32
"""Events that whoever records one commits with it."""


@dataclass(frozen=True, slots=True)
class OutboxCounters:
    """What an outbox could not keep, since it was opened.

    Attributes:
        shed: Events given up because a bound was reached.
        unsaved: Events in memory now because the disk did not take them.
        lost: Events given up because the disk did not take them for too long.
        keyframes_lost: Keyframes given up before they were stored.
    """

    shed: int = 0
    unsaved: int = 0
    lost: int = 0
    keyframes_lost: int = 0


class Outbox:
    """An outbox file. Safe for use from several threads; one process and one object per file.

    Attributes:
        coverage: The coverage ledger.
        incarnation: Of everything that this object records; greater than all before in this file.
        last_alive_at: When whoever had the file before was last known to be there, UTC; None where
            nobody had.
    """

    def __init__(
        self,
        path: Path,
        limits: OutboxLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        utc_s: Callable[[], float] = time.time,
        incarnation: int = 0,
    ) -> None:
        """Opens or creates the file. Where the disk does not let it now, `mend` tries again.

        Args:
            path: The file.
            limits: Its bounds.
            monotonic: Monotonic seconds.
            utc_s: Seconds since 1970 UTC.
            incarnation: The number of this start, greater than those of all earlier starts of
                workers that had the same cameras. 0 counts in this file alone.

        Raises:
            OutboxInUse: Another connection has it open.
            OutboxTooNew: A newer program wrote it.
            OutboxUnavailable: It cannot be where it shall be, and waiting does not help.
        """
        self._utc_s = utc_s
        self.file = OutboxFile(path, utc_s=utc_s)
        self._limits = limits or OutboxLimits()
        self._log = EventLog(self._limits, monotonic, utc_s)
        self.deliveries = Deliveries(self.file, monotonic, utc_s)
        self.coverage = CoverageTable(self.file)
        self._recording = threading.Lock()
        self._unsaved: deque[tuple[OutgoingEvent, Sequence[KeyframeData]]] = deque()
        self._fault = ""
        self._lost = 0
        self._keyframes_lost = 0
        self.incarnation = max(incarnation, 1)
        self.last_alive_at: datetime | None = None
        self._read_life = False
        self.note_alive()

    @property
    def counters(self) -> OutboxCounters:
        """What it could not keep."""
        return OutboxCounters(self._log.shed, len(self._unsaved), self._lost, self._keyframes_lost)

    def close(self) -> None:
        """Closes the file; further use raises `OutboxUnavailable`."""
        self.file.close()

    def record(self, event: OutgoingEvent, keyframes: Sequence[KeyframeData] = ()) -> None:
        """Commits an event and the keyframes it brings, which are in the spool already.

        The event is finished here. One whose id is known is ignored. Where the disk does
        not take it, it is kept in memory, within bounds, and tried again before the next one and at
        every `save_unsaved`.
        """
        with self._recording:
            self._unsaved.append((event, tuple(keyframes)))
        # After a while without disk there may be many: those are left to the relay's thread.
        self.save_unsaved(SAVED_AT_ONCE)

    def save_unsaved(self, most: int | None = None) -> None:
        """Tries again to commit what the disk did not take, at most so many events."""
        while self._unsaved and most != 0:
            with self._recording:
                if not self._save_one():
                    return
            most = None if most is None else most - 1

    def _save_one(self) -> bool:
        """Commits the oldest event in memory; False where there is none, or the disk refuses."""
        if not self._unsaved:
            return False
        event, keyframes = self._unsaved[0]
        try:
            with self.file.transaction(news=True) as db:
                if not self._log.append(db, event, keyframes):
                    log.warning("outbox.duplicate", extra={"event": event.id})
        except OutboxUnavailable as error:
            if not self._fault:
                log.error("outbox.unsaved", extra={"error": str(error)})
            self._fault = str(error)
            if len(self._unsaved) > self._limits.max_unsaved:
                self._lose_one()
            return False
        self._unsaved.popleft()
        if self._fault:
            log.info("outbox.saves_again", extra={"path": str(self.file.path)})
        self._fault = ""
        return True

    @property
    def fault(self) -> str:
        """Why it does not take events now; empty where it does."""
        return self._fault or self.file.fault

    def mend(self) -> None:
        """Opens the file again where it had to be closed, or could not be opened at the start.

        One thread calls this, which may wait for the disk: not one that has cameras.

        Raises:
            OutboxUnavailable: The disk does not let it.
        """
        try:
            self.file.mend()
        except OSError as error:
            raise OutboxUnavailable(f"the outbox {self.file.path}: {error.strerror}") from error

    def note_alive(self) -> None:
        """Notes that the owner of the file is there now; a full disk is no reason to stop."""
        with contextlib.suppress(OutboxUnavailable), self.file.transaction() as db:
            if not self._read_life:
                last, alive_s = db.execute("SELECT incarnation, alive_at FROM life").fetchone()
                self.incarnation = max(self.incarnation, last + 1)
                self.last_alive_at = datetime.fromtimestamp(alive_s, UTC) if alive_s else None
                self._read_life = True
            db.execute(
                "UPDATE life SET incarnation = ?, alive_at = ?", (self.incarnation, self._utc_s())
            )

    def newest_sequence(self) -> str:
        """The sequence of the newest event; of none where nothing was ever recorded.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return f"{row[0] if row else 0:0{SEQUENCE_DIGITS}d}"

    def camera_states(self) -> list[CameraStateEvent]:
        """The newest state that was recorded of each camera.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction() as db:
            rows = db.execute("SELECT id, body FROM camera ORDER BY id").fetchall()
        events = []
        for camera, body in rows:
            try:
                events.append(CameraStateEvent.model_validate_json(body))
            except ValidationError:
                log.error("outbox.camera_unreadable", extra={"camera": camera})
        return events

    def ended_incidents(self, camera: str, since_s: float) -> list[IncidentEvent]:
        """The newest event of each incident of a camera that ended since then, UTC seconds.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction() as db:
            return ended_incidents(db, camera, since_s)

    def open_incidents(self) -> list[IncidentEvent]:
        """The newest event of each incident that has not ended.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction() as db:
            return open_incidents(db)

    def record_clip(self, incident: str, clip: ClipData) -> None:
        """Commits a clip that is in the spool; an event names it once it is in the store.

        Raises:
            OutboxUnavailable: The disk does not take it.
        """
        with self.file.transaction(news=True) as db:
            restricted_rows.add_clip(db, incident, clip)

    def record_no_clip(self, incident: str, reason: str) -> None:
        """Publishes why an incident has no clip.

        Raises:
            OutboxUnavailable: The disk does not take it.
        """
        with self.file.transaction(news=True) as db:
            restricted_rows.add_no_clip(db, incident, reason)
            self._revise(db, incident)

    def settle_clips(self) -> int:
        """Publishes of incidents of earlier starts that a clip will not come; gives their number.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction(news=True) as db:
            incidents = restricted_rows.incidents_without(db, self.incarnation)
            for incident in incidents:
                restricted_rows.add_no_clip(db, incident, restricted_rows.NOT_KEPT)
                self._revise(db, incident)
        return len(incidents)

    def next_blob(self) -> Blob | None:
        """What to store next: the least often tried, keyframes first, then the oldest."""
        while True:
            with self.file.transaction() as db:
                row = db.execute(
                    "SELECT key, priority, data FROM blob WHERE state = 'spooled'"
                    " ORDER BY attempts, priority < ?, number LIMIT 1",
                    (LEAST_KEYFRAME_PRIORITY,),
                ).fetchone()
            if row is None:
                return None
            try:
                return restricted_rows.blob_of(*row[1:])
            except ValidationError:
                log.error("outbox.keyframe_unreadable", extra={"key": row[0]})
                self.blob_lost(row[0])

    def blobs_pending(self) -> int:
        """Keyframes and clips that wait to be stored."""
        with self.file.transaction() as db:
            row = db.execute("SELECT count(*) FROM blob WHERE state = 'spooled'").fetchone()
        return int(row[0])

    def blob_names(self) -> frozenset[str]:
        """Spool file names of what waits to be stored."""
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
            self._keyframes_lost += self._resolve(db, key, "lost")

    def shed_blobs(self, priority: int, count: int) -> list[str]:
        """Gives up the least important, oldest evidence up to this priority; its file names.

        Clips go before all keyframes.
        """
        with self.file.transaction(news=True) as db:
            rows = db.execute(
                "SELECT key FROM blob WHERE state = 'spooled' AND priority <= ?"
                " ORDER BY priority, number LIMIT ?",
                (priority, count),
            ).fetchall()
            for (key,) in rows:
                self._keyframes_lost += self._resolve(db, key, "lost")
        return [key.rsplit("/", 1)[-1] for (key,) in rows]

    def usage(self) -> tuple[int, datetime | None]:
        """Bytes of all events that are kept, and when the oldest was recorded, UTC.

        Raises:
            OutboxUnavailable: The disk does not answer.
        """
        with self.file.transaction() as db:
            used, oldest_s = db.execute(
                "SELECT bytes, (SELECT committed_at FROM event ORDER BY seq LIMIT 1) FROM usage"
            ).fetchone()
        return used, None if oldest_s is None else datetime.fromtimestamp(oldest_s, UTC)

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

    def _lose_one(self) -> None:
        self._lost += 1
        priorities = [event.shed_priority for event, _ in self._unsaved]
        del self._unsaved[priorities.index(min(priorities))]

    def _resolve(self, db: sqlite3.Connection, key: str, state: str) -> bool:
        """Notes what became of evidence; whether that was a keyframe."""
        row = db.execute(
            "UPDATE blob SET state = ? WHERE key = ? AND state = 'spooled'"
            " RETURNING incident, announced, priority >= ?",
            (state, key, LEAST_KEYFRAME_PRIORITY),
        ).fetchone()
        if row is None:
            return False
        incident, announced, is_keyframe = row
        if announced != restricted_rows.REVISES:
            return bool(is_keyframe)
        waiting = db.execute(
            "SELECT 1 FROM blob WHERE incident = ? AND announced = ? AND state = 'spooled'",
            (incident, restricted_rows.REVISES),
        ).fetchone()
        if waiting is None:
            self._revise(db, incident)
        return bool(is_keyframe)

    def _revise(self, db: sqlite3.Connection, incident: str) -> None:
        row = db.execute("SELECT body FROM incident WHERE id = ?", (incident,)).fetchone()
        if row is None:
            return  # Its events wait in memory, and say it when they are committed.
        try:
            last = IncidentEvent.model_validate_json(row[0])
        except ValidationError:
            log.error("outbox.incident_unreadable", extra={"incident": incident})
            return
        revision = self._log.next_revision(db, incident)
        self._log.append(
            db,
            last.changed(
                event_id(incident, "keyframes", str(revision)),
                datetime.fromtimestamp(self._utc_s(), UTC),
                phase="ended" if last.data.phase == "ended" else "updated",
            ),
        )
