"""Opens the hub's database so that exactly one connection ever writes to it.

What goes wrong is remembered until it goes right again, so that the hub's health can report it:
`trouble` where nothing can be written, `damage` where a SQLite file is not to be trusted any more.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from event_hub.errors import (
    DatabaseDamagedError,
    DatabaseUrlError,
    PasswordInUrlError,
    StoreUnavailableError,
)
from event_hub.sqlite_file import DAMAGE, READERS, WAIT_S, SqliteFile, primary_code

EXPECTED_URL: Final = "give sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"


class Database:
    """One writer behind a lock, a few readers beside it; for SQLite files and PostgreSQL, by URL.

    Attributes:
        trouble: Why the last write failed, where that was the disk's or the server's fault.
        damage: What shows that the file is damaged.

    Raises:
        DatabaseUrlError: The URL cannot be used.
        DatabaseInUseError: Another hub has the file.
        OSError: The file cannot be made.
    """

    def __init__(self, url: str) -> None:
        self.trouble = self.damage = ""
        self._file: SqliteFile | None = None
        try:
            parsed = make_url(url)
            self._password = parsed.password
            if parsed.get_backend_name() == "sqlite":
                self._file = SqliteFile(parsed)
                self._writer, self._readers = self._file.engines()
            else:
                engine = create_engine(
                    parsed, pool_size=READERS + 1, max_overflow=0, pool_timeout=WAIT_S
                )
                self._writer = self._readers = engine
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
            DatabaseDamagedError: The file is damaged.
            StoreUnavailableError: The database did not take it; nothing of it stays.
        """
        with self._only_writer():
            with self._translated(writes=True), self._writer.begin() as connection:
                yield connection
            self.trouble = ""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading.

        Raises:
            DatabaseDamagedError: The file is damaged.
            StoreUnavailableError: The database cannot be read now.
        """
        with self._translated(), self._readers.connect() as connection:
            yield connection

    def examine(self) -> None:
        """Reads a SQLite file as a whole, unless it is large.

        Raises:
            DatabaseDamagedError: It is damaged.
            StoreUnavailableError: It cannot be read now.
        """
        if self._file is None or not self._file.is_examined():
            return
        with self._translated(), self._writer.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            self.damage = f"the database is damaged: {' '.join(str(found).split())}"
            raise DatabaseDamagedError(self.damage)

    def set_aside(self) -> Path:
        """Gives a damaged SQLite file another name and goes on with a new one, which is empty.

        Raises:
            StoreUnavailableError: The folder does not take it.
        """
        if self._file is None:
            raise StoreUnavailableError("a database server mends its files itself")
        with self._only_writer():
            self._dispose()
            aside = self._file.set_aside()
            self._writer, self._readers = self._file.engines()
            self.damage = ""
        return aside

    def aside(self) -> list[Path]:
        """Damaged files that are still there, oldest first."""
        return self._file.aside() if self._file is not None else []

    def overwrite(self) -> None:
        """Has a SQLite file hold what was written last, and its log nothing of before.

        Raises:
            StoreUnavailableError: The disk does not take it.
        """
        if self._file is None:
            return
        with self._only_writer():
            # Not in a transaction, which every connection of ours is in.
            connection = self._writer.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise StoreUnavailableError(f"the database does not answer: {error}") from None
            finally:
                connection.close()

    def close(self) -> None:
        """Close every connection, the writer last: it leaves the file checkpointed."""
        self._dispose()
        if self._file is not None:
            self._file.release()

    def _dispose(self) -> None:
        if self._readers is not self._writer:
            self._readers.dispose()
        self._writer.dispose()

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        if not self._write_lock.acquire(timeout=WAIT_S):
            raise StoreUnavailableError("another write takes too long: try again")
        try:
            yield
        finally:
            self._write_lock.release()

    @contextmanager
    def _translated(self, writes: bool = False) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if primary_code(cause) in DAMAGE:
                self.damage = f"the database is damaged: {cause}"
                raise DatabaseDamagedError(self.damage) from None
            text = f"the database does not answer: {cause}"
            # A part of it is the server's, which knows the password and may repeat it.
            if self._password:
                text = text.replace(self._password, "***")
            if writes and isinstance(error, OperationalError):
                self.trouble = text
            raise StoreUnavailableError(text) from None


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
