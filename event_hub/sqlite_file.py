"""The SQLite file of a hub: one hub at a time, readable by its owner alone, set aside when damaged.

SQLite before 3.51.3 can corrupt a WAL file when two connections write or checkpoint at once
(https://sqlite.org/wal.html#walresetbug). So a file has one writing connection, its readers are
opened read-only, and a lock file keeps a second hub away from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from event_hub.errors import DatabaseInUseError, DatabaseUrlError, StoreUnavailableError
from pipelines.access import create_owned_folder

READERS: Final = 4
WAIT_S: Final = 5.0
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
WRITER_CACHE_KIB: Final = 16 * 1024
CHECKPOINT_PAGES: Final = 8000
"""Events fall anywhere into the indexes: with the defaults, 2 MB and 1000 pages, each page is read
and written again with nearly every batch."""
EXAMINED_BYTES: Final = 512 * 1024 * 1024
"""A larger file is not read as a whole when the hub starts; damage shows when it is used."""
ASIDE: Final = ".damaged-"
PRIMARY_CODE: Final = 0xFF
DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def primary_code(error: BaseException | None) -> int:
    """SQLite's own number for what went wrong; 0 where it is not from SQLite."""
    code = getattr(error, "sqlite_errorcode", 0)
    return int(code) & PRIMARY_CODE


class SqliteFile:
    """The file behind a URL, claimed for this hub until `release`.

    Raises:
        DatabaseUrlError: The URL has options, or names no file.
        DatabaseInUseError: Another hub has the file.
        OSError: The folder or the lock file cannot be made.
    """

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:" or url.query:
            raise DatabaseUrlError(
                "the hub needs a SQLite file without options, such as sqlite:///event_hub.db"
            )
        self.path = Path(url.database).resolve()
        self._url = url
        create_owned_folder(self.path.parent)
        self._lock = _private(self.path.with_name(self.path.name + ".lock"))
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise DatabaseInUseError(str(self.path)) from None

    def engines(self) -> tuple[Engine, Engine]:
        """One for the only writer, and one for its readers."""
        # SQLite gives the files beside it the same rights.
        _private(self.path).close()
        shared: dict[str, Any] = {
            "poolclass": QueuePool,
            "max_overflow": 0,
            "pool_timeout": WAIT_S,
            "connect_args": {"check_same_thread": False, "timeout": WAIT_S},
        }
        writer = create_engine(self._url.set(database=str(self.path)), pool_size=1, **shared)
        read_only = f"sqlite:///{self.path.as_uri()}?mode=ro&uri=true"
        # Each connection has a page cache of its own: the newest is used again, with what is in it.
        readers = create_engine(read_only, pool_size=READERS, pool_use_lifo=True, **shared)
        event.listen(writer, "connect", _make_durable)
        event.listen(writer, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
        event.listen(readers, "connect", leave_transactions_to_us)
        event.listen(readers, "begin", lambda one: one.exec_driver_sql("BEGIN"))
        return writer, readers

    def is_examined(self) -> bool:
        """Whether the file is small enough to be read as a whole at the start."""
        return self.path.stat().st_size <= EXAMINED_BYTES

    def set_aside(self) -> Path:
        """Gives the file another name, with what belongs to it.

        Raises:
            StoreUnavailableError: The folder does not take it.
        """
        stem = f"{self.path.name}{ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        aside = self.path.with_name(stem)
        try:
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).rename(
                        aside.with_name(aside.name + suffix)
                    )
            self.path.rename(aside)
        except OSError as error:
            raise StoreUnavailableError(
                f"the damaged database {self.path} cannot be set aside: {error.strerror}"
            ) from error
        return aside

    def aside(self) -> list[Path]:
        """Files that were set aside, oldest first."""
        found = self.path.parent.glob(f"{self.path.name}{ASIDE}*")
        return sorted(one for one in found if not one.name.endswith(("-wal", "-shm")))

    def release(self) -> None:
        """Lets another hub have the file."""
        self._lock.close()


def _private(path: Path) -> IO[bytes]:
    """A file that its owner alone can read, made where it is missing."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    file = os.fdopen(descriptor, "r+b")
    # Another user's file that we may write stays as it is.
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return file


def leave_transactions_to_us(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Listens for new connections, so that SQLAlchemy begins transactions and not the driver."""
    # The driver begins before the first INSERT only: reads would not see one state, nor would DDL
    # be part of the transaction.
    connection.isolation_level = None


def _make_durable(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    leave_transactions_to_us(connection, entry)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"journal_size_limit={WAL_LIMIT_BYTES}",
        f"cache_size=-{WRITER_CACHE_KIB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
