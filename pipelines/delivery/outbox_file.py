"""One SQLite file behind one connection; what a finished transaction wrote survives a power loss.

Exactly one connection may ever have an outbox file open: SQLite 3.7.0 to 3.51.2 can corrupt a WAL
database when two connections write or checkpoint at once (https://sqlite.org/wal.html). The file is
held in exclusive locking mode, so a second connection, the `sqlite3` shell included, is refused.
Threads share the connection under one lock; no transaction waits for the network.

`event` is the log, in delivery order. `progress` is one cursor per sink and partition: as the
events of a partition are delivered in order, everything up to `acked` has been acknowledged.
`partitions` has the newest event of each. `blob` is a keyframe on its way to the store, `incident`
the newest state of each incident, `camera` the newest state that was published of each camera,
`life` who writes the file and when it was last known to be there, `dead` what no further attempt
will deliver. Triggers keep `usage`, so that bounds hold in every transaction.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipelines.delivery.durable import make_folder, sync_folder
from pipelines.errors import OutboxInUse, OutboxUnavailable

VERSION = 4

CAMERA_AND_LIFE = """
CREATE TABLE camera (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE life (incarnation INTEGER NOT NULL, alive_at REAL NOT NULL) STRICT;
INSERT INTO life VALUES (0, 0);
"""

BODY_TYPE = """
    CASE WHEN json_valid(CAST(body AS TEXT)) THEN json_extract(CAST(body AS TEXT), '$.type') END
"""
"""SQL for the type of the event in a column `body`; NULL where it is unreadable."""

DEAD_INDEX = "CREATE INDEX dead_by_sink ON dead (sink, replay, at);"

MIGRATIONS = {
    1: """
    ALTER TABLE lane RENAME TO partitions;
    ALTER TABLE partitions RENAME COLUMN camera TO partition;
    ALTER TABLE event RENAME COLUMN camera TO partition;
    ALTER TABLE progress RENAME COLUMN camera TO partition;
    ALTER TABLE dead RENAME COLUMN camera TO partition;
    """,
    # Which state each camera was in is read from the events that are still kept.
    2: f"""
    {CAMERA_AND_LIFE}
    UPDATE life SET alive_at = (SELECT coalesce(max(committed_at), 0) FROM event);
    INSERT INTO camera SELECT partition, body FROM event WHERE seq IN
        (SELECT max(seq) FROM event WHERE {BODY_TYPE} = 'cityeye.camera.state' GROUP BY partition);
    """,  # noqa: S608
    # No sink is given up any more, and dead letters can be sent again.
    3: f"""
    ALTER TABLE sink DROP COLUMN enabled;
    ALTER TABLE dead ADD COLUMN replay INTEGER NOT NULL DEFAULT 0;
    {DEAD_INDEX}
    """,
}
"""From each older version to the next one."""

SCHEMA = """
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    partition TEXT NOT NULL,
    incident TEXT,
    priority INTEGER NOT NULL,
    body BLOB NOT NULL,
    sealed INTEGER NOT NULL,
    committed_at REAL NOT NULL,
    committed_mono_s REAL NOT NULL
) STRICT;
CREATE INDEX event_by_camera ON event (partition, seq);
CREATE INDEX event_by_incident ON event (incident);
CREATE INDEX event_by_priority ON event (priority, seq);

CREATE TABLE partitions (
    partition TEXT PRIMARY KEY,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sink (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE progress (
    sink TEXT NOT NULL,
    partition TEXT NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sink, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE dead (
    sink TEXT,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    partition TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    replay INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    open INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE blob (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    seq INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    data TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('spooled', 'stored', 'lost')),
    announced INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX blob_by_incident ON blob (incident, number);
CREATE INDEX blob_by_state ON blob (state, attempts, number);

CREATE TABLE usage (events INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO usage VALUES (0, 0);
CREATE TRIGGER event_inserted AFTER INSERT ON event BEGIN
    UPDATE usage SET events = events + 1, bytes = bytes + length(new.body);
END;
CREATE TRIGGER event_deleted AFTER DELETE ON event BEGIN
    UPDATE usage SET events = events - 1, bytes = bytes - length(old.body);
END;
CREATE TRIGGER event_sealed AFTER UPDATE OF body ON event BEGIN
    UPDATE usage SET bytes = bytes + length(new.body) - length(old.body);
END;
"""


log = logging.getLogger(__name__)

WAL_KEPT_BYTES = 16 * 1024 * 1024


class OutboxFile:
    """The connection, its lock, and a signal to those who wait for news."""

    def __init__(self, path: Path, busy_timeout_s: float = 5.0) -> None:
        """Opens or creates the file; a damaged one is set aside, never deleted.

        Args:
            path: The file; its folder is created.
            busy_timeout_s: How long to wait for a predecessor that is going down.

        Raises:
            OutboxInUse: Another connection has the file open.
            OutboxUnavailable: It cannot be created, read or written.
        """
        self.path = path
        self._changed = threading.Condition()
        self._news = 0
        self._db: sqlite3.Connection | None = None
        try:
            make_folder(path.parent)
        except OSError as error:
            raise self._unavailable(error.strerror) from error
        try:
            self._db = self._open(busy_timeout_s)
        except sqlite3.OperationalError as error:
            raise self._classified(error) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._db = self._open(busy_timeout_s)
        sync_folder(path.parent)

    @contextlib.contextmanager
    def transaction(self, news: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it, durably, or nothing. Do not nest.

        Args:
            news: Whether the waiting threads find something new after it.

        Raises:
            OutboxUnavailable: The disk is full, read-only or failing; nothing was written.
        """
        with self._changed:
            if self._db is None:
                raise self._unavailable("it is closed")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                # Sub-classes other than these two mean a mistake in our own statements.
                if type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}:
                    raise self._unavailable(str(error)) from error
                raise
            if news:
                self._news += 1
                self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> int:
        """Waits for news after `seen` (0 at first) or the timeout; gives the next `seen`."""
        with self._changed:
            self._changed.wait_for(lambda: self._news != seen, timeout_s)
            return self._news

    def wake(self) -> None:
        """Ends all waits."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Checkpoints and closes; later transactions raise `OutboxUnavailable`."""
        with self._changed:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _roll_back(self) -> None:
        if self._db is not None and self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _open(self, busy_timeout_s: float) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found > VERSION:
                raise self._unavailable(
                    f"it has schema version {found}, this program knows {VERSION}; run the program"
                    " that wrote it until it is drained, or move the file away"
                )
            if found < VERSION:
                newer = [MIGRATIONS[one] for one in range(found, VERSION) if found]
                steps = newer or [SCHEMA, CAMERA_AND_LIFE, DEAD_INDEX]
                script = f"BEGIN; {' '.join(steps)} PRAGMA user_version = {VERSION}; COMMIT;"
                db.executescript(script)
        except BaseException:
            db.close()
            raise
        return db

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        # Starting over loses what was in the file; refusing to start would lose what is to come.
        suffix = f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        for part in (self.path, Path(f"{self.path}-wal"), Path(f"{self.path}-shm")):
            if part.exists():
                part.rename(f"{part}{suffix}")
        log.error(
            "outbox.set_aside",
            extra={"path": str(self.path), "suffix": suffix, "error": str(error)},
        )

    def _classified(self, error: sqlite3.OperationalError) -> OutboxInUse | OutboxUnavailable:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return OutboxInUse(
                f"the outbox {self.path} is open elsewhere; one worker, one file, one connection"
            )
        return self._unavailable(str(error))

    def _unavailable(self, reason: str | None) -> OutboxUnavailable:
        return OutboxUnavailable(
            f"the outbox {self.path} cannot be used: {reason}; check the disk and its rights"
        )
