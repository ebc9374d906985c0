"""One SQLite file behind one connection; what a finished transaction wrote survives a power loss.

Exactly one connection may ever have an outbox file open: SQLite 3.7.0 to 3.51.2 can corrupt a WAL
database when two connections write or checkpoint at once (https://sqlite.org/wal.html). The file is
held in exclusive locking mode, so a second connection, the `sqlite3` shell included, is refused.
Threads share the connection under one lock; no transaction waits for the network.

A damaged file is set aside and replaced by what can be read of it, at the start and at any time
after; a disk that takes nothing is waited for. Meanwhile transactions fail at once, and `mend`,
which the relay calls, opens the file again: the threads of cameras never wait for that.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.access import create_owned_file
from pipelines.delivery.durable import (
    PASSING,
    make_folder,
    make_private,
    sync_folder,
)
from pipelines.delivery.outbox_schema import VERSION, create, migrate, version_of
from pipelines.delivery.salvage.damage import (
    damage_of_files,
    damage_of_tables,
    is_damage,
    is_plain_damage,
)
from pipelines.delivery.salvage.replacement import finish_replacement, replace_damaged
from pipelines.errors import OutboxInUse, OutboxTooNew, OutboxUnavailable

log = logging.getLogger(__name__)

WAL_KEPT_BYTES = 16 * 1024 * 1024
OPEN_AGAIN_S = 2.0
"""Between two attempts to open a file that is not open."""
CHECK_AGAIN_S = 60.0
"""Between two looks for damage after errors that have another cause."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
PRIMARY = 0xFF
LOCK_STEP_S = 0.02


class OutboxFile:
    """The connection, its lock, and a signal to those who wait for news."""

    def __init__(
        self,
        path: Path,
        busy_timeout_s: float = 5.0,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        """Opens or creates the file. Where the disk does not let it now, `mend` tries again.

        Args:
            path: The file; its folder is created.
            busy_timeout_s: How long to wait for a predecessor that is going down.
            utc_s: Seconds since 1970 UTC.

        Raises:
            OutboxInUse: Another connection has the file open.
            OutboxTooNew: A newer program wrote it.
            OutboxUnavailable: It cannot be where it shall be, and waiting does not help.
        """
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._utc_s = utc_s
        self._changed = threading.Condition()
        self._news = 0
        self._db: sqlite3.Connection | None = None
        self._closed = False
        self._damage = ""
        self._fault = ""
        self._due_s = self._check_due_s = 0.0
        self._lock: int | None = None
        self.openings = 0
        """How often the file has been opened; what is known of its content is void after each."""
        try:
            self.mend()
        except OSError as error:
            if error.errno not in PASSING:
                raise self._unavailable(error.strerror) from error
            self._note_fault(str(error))

    @property
    def fault(self) -> str:
        """Why the file is not open at present; empty where it is."""
        return self._fault

    def mend(self) -> None:
        """Opens the file if it is not open and an attempt is due. One thread at a time calls this.

        Raises:
            OutboxInUse: Another connection has it open.
            OutboxTooNew: A newer program wrote it.
            OSError: The disk does not let it.
        """
        if self._db is not None or self._closed or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + OPEN_AGAIN_S
        try:
            make_folder(self.path.parent)
            self._claim()
            db = self._open_or_replace()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & PRIMARY in BUSY:
                raise self._in_use() from error
            self._note_fault(str(error))
            return
        with self._changed:
            if self._is_closed():
                db.close()
                return
            self._db, self._fault = db, ""
            self.openings += 1
            self._news += 1
            self._changed.notify_all()

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
                raise self._unavailable("it is closed" if self._closed else self._fault)
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                self._check_for_damage(error)
                # Sub-classes other than these two mean a mistake in our own statements.
                if type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}:
                    raise self._unavailable(str(error)) from error
                raise
            if news:
                self._news += 1
                self._changed.notify_all()

    def _is_closed(self) -> bool:
        return self._closed

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
            self._closed = True
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _roll_back(self) -> None:
        if self._db is not None and self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _check_for_damage(self, error: BaseException) -> None:
        """Closes a file that turns out to be damaged; whoever mends it then replaces it.

        Raises:
            OutboxUnavailable: It is damaged; what was asked for was not done.
        """
        if self._db is None or not isinstance(error, Exception):
            return
        damage = ""
        if isinstance(error, sqlite3.Error) and is_plain_damage(error):
            damage = str(error)
        elif not isinstance(error, sqlite3.Error) or is_damage(error):
            # A wrong answer of a damaged file looks like a mistake of ours.
            damage = self._looked_for_damage()
        if damage:
            self._db.close()
            self._db, self._damage, self._due_s = None, damage, 0.0
            self._note_fault(f"it is damaged ({damage}) and is being replaced")
            raise self._unavailable(self._fault) from error

    def _looked_for_damage(self) -> str:
        now_s = time.monotonic()
        if self._db is None or now_s < self._check_due_s:
            return ""
        self._check_due_s = now_s + CHECK_AGAIN_S
        try:
            return damage_of_tables(self._db)
        except sqlite3.Error as error:
            return str(error) if is_damage(error) else ""
        except OutboxTooNew:
            return ""

    def _claim(self) -> None:
        """Takes the lock that says whose file it is before anything looks at its content."""
        if self._lock is not None:
            return
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline_s = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline_s:
                    time.sleep(LOCK_STEP_S)
                    continue
                os.close(lock)
                raise self._in_use() from None
            self._lock = lock
            return

    def _open_or_replace(self) -> sqlite3.Connection:
        """Opens the file, or what can be read of it where it is damaged."""
        finish_replacement(self.path)
        if not (damage := self._damage or damage_of_files(self.path)):
            try:
                return self._open()
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                damage = str(error)
        replace_damaged(self.path, damage, self._utc_s)
        self._damage = ""
        return self._open()

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self._create()
        # SQLite gives its other files the rights of this one.
        make_private(self.path)
        db = sqlite3.connect(
            self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            if damage := damage_of_tables(db):
                raise sqlite3.DatabaseError(damage)
            if (found := version_of(db)) not in (None, VERSION):
                migrate(db, found or VERSION)
        except OutboxTooNew as error:
            db.close()
            raise OutboxTooNew(f"the outbox {self.path} cannot be used: {error}") from None
        except BaseException:
            db.close()
            raise
        return db

    def _create(self) -> None:
        """Makes a file that is there whole or not at all, so that an empty one is a damaged one."""
        part = Path(f"{self.path}.part")
        create_owned_file(part).close()
        db = sqlite3.connect(part, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = MEMORY")
            create(db)
        finally:
            db.close()
        part.rename(self.path)
        sync_folder(self.path.parent)

    def _note_fault(self, fault: str) -> None:
        if fault != self._fault:
            log.error("outbox.not_open", extra={"path": str(self.path), "reason": fault})
        self._fault = fault

    def _in_use(self) -> OutboxInUse:
        return OutboxInUse(
            f"the outbox {self.path} is open elsewhere; one worker, one file, one connection"
        )

    def _unavailable(self, reason: str | None) -> OutboxUnavailable:
        return OutboxUnavailable(
            f"the outbox {self.path} cannot be used: {reason}; check the disk and its rights"
        )
