"""Databases of earlier programs come to today's tables with nothing lost, on both kinds of server.

`state/hub-COMMIT.sql` is what the program of that commit wrote.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, select, text

from event_hub import queries
from event_hub.answers import CameraStatus, CityIncident
from event_hub.errors import DatabaseVersionError
from event_hub.incident_words import words_of
from event_hub.incidents import IncidentFilter, incident_page
from event_hub.store import EventStore
from event_hub.tables import KEYFRAMES, METADATA, SCHEMA, USAGE
from pipelines.event import IncidentData
from pipelines.event_incident import LEVELS
from tests.event_hub.samples import camera_state, in_city, incident
from tests.event_hub.test_store import add

STATE = Path(__file__).parent / "state"
OLD = ["8dd4002", "abc6148"]
XINJIN, DAYI = "510118-Xinjin", "510129-Dayi"


def written_by(commit: str) -> str:
    return (STATE / f"hub-{commit}.sql").read_text("utf-8")


def lite(folder: Path, commit: str) -> str:
    """The URL of a SQLite database as that commit left it."""
    with closing(sqlite3.connect(folder / "hub.db")) as database:
        database.executescript(written_by(commit))
    return f"sqlite:///{folder}/hub.db"


def server(url: str, commit: str) -> str:
    """The same on PostgreSQL: its tables are the ones that SQLAlchemy made from one description."""
    script = written_by(commit)
    script = re.sub(r"X'([0-9A-F]*)'", r"'\\x\1'", script.replace("BLOB", "BYTEA"))
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip() and "TRANSACTION" not in statement and "COMMIT" not in statement:
                connection.exec_driver_sql(statement)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Makes a database as a commit left it, and gives its URL."""
    if request.param == "sqlite":
        return lambda commit: lite(tmp_path, commit)
    empty = request.getfixturevalue("postgres")
    return lambda commit: server(empty, commit)


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def rows_of(url: str, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    with engine_of(url) as engine, engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY 1, 2"))
        return [tuple(row) for row in found]


@contextmanager
def store_of(url: str) -> Iterator[EventStore]:
    store = EventStore(url)
    try:
        yield store
    finally:
        store.close()


def shown(store: EventStore) -> tuple[list[CityIncident], list[CameraStatus]]:
    with store.database.read() as connection:
        incidents = incident_page(connection, IncidentFilter(), 9).incidents
        return incidents, queries.camera_list(connection, store.heard).cameras


EVENT_COLUMNS = "source, event_id, position, received_us, time_us, type, partitionkey, sequence,"
EVENT_COLUMNS += " incident_id, revision, sha256, size_bytes, body"
KEPT = {
    "events": EVENT_COLUMNS,
    "incidents": "incident_id, revision, kind, camera, severity, is_open, opened_us, data",
    "keyframes": '"key", revision, sha256, media_type, subjects',
}


@pytest.mark.parametrize("commit", OLD)
def test_nothing_is_lost(url: Any, commit: str) -> None:
    at = url(commit)
    before = {table: rows_of(at, table, columns) for table, columns in KEPT.items()}
    assert min(map(len, before.values())) > 0
    for _ in range(2):
        with store_of(at) as store, store.database.read() as connection:
            assert queries.incident_rows(connection, "jam")
            used = connection.execute(select(USAGE)).one()
        assert {table: rows_of(at, table, columns) for table, columns in KEPT.items()} == before
        sizes = [row[11] for row in before["events"]]
        assert (used.position, used.events, used.bytes) == (len(sizes), len(sizes), sum(sizes))


def test_a_database_of_8dd4002_goes_on(url: Any) -> None:
    with store_of(url("8dd4002")) as store:
        incidents, cameras = shown(store)
        states = [(one.incident_id, one.city, one.phase) for one in incidents]
        assert sorted(states) == [("crowd", "", "started"), ("jam", "", "ended")]
        assert [(one.city, one.camera.id, one.previous) for one in cameras] == [
            ("", "gate-1", "offline"),
            ("", "yard", "online"),
        ]
        # The updated city reports: its cameras and incidents are the ones that were there.
        end = incident("crowd", 2, "ended", kind="crowding.density", camera={"id": "gate-1"})
        add(store, in_city(camera_state("gate-1", "stopped", 9), XINJIN), in_city(end, XINJIN))
        incidents, cameras = shown(store)
        assert [(one.city, one.camera.id, one.state) for one in cameras] == [
            ("", "yard", "silent"),
            (XINJIN, "gate-1", "stopped"),
        ]
        crowd = next(one for one in incidents if one.incident_id == "crowd")
        assert (len(incidents), crowd.city, crowd.phase) == (2, XINJIN, "ended")


def test_a_database_of_abc6148_shows_both_cities(url: Any) -> None:
    with store_of(url("abc6148")) as store:
        incidents, cameras = shown(store)
        assert {one.city for one in incidents} == {XINJIN}
        found = [(one.city, one.camera.id, one.previous) for one in cameras]
        assert found == [
            (XINJIN, "gate-1", "offline"),
            (XINJIN, "yard", "online"),
            (DAYI, "gate-1", "online"),
        ]
        assert cameras[1].heard_at is not None
        with store.database.read() as connection:
            (kept,) = connection.execute(select(KEYFRAMES.c.city, KEYFRAMES.c.subjects)).all()
        assert (kept.city, "car" in kept.subjects) == (XINJIN, True)


def differences(connection: Any) -> list[Any]:
    """What a database lacks of the tables, but for indexes that are of no use to its kind."""
    found = compare_metadata(MigrationContext.configure(connection), METADATA)
    only_sqlite = {"incidents_listed", "incidents_grouped"}
    if connection.dialect.name == "sqlite":
        return list(found)
    return [one for one in found if one[0] != "add_index" or one[1].name not in only_sqlite]


@pytest.mark.parametrize("commit", OLD)
def test_what_was_there_is_found_by_what_is_new(url: Any, commit: str) -> None:
    at = url(commit)
    with store_of(at):
        pass
    found = rows_of(
        at, "incidents", "incident_id, city, level, zone, model, model_version, words, data"
    )
    assert found
    for _, _, level, zone, model, version, words, data in found:
        own = IncidentData.model_validate_json(data)
        assert (level, zone, words) == (LEVELS[own.severity], own.zone, words_of(own))
        assert (model, version) == (own.model.name, own.model.version)


@pytest.mark.parametrize("commit", [*OLD, ""])
def test_every_database_ends_with_the_same_tables(url: Any, commit: str, tmp_path: Path) -> None:
    at = url(commit) if commit else f"sqlite:///{tmp_path}/new.db"
    with store_of(at):
        pass
    with engine_of(at) as engine, engine.connect() as connection:
        assert differences(connection) == []
        keys = inspect(connection).get_pk_constraint("camera_states")["constrained_columns"]
        assert keys == ["camera", "city"]


@pytest.mark.parametrize("commit", OLD)
def test_the_programs_before_refuse_what_this_one_wrote(url: Any, commit: str) -> None:
    at = url(commit)
    with store_of(at) as store, store.database.read() as connection:
        # Theirs is 2: they refuse every other with a sentence.
        assert connection.scalars(select(SCHEMA.c.version)).all() == [3]


def test_a_newer_database_is_refused_with_a_sentence_and_left_alone(url: Any) -> None:
    at = url("abc6148")
    with store_of(at) as store, store.database.write() as connection:
        newest = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0042'"))
    before = rows_of(at, "events", EVENT_COLUMNS)
    expected = f"schema version 0042, this program knows {newest}: run the program that wrote it"
    with pytest.raises(DatabaseVersionError, match=expected), store_of(at):
        pass
    assert rows_of(at, "events", EVENT_COLUMNS) == before


def test_an_unknown_version_from_before_alembic_is_refused(tmp_path: Path) -> None:
    at = lite(tmp_path, "abc6148")
    with engine_of(at) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(DatabaseVersionError, match="schema version 99"), store_of(at):
        pass


KILLED = """
import os, sys
from sqlalchemy import event
from event_hub.store import EventStore
from sqlalchemy import Engine
left = int(sys.argv[2])
@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    if statement.lstrip().split()[0].upper() in ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE"):
        left -= 1
        if left == 0:
            os._exit(9)
EventStore(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("commit", OLD)
def test_a_crash_in_the_middle_leaves_a_database_that_migrates(url: Any, commit: str) -> None:
    at = url(commit)
    before = rows_of(at, "events", EVENT_COLUMNS)
    crashed = 0
    for step in (1, 9, 17, 30):
        command = [sys.executable, "-c", KILLED, at, str(step)]
        crashed += subprocess.run(command, timeout=60, check=False).returncode == 9
        assert rows_of(at, "events", EVENT_COLUMNS) == before
    assert crashed >= 3, "the migration has that many steps"
    with store_of(at) as store:
        incidents, _ = shown(store)
        assert len(incidents) == 2
    assert rows_of(at, "events", EVENT_COLUMNS) == before


@pytest.mark.slow
def test_the_scripts_are_part_of_the_package(tmp_path: Path) -> None:
    """A wheel holds what lies in the package: the copy works from anywhere."""
    root = Path(__file__).parents[2]
    for package in ("event_hub", "pipelines", "camera_adapters"):
        shutil.copytree(root / package, tmp_path / "a %(b)s" / package)
    code = "import sys; from event_hub.store import EventStore as E; E(sys.argv[1]).close()"
    done = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/hub.db"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "a %(b)s"), "PYTHONSAFEPATH": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
