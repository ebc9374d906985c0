"""Reads databases of a running city, locked or not, without a lock and without a write.

A worker has its file open in exclusive mode, so a copy is read. The copy of the database and of its
log fit together where no checkpoint came between: the database file was not written and the log was
not begun anew. Everything that a finished transaction wrote is in one of the two.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchmarks.chaos.records import CommittedEvent, SinkArrival, read_event

FILE: Final = "outbox.db"
US_PER_S: Final = 1e6
ATTEMPTS: Final = 20
WAL_HEADER_BYTES: Final = 32
"""Holds the salts, which change when the log is begun anew: https://sqlite.org/fileformat.html."""


@dataclass(frozen=True, slots=True)
class OutboxContent:
    """What an outbox holds.

    Attributes:
        events: Its events in order.
        spooled: Keyframes that wait for the store.
        dead: Events that were given up.
    """

    events: tuple[CommittedEvent, ...]
    spooled: int
    dead: int


def outbox_files(state: Path) -> list[Path]:
    """The outboxes below a state folder, those that were set aside included."""
    aside = re.compile(rf"{re.escape(FILE)}(\.damaged-\w+)?")
    return sorted(path for path in state.glob(f"*/{FILE}*") if aside.fullmatch(path.name))


def read_outbox(
    path: Path, known: Mapping[str, CommittedEvent] = MappingProxyType({})
) -> OutboxContent | None:
    """What is in an outbox now; None where it could not be read while it was being written.

    Args:
        path: The file.
        known: Events by id that were read before; those that are sealed are not read again.

    Raises:
        ValueError: An event in it is no event.
    """
    with _copied(path) as db:
        if db is None:
            return None
        try:
            return _content(db, known)
        except sqlite3.DatabaseError:
            return None


def read_hub(path: Path) -> list[SinkArrival]:
    """What an embedded hub has taken, in order of arrival.

    Raises:
        sqlite3.DatabaseError: It cannot be read.
        ValueError: An event in it is no event.
    """
    with _copied(path) as db:
        if db is None:
            raise sqlite3.DatabaseError(f"{path} cannot be copied")
        rows = db.execute("SELECT body, received_us FROM events ORDER BY position").fetchall()
    events = ((read_event(bytes(body)), received_us / US_PER_S) for body, received_us in rows)
    return [SinkArrival(event, at_s) for event, at_s in events if event is not None]


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A copy of a database, to read from; None where it could not be copied."""
    with tempfile.TemporaryDirectory(prefix="cityeye-copy-") as folder:
        copy = Path(folder) / path.name
        if not _copy(path, copy):
            yield None
            return
        with contextlib.closing(sqlite3.connect(copy)) as db:
            yield db


def _content(db: sqlite3.Connection, known: Mapping[str, CommittedEvent]) -> OutboxContent:
    rows = db.execute("SELECT id, body, committed_at, sealed FROM event ORDER BY seq").fetchall()
    events = []
    for name, body, at_s, sealed in rows:
        if (before := known.get(name)) is not None and before.sealed:
            events.append(before)
        elif (event := read_event(bytes(body))) is not None:
            events.append(CommittedEvent(event, at_s, bool(sealed)))
    (spooled,) = db.execute("SELECT count(*) FROM blob WHERE state = 'spooled'").fetchone()
    (dead,) = db.execute("SELECT count(*) FROM dead").fetchone()
    return OutboxContent(tuple(events), spooled, dead)


def _copy(path: Path, copy: Path) -> bool:
    """Copies database and log; false where they do not fit together however often it is tried."""
    wal, wal_copy = (one.with_name(f"{one.name}-wal") for one in (path, copy))
    for _ in range(ATTEMPTS):
        try:
            before = _state(path, wal)
            copy.write_bytes(path.read_bytes())
            wal_copy.write_bytes(wal.read_bytes() if wal.exists() else b"")
            if _state(path, wal) == before:
                return True
        except FileNotFoundError:
            if not path.exists():
                return False
    return False


def _state(path: Path, wal: Path) -> tuple[int, int, bytes]:
    status = path.stat()
    with contextlib.suppress(FileNotFoundError), wal.open("rb") as file:
        return status.st_mtime_ns, status.st_size, file.read(WAL_HEADER_BYTES)
    return status.st_mtime_ns, status.st_size, b""
