"""Taking events in and letting old ones go reads no large table as a whole.

Else a hub is slower the more it keeps, which shows with a million events and not with the few of a
test: so SQLite is asked how it would find what each statement names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from sqlalchemy import Engine, event

from event_hub.incidents.counts import incident_counts
from event_hub.incidents.filter import IncidentFilter
from event_hub.people.visible import Visible
from event_hub.retention import delete_old
from event_hub.statistics.incidents import Shared, groups
from event_hub.store import EventStore
from tests.event_hub.samples import START, camera_state, keyframe, picture
from tests.event_hub.test_measurements import measured
from tests.event_hub.test_retention import MONTH, arrived, life
from tests.event_hub.test_store import add, opened

LARGE: Final = {"events", "incidents", "measurements", "keyframes", "measured_hours"}
Statements = list[tuple[str, Any]]


@contextmanager
def noted() -> Iterator[Statements]:
    """What is run meanwhile on any database of this process, with parameters of the first row."""
    found: Statements = []

    def note(_one: Any, _cursor: Any, statement: str, values: Any, _of: Any, many: bool) -> None:
        found.append((statement, values[0] if many else values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def whole_reads(store: EventStore, statements: Statements) -> list[tuple[str, str]]:
    """Large tables that statements would read from the first row on, with the statement."""
    found = []
    with store.database.read() as connection:
        for statement, values in statements:
            if not statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                continue
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
                verb, _, rest = row.detail.partition(" ")
                if verb == "SCAN" and rest.split()[0] in LARGE:
                    found.append((row.detail, statement))
    return found


def plans(store: EventStore, statements: Statements) -> list[str]:
    """How each statement that groups incidents finds them."""
    grouping = [one for one in statements if "GROUP BY" in one[0] and "FROM incidents" in one[0]]
    with store.database.read() as connection:
        return [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()[0].detail
            for statement, values in grouping
        ]


def deliver(store: EventStore, name: str) -> None:
    shown = [keyframe(f"kf/{name}.jpg", picture())]
    events = [camera_state(number=1), *life(name, keyframes=shown)]
    add(store, *events, *(measured(minute=minute) for minute in range(3)))


def test_a_table_that_is_read_as_a_whole_is_found(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        pairs = "SELECT sha256 FROM events WHERE (source, event_id) IN (VALUES (?, ?), (?, ?))"
        assert whole_reads(store, [(pairs, tuple("abcd"))]) == [("SCAN events", pairs)]
        one = "SELECT sha256 FROM events WHERE source = ? AND event_id = ?"
        assert whole_reads(store, [(one, ("a", "b"))]) == []


@pytest.mark.parametrize("times", [1, 2])
def test_events_that_come_are_looked_up_in_an_index(tmp_path: Path, times: int) -> None:
    with opened(tmp_path) as store:
        deliver(store, "first")
        with noted() as statements:
            for _ in range(times):
                deliver(store, "second")
                add(store, *life("alone")[:1])
        assert len(statements) > 10
        assert whole_reads(store, statements) == []


def test_old_events_are_found_in_an_index(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with arrived(store, 31):
            deliver(store, "old")
            add(store, *life("older", keyframes=[keyframe("kf/older.jpg", picture())]))
        deliver(store, "young")
        with noted() as statements:
            assert delete_old(store.database, MONTH, pause_s=0) > 3
        assert whole_reads(store, statements) == []


MONTH_AGO, NOW = START - timedelta(days=30), START + timedelta(days=1)
FILTERS = (
    IncidentFilter(),
    IncidentFilter(severity="high"),
    IncidentFilter(camera=["gate-1"], severity="high"),
    IncidentFilter(kind=["crowding.density"], zone=["square"]),
    IncidentFilter(state="ended", since=MONTH_AGO, until=NOW),
    IncidentFilter(model="street", text="square 31"),
    IncidentFilter(sees=Visible((("gate-1", "", ""), ("yard-*", "", "")))),
)


@pytest.mark.parametrize("wanted", FILTERS)
def test_incidents_are_counted_in_an_index_alone(tmp_path: Path, wanted: IncidentFilter) -> None:
    with opened(tmp_path) as store:
        deliver(store, "first")
        with noted() as statements, store.database.read() as connection:
            incident_counts(connection, wanted)
            for shared in get_args(Shared):
                groups(connection, wanted, shared)
        found = plans(store, statements)
        assert len(found) == 1 + len(get_args(Shared))
        assert [one for one in found if "USING COVERING INDEX" not in one] == []
