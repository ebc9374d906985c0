"""The rows of a hub's database as lines of JSON, the same for every kind of database.

The tables are those that the database has, and not those that this program knows, so that a backup
of an older hub can be read; it is brought forward when it is restored.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, LargeBinary, MetaData, Table, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from event_hub.backup.archive import ArchiveReader, ArchiveWriter
from event_hub.errors import BackupError
from event_hub.sqlite_file import leave_transactions_to_us

TABLES: Final = "tables"
SUFFIX: Final = ".jsonl.gz"
VERSIONS: Final = "alembic_version"
ROWS: Final = 1000
"""So many are read or written at a time."""

Encode = Callable[[Any], Any]


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """The database as it is now, for reading, whatever a hub writes meanwhile.

    Raises:
        BackupError: It cannot be read, or there is none.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            engine = create_engine(parsed, isolation_level="REPEATABLE READ")
        elif parsed.database and Path(parsed.database).is_file():
            engine = _sqlite_reader(Path(parsed.database).resolve())
        else:
            raise BackupError(f"there is no database {parsed.database}")
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise BackupError(f"the database URL cannot be used ({type(error).__name__})") from None
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise BackupError(f"the database cannot be read: {error.orig}") from None
    finally:
        engine.dispose()


def revision_of(connection: Connection) -> str:
    """Which tables a database has. Raises BackupError where it is not that of a hub."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        raise BackupError(
            "the database is not one of a hub, or of a very old one: start a hub with it once"
        )
    return found


def dump(connection: Connection, archive: ArchiveWriter, folder: Path) -> int:
    """Adds every table; returns how many rows there are.

    Args:
        connection: A snapshot.
        archive: Where to add them.
        folder: For a table at a time, until it is in the archive.
    """
    total = 0
    for table in _tables(connection):
        with tempfile.TemporaryFile(dir=folder) as file:
            total += _write(connection, table, file)
            file.seek(0)
            archive.add_file(f"{TABLES}/{table.name}{SUFFIX}", file)
    return total


def load(connection: Connection, archive: ArchiveReader) -> int:
    """Puts the rows of an archive into its tables, which are those of its revision.

    What a migration put there goes first.

    Raises:
        BackupError: The archive has a table that the database does not have, or the other way.
    """
    tables = {table.name: table for table in _tables(connection)}
    names = {name.removesuffix(SUFFIX) for name in archive.names(TABLES)}
    if names != tables.keys():
        other = ", ".join(sorted(names ^ tables.keys()))
        raise BackupError(f"the backup and its revision differ in the tables {other}")
    total = 0
    for name, table in tables.items():
        connection.execute(table.delete())
        total += _read(connection, table, archive.lines(f"{TABLES}/{name}{SUFFIX}"))
    return total


def _sqlite_reader(path: Path) -> Any:  # noqa: ANN401 - an Engine with listeners
    from sqlalchemy import event

    # It neither writes nor checkpoints: a hub may be at work.
    engine = create_engine(f"sqlite:///{path.as_uri()}?mode=ro&uri=true")
    event.listen(engine, "connect", leave_transactions_to_us)
    event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN"))
    return engine


def _tables(connection: Connection) -> Sequence[Table]:
    known = MetaData()
    known.reflect(connection)
    return [table for table in known.sorted_tables if table.name != VERSIONS]


def _write(connection: Connection, table: Table, file: IO[bytes]) -> int:
    encode = [_base64 if _is_binary(column) else _same for column in table.columns]
    rows = connection.execution_options(yield_per=ROWS).execute(select(table))
    count = 0
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=6) as lines:
        lines.write(_line([column.name for column in table.columns]))
        for row in rows:
            values = zip(encode, row, strict=True)
            lines.write(_line([change(value) for change, value in values]))
            count += 1
    return count


def _read(connection: Connection, table: Table, lines: Iterable[Any]) -> int:
    lines = iter(lines)
    names = next(lines)
    decode = [_bytes if _is_binary(table.columns[name]) else _same for name in names]
    count = 0
    while some := list(itertools.islice(lines, ROWS)):
        rows = [
            {name: change(value) for name, change, value in zip(names, decode, row, strict=True)}
            for row in some
        ]
        connection.execute(table.insert(), rows)
        count += len(rows)
    return count


def _is_binary(column: Any) -> bool:  # noqa: ANN401 - a Column of any type
    return isinstance(column.type, LargeBinary)


def _line(values: Sequence[object]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def _same(value: object) -> object:
    return value


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
