"""`back_up`: all that a hub keeps, in one file, while it works."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, select

from event_hub.backup.archive import ArchiveWriter, new_archive, now
from event_hub.backup.rows import dump, revision_of, snapshot
from event_hub.errors import BackupError
from event_hub.tables import KEYFRAMES
from pipelines.access import PART_SUFFIX

STATE: Final = "state"
EVIDENCE: Final = "evidence"
SAY_EVERY: Final = 1000

LEFT_OUT: Final = (
    "*.log", "*.log.*", "*.lock", f"*{PART_SUFFIX}", "*.db", "*.db-*", "worker-*",
    "incarnation.txt",
)  # fmt: skip
"""What a running hub or city makes anew. A worker's outbox stays with the worker: events that were
delivered since would come again; and an old incarnation would order new events before old ones."""

BackupProgress = Callable[[str], None]


class EvidenceStore(Protocol):
    """Where keyframes and clips are: a folder, or a store of objects."""

    def fetch(self, key: str) -> bytes:
        """What is stored. Raises LookupError where there is none, OSError where it is away."""
        ...

    def put(self, key: str, data: bytes, media_type: str) -> None:
        """Stores it. Raises OSError where it cannot be stored."""
        ...


@dataclass(frozen=True, slots=True)
class HubParts:
    """Where what a hub keeps is.

    Attributes:
        database: SQLAlchemy URL.
        state: Folder with the tokens, secrets, audit trail and copies of evidence.
        evidence: The store of keyframes and clips; None leaves them out.
    """

    database: str
    state: Path
    evidence: EvidenceStore | None


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds.

    Attributes:
        rows: Of the database.
        files: Of the state folder.
        evidence: Keyframes and clips.
        missing: Keys that the database names and the store does not have.
    """

    rows: int
    files: int
    evidence: int
    missing: tuple[str, ...]


def back_up(parts: HubParts, path: Path, say: BackupProgress) -> BackupReport:
    """Writes a new file `path`, whole or not at all; the hub may run meanwhile.

    Raises:
        BackupError: The file cannot be written, or something that belongs in it cannot be read.
    """
    with new_archive(path, now()) as archive, snapshot(parts.database) as connection:
        revision = revision_of(connection)
        rows = dump(connection, archive, path.absolute().parent)
        say(f"{rows} rows of the database")
        files = 0
        for name in state_files(parts.state):
            archive.add(f"{STATE}/{name}", (parts.state / name).read_bytes())
            files += 1
        stored, missing = _add_evidence(connection, parts.evidence, archive, say)
        archive.finish(revision, tuple(missing))
    return BackupReport(rows, files, stored, tuple(missing))


def state_files(state: Path) -> Iterator[str]:
    """The files of a state folder that are kept, as paths within it, in order."""
    for path in sorted(state.rglob("*")):
        inside = path.relative_to(state)
        is_left_out = any(
            fnmatch.fnmatch(part, pattern) for part in inside.parts for pattern in LEFT_OUT
        )
        if path.is_file() and not path.is_symlink() and not is_left_out:
            yield inside.as_posix()


def _add_evidence(
    connection: Connection, store: EvidenceStore | None, archive: ArchiveWriter, say: BackupProgress
) -> tuple[int, list[str]]:
    """Adds each file that the database names; retention may have removed some."""
    if store is None:
        return 0, []
    stored, missing = 0, []
    for key in connection.scalars(select(KEYFRAMES.c.key).distinct()):
        try:
            data = store.fetch(key)
        except LookupError:
            missing.append(key)
            continue
        except OSError as error:
            raise BackupError(f"{key} cannot be read from the store: {error}") from error
        archive.add(f"{EVIDENCE}/{key}", data)
        stored += 1
        if stored % SAY_EVERY == 0:
            say(f"{stored} keyframes and clips")
    return stored, missing
