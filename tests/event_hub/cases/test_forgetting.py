"""Retention leaves alone what somebody works on, and takes finished cases with their incidents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from event_hub import queries
from event_hub.case_settings import CaseSettings
from event_hub.case_tables import CASE_ACTIONS, CASE_INCIDENTS, CASES
from event_hub.cases.case_work import CaseWork
from event_hub.cases.kept import CaseActor
from event_hub.cases.orders import CaseOrder, DispatchOrder
from event_hub.cases.time_limits import TimeLimits
from event_hub.retention import DAY_US, delete_old
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from event_hub.tables import EVENTS
from tests.event_hub.cases.conftest import Act
from tests.event_hub.conftest import Client
from tests.event_hub.samples import incident, keyframe, picture
from tests.event_hub.test_evidence import put
from tests.event_hub.test_store import add

ANN = CaseActor("1", "Ann", "operator")


def row_of(store: EventStore, incident_id: str) -> Any:
    with store.database.read() as connection:
        return queries.incident_rows(connection, incident_id)[0]


def counts(store: EventStore) -> list[int | None]:
    with store.database.read() as connection:
        tables = (EVENTS, CASES, CASE_INCIDENTS, CASE_ACTIONS)
        return [connection.scalar(select(func.count()).select_from(one)) for one in tables]


def grow_old(store: EventStore) -> int:
    with store.database.write() as connection:
        connection.execute(update(EVENTS).values(received_us=EVENTS.c.received_us - 400 * DAY_US))
    return delete_old(store.database, HubRetention(), pause_s=0)


def test_unfinished_cases_stay_and_finished_ones_go(store: EventStore) -> None:
    for name in ("a", "b"):
        add(store, incident(name), incident(name, 2, "ended"))
    add(store, incident("c", 2, "ended"))
    work = CaseWork(store, TimeLimits(CaseSettings()))
    work.act(row_of(store, "a"), "dispatched", DispatchOrder(revision=0, to="team"), ANN)
    work.act(row_of(store, "b"), "confirmed", CaseOrder(revision=0), ANN)
    work.act(row_of(store, "b"), "resolved", CaseOrder(revision=1), ANN)
    assert counts(store) == [8, 2, 2, 3]
    assert grow_old(store) == 5
    assert counts(store) == [3, 1, 1, 1]
    done = work.act(row_of(store, "a"), "resolved", CaseOrder(revision=1), ANN)
    assert done.state == "resolved"
    assert grow_old(store) == 4
    assert counts(store) == [0, 0, 0, 0]


def test_what_shows_a_person_goes_from_a_case_too(hub: Client, act: Act, tmp_path: Path) -> None:
    key = "kf-30d/v1/2026/11/20/cam-1/04/a.jpg"
    put(tmp_path / "kf", key, picture())
    hub.post(incident(revision=2, phase="updated", keyframes=[keyframe(key, picture())]))
    act("confirm", revision=0)
    order = {"incidents": ["i-1"], "reason": "a person on it asked for it"}
    answer = hub.http.request("POST", f"{hub.url}/api/deletions", json=order)
    assert answer.status == 200, answer.data
    assert hub.get(f"/api/keyframes/{key}").status == 404
