"""A time limit that passes warns each of those who are named once, and only of what is open."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from event_hub.case_settings import CaseSettings
from event_hub.case_tables import CASES, HUB
from event_hub.cases.case_work import CaseWork
from event_hub.cases.limit_watch import LimitWatch
from event_hub.cases.orders import CaseOrder, DispatchOrder, FalseAlarmOrder
from event_hub.cases.reading import CaseFilter, case_page
from event_hub.cases.time_limits import TimeLimits
from event_hub.queries import EventFilter, event_page
from event_hub.store import EventStore
from tests.event_hub.cases.conftest import actor
from tests.event_hub.cases.test_forgetting import ANN, row_of
from tests.event_hub.conftest import StartHub
from tests.event_hub.samples import incident
from tests.event_hub.test_store import add

SETTINGS = CaseSettings.model_validate(
    {
        "limits": {
            "medium": {"decide_minutes": 100, "resolve_minutes": 600},
            "high": {"decide_minutes": 10},
        },
        "escalate_to": ["shift leader", "district office"],
    }
)
LIMITS = TimeLimits(SETTINGS)
NOW = datetime.now(UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the test: a run of all tests takes longer than some of the limits."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


@pytest.fixture
def watch(store: EventStore) -> LimitWatch:
    """Of a hub that has had limits for ever."""
    made = LimitWatch(store, LIMITS)
    made.check()
    with store.database.write() as connection:
        connection.execute(update(HUB).values(limits_since_us=0))
    return made


def warnings(store: EventStore) -> list[tuple[str, str, int]]:
    """Incident, receiver and stage of each."""
    with store.database.read() as connection:
        page = event_page(connection, 0, 200, EventFilter(type="cityeye.case.escalated"))
    data = [one.event["data"] for one in page.events]
    return [(d["incidents"][0]["incident_id"], d["to"], d["limit"]["stage"]) for d in data]


def listed(store: EventStore, **wanted: Any) -> Any:
    with store.database.read() as connection:
        return case_page(connection, CaseFilter(**wanted), LIMITS, 50).cases


def test_nobody_decides_and_each_is_warned_once(store: EventStore, watch: LimitWatch) -> None:
    add(store, incident("late", opened_at=ago(110)), incident("fresh", opened_at=ago(90)))
    add(store, incident("urgent", opened_at=ago(15), severity="high"))
    add(store, incident("over", 2, "ended", opened_at=ago(110)))
    add(store, incident("low", opened_at=ago(500), severity="low"))
    assert watch.check() == 2
    expected = [("late", "shift leader", 1), ("urgent", "shift leader", 1)]
    assert sorted(warnings(store)) == expected
    assert [watch.check(), LimitWatch(store, LIMITS).check()] == [0, 0]
    late = next(one for one in listed(store, overdue=True) if one.due.due_at == ago(10))
    assert (late.state, late.due.is_passed, late.due.escalated_to) == ("new", True, "shift leader")
    assert late.last.by.role == "system"
    with store.database.write() as connection:
        same = CASES.c.lead == "late"
        connection.execute(
            update(CASES).where(same).values(clock_us=CASES.c.clock_us - 6_000_000_000)
        )
    assert watch.check() == 1
    assert warnings(store)[-1] == ("late", "district office", 2)
    assert watch.check() == 0
    assert len(listed(store, overdue=False)) == 3


def test_a_warning_is_no_change_for_who_is_deciding(store: EventStore, watch: LimitWatch) -> None:
    add(store, incident(opened_at=ago(110)))
    assert watch.check() == 1
    work = CaseWork(store, LIMITS)
    done = work.act(row_of(store, "i-1"), "confirmed", CaseOrder(revision=0), ANN)
    assert (done.state, done.revision, done.due and done.due.stage) == ("confirmed", 2, 0)
    again = work.act(row_of(store, "i-1"), "confirmed", CaseOrder(revision=0), ANN)
    assert again.revision == 2


def test_what_is_sent_out_has_to_come_back(store: EventStore, watch: LimitWatch) -> None:
    add(store, incident(opened_at=ago(50)), incident("b", opened_at=ago(50)))
    work = CaseWork(store, LIMITS)
    work.act(row_of(store, "i-1"), "dispatched", DispatchOrder(revision=0, to="team"), ANN)
    work.act(row_of(store, "b"), "false_alarm", FalseAlarmOrder(revision=0, reason="allowed"), ANN)
    add(store, incident(revision=2, phase="ended", opened_at=ago(50)))
    assert watch.check() == 0
    with store.database.write() as connection:
        connection.execute(update(CASES).values(clock_us=CASES.c.clock_us - 36_600_000_000))
    assert watch.check() == 1
    ((_, receiver, _),) = warnings(store)
    (case,) = listed(store, state="dispatched")
    assert (case.due.name, case.to, receiver) == ("resolve", "team", "shift leader")
    done = work.act(row_of(store, "i-1"), "resolved", CaseOrder(revision=1), ANN)
    assert (done.due, watch.check(), listed(store, overdue=True)) == (None, 0, [])


def test_limits_that_are_new_warn_of_nothing_old(store: EventStore) -> None:
    add(store, incident(opened_at=ago(1000)))
    watch = LimitWatch(store, LIMITS)
    assert watch.check() == 0
    (case,) = listed(store)
    assert case.due is None
    none = TimeLimits(CaseSettings())
    assert LimitWatch(store, none).check() == 0
    with store.database.read() as connection:
        assert none.since_us(connection) is None


def test_a_hub_warns_by_itself_and_not_again_after_a_restart(
    start_hub: StartHub, tmp_path: Path
) -> None:
    settings = {"limits": {"medium": {"decide_minutes": 0.001}}}
    hub = start_hub(database=f"sqlite:///{tmp_path}/own.db", cases=settings)
    hub.post(incident(opened_at=datetime.now(UTC) + timedelta(seconds=1)))
    deadline_s = time.monotonic() + 30
    while not hub.json("/api/cases", overdue="true")["cases"]:
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    status, done = actor(hub)("confirm", revision=0)
    assert (status, [one["action"] for one in done["history"]]) == (200, ["escalated", "confirmed"])
