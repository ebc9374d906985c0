"""Case work means the same on PostgreSQL."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.event_hub.cases.conftest import actor
from tests.event_hub.conftest import StartHub
from tests.event_hub.samples import incident

SOON = {"limits": {"high": {"decide_minutes": 0.001}}, "escalate_to": ["shift leader"]}


@pytest.mark.integration
def test_cases_mean_the_same_on_postgresql(start_hub: StartHub, postgres: str) -> None:
    hub = start_hub(database=postgres, cases=SOON)
    act = actor(hub)
    for name in ("i-1", "i-2", "i-3"):
        hub.post(incident(name))
    hub.post(incident("late", opened_at=datetime.now(UTC) + timedelta(seconds=1), severity="high"))
    act("confirm", revision=0)
    joined = act("join", revision=1, incident="i-2")[1]
    assert [one["incident_id"] for one in joined["incidents"]] == ["i-1", "i-2"]
    assert act("split", "i-2", revision=2)[0] == 200
    act("false-alarm", "i-3", revision=0, reason="allowed")
    (row,) = hub.json("/api/precision")["rows"]
    assert (row["real"], row["false_alarms"]) == (1, 1)
    assert hub.get("/api/disputed.zip").status == 200
    assert hub.json("/api/incidents/i-2/recurrence")["count"] == 1
    for state, count in (("confirmed", 1), ("false_alarm", 1), ("resolved", 0)):
        assert len(hub.json("/api/cases", state=state)["cases"]) == count
    end_s = time.monotonic() + 20
    while not (late := hub.json("/api/cases", overdue="true")["cases"]):
        assert time.monotonic() < end_s
        time.sleep(0.1)
    assert late[0]["due"]["escalated_to"] == "shift leader"
    page = hub.json("/api/cases", limit="2", overdue="false")
    rest = hub.json("/api/cases", limit="9", overdue="false", before=page["next_before"])
    assert len(page["cases"]) + len(rest["cases"]) == 3
