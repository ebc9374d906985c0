"""`restore`: a hub from the file that `back_up` wrote, into places where there is none."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, select

from event_hub.backup.archive import ArchiveReader, open_archive
from event_hub.backup.backup import (
    EVIDENCE,
    STATE,
    BackupProgress,
    BackupReport,
    EvidenceStore,
    HubParts,
)
from event_hub.backup.rows import load
from event_hub.database import Database
from event_hub.errors import BackupError
from event_hub.keyframes import is_safe_key
from event_hub.migrations.upgrade import prepare, prepare_as_of
from event_hub.tables import KEYFRAMES
from pipelines.access import create_owned_folder, write_owned_file


def restore(path: Path, parts: HubParts, say: BackupProgress) -> BackupReport:
    """Puts what a backup holds into an empty database, a state folder and a store.

    The archive is read as a whole before anything is written. The database comes last and at once:
    what was cut off can be done again. It is brought to the tables of this program.

    Raises:
        BackupError: The archive is damaged or unknown, or one of the places holds something else.
        DatabaseVersionError: A newer program wrote it.
        HubError: The database cannot be used.
        OSError: A file or a keyframe cannot be written.
    """
    with open_archive(path) as archive:
        archive.verify()
        say(f"the backup of {archive.manifest.made_at:%Y-%m-%d %H:%M} UTC is whole")
        files = _checked_files(archive, parts.state)
        database = Database(parts.database)
        try:
            with database.write() as connection:
                _check_empty(connection)
                prepare_as_of(connection, archive.manifest.revision)
                rows = load(connection, archive)
                prepare(connection)
                say(f"{rows} rows of the database")
                stored = _restore_evidence(connection, archive, parts.evidence)
                say(f"{stored} keyframes and clips")
                for name in files:
                    target = parts.state / name
                    create_owned_folder(target.parent)
                    write_owned_file(target, archive.read(f"{STATE}/{name}"))
        finally:
            database.close()
        return BackupReport(rows, len(files), stored, archive.manifest.missing)


def _checked_files(archive: ArchiveReader, state: Path) -> list[str]:
    """The names of the files for the state folder.

    Raises:
        BackupError: The folder has one of them, and it is another.
    """
    names = archive.names(STATE)
    for name in names:
        if not is_safe_key(name):
            raise BackupError(f"the backup names a file outside of the state folder: {name!r}")
        target = state / name
        if target.exists() and target.read_bytes() != archive.read(f"{STATE}/{name}"):
            raise BackupError(
                f"{target} is there, and differs from the backup: stop what uses the folder, and "
                "move it away"
            )
    return names


def _check_empty(connection: Connection) -> None:
    if inspect(connection).get_table_names():
        raise BackupError(
            "the database holds something already: move its file away, or give an empty database"
        )


def _restore_evidence(
    connection: Connection, archive: ArchiveReader, store: EvidenceStore | None
) -> int:
    if store is None:
        return 0
    rows = connection.execute(select(KEYFRAMES.c.key, KEYFRAMES.c.media_type))
    types = {row.key: row.media_type for row in rows}
    names = archive.names(EVIDENCE)
    for key in names:
        if key not in types or not is_safe_key(key):
            raise BackupError(f"the backup holds {key!r}, which its database does not name")
        store.put(key, archive.read(f"{EVIDENCE}/{key}"), types[key])
    return len(names)
