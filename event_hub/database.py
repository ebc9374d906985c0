"""Opens the hub's database so that exactly one connection ever writes to it.

SQLite before 3.51.3 can corrupt a WAL file when two connections write or checkpoint at once
(https://sqlite.org/wal.html#walresetbug). So a SQLite file has one writing connection, its readers
are opened read-only, and a lock file keeps a second hub away from it.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from event_hub.errors import (
    DatabaseInUseError,
    DatabaseUrlError,
    PasswordInUrlError,
    StoreUnavailableError,
)

READERS = 4
WAIT_S = 5.0
EXPECTED_URL = "give sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
WAL_LIMIT_BYTES = 64 * 1024 * 1024


class Database:
    """One writer behind a lock, a few readers beside it; for SQLite files and PostgreSQL, by URL.

    Raises:
        DatabaseUrlError: The URL cannot be used.
        DatabaseInUseError: Another hub has the file.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self._password = parsed.password
            self._lock_file = _claim(parsed) if parsed.get_backend_name() == "sqlite" else None
            self._writer, self._readers = _engines(parsed)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            # The text of these errors may repeat the URL, which may hold a password.
            raise DatabaseUrlError(
                f"the database URL cannot be used ({type(error).__name__}): {EXPECTED_URL}"
            ) from None
        self._write_lock = threading.Lock()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction of the only writer; committed to disk when the block ends.

        Raises:
            StoreUnavailableError: The database did not take it; nothing of it stays.
        """
        if not self._write_lock.acquire(timeout=WAIT_S):
            raise StoreUnavailableError("another write takes too long: try again")
        try:
            with self._translated(), self._writer.begin() as connection:
                yield connection
        finally:
            self._write_lock.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading.

        Raises:
            StoreUnavailableError: The database cannot be read now.
        """
        with self._translated(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            cause = str(error.orig if isinstance(error, DBAPIError) else error)
            # A part of it is the server's, which knows the password and may repeat it.
            if self._password:
                cause = cause.replace(self._password, "***")
            raise StoreUnavailableError(f"the database does not answer: {cause}") from None

    def close(self) -> None:
        """Close every connection, the writer last: it leaves the file checkpointed."""
        if self._readers is not self._writer:
            self._readers.dispose()
        self._writer.dispose()
        if self._lock_file is not None:
            self._lock_file.close()


def with_password(url: str, password: str) -> SecretStr:
    """A database URL from an argument, with the password from elsewhere where it is a server's.

    Raises:
        DatabaseUrlError: It cannot be read as a URL.
        PasswordInUrlError: It holds a password itself.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError(f"the database is not given as a URL: {EXPECTED_URL}") from None
    if parsed.password is not None or "password" in parsed.query:
        raise PasswordInUrlError("the URL of the database holds a password")
    if password and parsed.get_backend_name() != "sqlite":
        parsed = parsed.set(password=password)
    return SecretStr(parsed.render_as_string(hide_password=False))


def _claim(url: URL) -> IO[bytes]:
    if not url.database or url.database == ":memory:" or url.query:
        raise DatabaseUrlError(
            "the hub needs a SQLite file without options, such as sqlite:///event_hub.db"
        )
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock_file.close()
        raise DatabaseInUseError(str(path)) from None
    return lock_file


def _engines(url: URL) -> tuple[Engine, Engine]:
    if url.get_backend_name() != "sqlite":
        engine = create_engine(url, pool_size=READERS + 1, max_overflow=0, pool_timeout=WAIT_S)
        return engine, engine
    path = Path(url.database or "").resolve()
    shared: dict[str, Any] = {
        "poolclass": QueuePool,
        "max_overflow": 0,
        "pool_timeout": WAIT_S,
        "connect_args": {"check_same_thread": False, "timeout": WAIT_S},
    }
    writer = create_engine(url.set(database=str(path)), pool_size=1, **shared)
    read_only = f"sqlite:///{path.as_uri()}?mode=ro&uri=true"
    readers = create_engine(read_only, pool_size=READERS, **shared)
    event.listen(writer, "connect", _make_durable)
    event.listen(writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    event.listen(readers, "connect", _leave_transactions_to_us)
    event.listen(readers, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return writer, readers


def _leave_transactions_to_us(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # The driver begins before the first INSERT only: reads would not see one state, nor would DDL
    # be part of the transaction.
    connection.isolation_level = None


def _make_durable(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    _leave_transactions_to_us(connection, entry)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"journal_size_limit={WAL_LIMIT_BYTES}"):
        connection.execute(f"PRAGMA {pragma}").close()
