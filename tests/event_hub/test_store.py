import itertools
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from event_hub import queries
from event_hub.envelope import parse_event
from event_hub.errors import (
    DatabaseInUseError,
    DatabaseUrlError,
    StoreUnavailableError,
)
from event_hub.settings import HubRetention
from event_hub.sqlite_file import READERS
from event_hub.store import EventStore
from event_hub.tables import CAMERA_STATES, EVENTS, INCIDENTS, KEYFRAMES
from tests.event_hub.samples import START, camera_state, dump, incident, keyframe, picture
from tests.levels import scaled


@contextmanager
def opened(path: Path) -> Iterator[EventStore]:
    store = EventStore(f"sqlite:///{path}/hub.db")
    try:
        yield store
    finally:
        store.close()


def add(store: EventStore, *events: dict[str, Any]) -> tuple[int, int]:
    outcome = store.add([parse_event(dump(event)) for event in events])
    return outcome.stored, outcome.duplicates


def test_a_repeated_event_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert add(store, incident()) == (1, 0)
        before = store.version
        assert add(store, incident(), incident()) == (0, 2)
        assert store.version == before
        with store.database.read() as connection:
            assert queries.health(connection, HubRetention()).events == 1


def test_the_same_id_from_another_source_is_another_event(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert add(store, incident(), incident() | {"source": "/cityeye/worker-2"}) == (2, 0)


def test_the_received_bytes_are_kept_exactly(tmp_path: Path) -> None:
    body = dump(incident(zone="广场 ☂")).replace(b'"id":', b'  "extension": 1,\n "id" :', 1)
    with opened(tmp_path) as store:
        store.add([parse_event(body)])
        with store.database.read() as connection:
            assert connection.scalar(select(EVENTS.c.body)) == body


def test_events_survive_a_restart_and_positions_go_on(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        add(store, incident("a"), incident("b"))
    with opened(tmp_path) as store:
        add(store, incident("c"))
        with store.database.read() as connection:
            page = queries.event_page(connection, after=1, limit=10)
    assert [(e.position, e.event["id"]) for e in page.events] == [(2, "b-1"), (3, "c-1")]


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    good = parse_event(dump(incident()))
    broken = parse_event(dump(incident("b")))
    object.__setattr__(broken.event, "sequence", ["no", "text"])
    with opened(tmp_path) as store:
        with pytest.raises(StoreUnavailableError, match="bind"):
            store.add([good, broken])
        assert add(store, incident()) == (1, 0)


LIFE = [
    incident(revision=1, keyframes=[keyframe("kf/a.jpg", picture(), state="pending")]),
    incident(
        revision=2,
        phase="updated",
        subjects=[],
        severity="high",
        keyframes=[keyframe("kf/a.jpg", picture()), keyframe("kf/b.jpg", picture(), "peak")],
    ),
    incident(revision=3, phase="ended", subjects=[], keyframes=[keyframe("kf/a.jpg", picture())]),
    # A producer that reuses a revision: the sequence decides.
    incident(revision=3, phase="ended", end_reason="recovered")
    | {"id": "again", "sequence": "000000000009"},
    camera_state(number=1),
    camera_state(number=2, state="offline", at=START + timedelta(seconds=5)),
    camera_state(number=3, state="degraded", at=START + timedelta(seconds=5)),
]


def projections(deliveries: list[list[dict[str, Any]]]) -> list[list[tuple[Any, ...]]]:
    with TemporaryDirectory() as folder, opened(Path(folder)) as store:
        for delivery in deliveries:
            add(store, *delivery)
        with store.database.read() as connection:
            tables = []
            for table in (INCIDENTS, KEYFRAMES, CAMERA_STATES):
                columns = [column for column in table.c if column.name != "received_us"]
                rows = connection.execute(select(*columns).order_by(columns[0])).all()
                tables.append([tuple(row) for row in rows])
            return tables


IN_ORDER = projections([[event] for event in LIFE])


def test_the_projections_hold_the_newest_state() -> None:
    incidents, keyframes, cameras = IN_ORDER
    assert len(incidents) == 1
    assert '"recovered"' in incidents[0][-1]
    # A picture keeps the subjects of the event that brought it.
    assert [("car" in row[-1]) for row in keyframes] == [True, False]
    assert cameras[0][-2] == "degraded"


@settings(max_examples=scaled(25), deadline=None)
@given(st.data())
def test_order_duplicates_and_batches_do_not_matter(data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(LIFE))))
    repeats = data.draw(st.lists(st.integers(0, len(LIFE) - 1), max_size=6))
    events = [LIFE[index] for index in [*order, *repeats]]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    bounds = itertools.pairwise([0, *cuts, len(events)])
    assert projections([events[a:b] for a, b in bounds]) == IN_ORDER


def test_a_second_hub_is_kept_away_from_the_file(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        add(store, incident())
        script = (
            "import sys; from event_hub.store import EventStore; "
            "from event_hub.errors import DatabaseInUseError\n"
            "try: EventStore(sys.argv[1])\n"
            "except DatabaseInUseError as error: sys.exit(str(error))"
        )
        second = subprocess.run(
            [sys.executable, "-c", script, f"sqlite:///{tmp_path}/hub.db"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "another hub uses" in second.stderr
        with pytest.raises(DatabaseInUseError):
            EventStore(f"sqlite:///{tmp_path}/hub.db")
    with opened(tmp_path):
        pass


def test_the_file_is_in_wal_mode_and_its_readers_cannot_write(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with store.database.write() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        with store.database.read() as connection, pytest.raises(OperationalError, match="readonly"):
            connection.exec_driver_sql("CREATE TABLE t (x)")
    with closing(sqlite3.connect(tmp_path / "hub.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_one_reader_fills_one_cache(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with ExitStack() as together:
            for _ in range(READERS):
                together.enter_context(store.database.read())
        used = set()
        for _ in range(2 * READERS):
            with store.database.read() as connection:
                used.add(connection.connection.driver_connection)
        assert len(used) == 1


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "hunter2", "sqlite:///hunter2.db?mode=ro", "postgresql+nope://me:hunter2@h/db"],
)
def test_a_useless_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        EventStore(url)
    assert "hunter2" not in str(caught.value)
