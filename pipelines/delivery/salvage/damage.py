"""What of an outbox is damaged: seen in its files, in its tables, or from an error of SQLite.

Trouble with the disk (full, read-only, no rights) is none: it passes, and the file is as it was.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from pipelines.delivery.outbox_schema import VERSION, version_of
from pipelines.delivery.salvage.wal import read_wal
from pipelines.errors import OutboxTooNew

MAGIC = b"SQLite format 3\0"
FORMATS = (1, 2)
FRACTIONS = (64, 32, 32)
ENCODINGS = (0, 1)
"""UTF-8, and none while all tables are still in the log."""
HEADER_BYTES = 100
OWN_TABLES = frozenset(("event", "progress", "sink", "incident", "blob", "dead"))
"""What every version of an outbox has."""

DISK_TROUBLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
    }
)
"""Primary result codes."""
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
DAMAGED_READS = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)
"""Extended codes of input errors that do not pass: a sector that the disk cannot read any more."""
PRIMARY = 0xFF


def is_plain_damage(error: sqlite3.Error) -> bool:
    """Whether an error says without a doubt that the file is not what it was."""
    # An error without a code: a text that is not UTF-8 any more.
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return isinstance(error, sqlite3.OperationalError)
    return code in DAMAGED_READS or code & PRIMARY in DAMAGE


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says so when a file is opened, where only known statements are executed."""
    code = getattr(error, "sqlite_errorcode", None)
    return is_plain_damage(error) or code is None or code & PRIMARY not in DISK_TROUBLE


def damage_of_files(path: Path) -> str:
    """What is wrong with the files of an outbox before they are opened; empty if nothing is.

    Only for who has locked the outbox: its writer changes them all the time.

    Raises:
        OSError: They cannot be read now.
    """
    log = Path(f"{path}-wal")
    for one in (path, log, Path(f"{path}-shm")):
        if one.is_dir():
            return f"{one.name} is a folder"
    try:
        wal = read_wal(log)
        header = _header(path)
    except OSError as error:
        if error.errno == errno.EIO:
            return "the disk cannot read it any more"
        raise
    if header is None:
        return "its file is gone and the log is still there" if wal.images or wal.fault else ""
    return _fault(header) or wal.fault


def _header(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except FileNotFoundError:
        return None


def _fault(header: bytes) -> str:
    if not header:
        return "its file is empty"
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        return "its file is no SQLite database"
    return "" if _is_plausible(header) else "the header of its file is damaged"


def damage_of_tables(db: sqlite3.Connection) -> str:
    """What is wrong inside of an outbox that is open; empty if nothing is.

    Raises:
        OutboxTooNew: A newer program wrote it; nothing is wrong with it.
        sqlite3.Error: It cannot be read; see `is_damage`.
    """
    (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        return str(found).splitlines()[-1]
    if version_of(db) is not None:
        return ""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version > VERSION and tables >= OWN_TABLES:
        raise OutboxTooNew(
            f"it has schema version {version}, this program knows {VERSION}; run the program"
            " that wrote it until it is drained, or move the file away"
        )
    return "it holds other tables than an outbox"


def _is_plausible(header: bytes) -> bool:
    """Whether the fields of a header that an outbox never changes are as SQLite writes them."""
    formats, fractions, encoding = header[18:20], tuple(header[21:24]), header[56:60]
    return (
        all(one in FORMATS for one in formats)
        and header[20] == 0
        and fractions == FRACTIONS
        and int.from_bytes(encoding, "big") in ENCODINGS
    )
