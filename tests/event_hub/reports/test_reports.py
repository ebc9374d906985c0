"""The daily and the weekly report: each number is what happened, and what is not known is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from event_hub.case_tables import CASE_ACTIONS, CASES
from event_hub.envelope import parse_event
from event_hub.people.visible import ALL
from event_hub.reports.period import ReportPeriod, report_period
from event_hub.reports.report import city_report
from event_hub.store import EventStore
from event_hub.tables import to_us
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.console.measured import measured
from tests.event_hub.people import send
from tests.event_hub.samples import dump, heartbeat, in_city, incident

SHANGHAI = ZoneInfo("Asia/Shanghai")
CITY = "510118-Xinjin"
NOW = datetime.now(UTC)
LATE = NOW.astimezone(SHANGHAI).hour >= 20
"""In Shanghai, the day may end before these tests do."""
ZONE = ZoneInfo("America/Bogota") if LATE else SHANGHAI
"""A place whose day lasts for four hours at least; neither has daylight saving time."""
YESTERDAY = NOW.astimezone(ZONE).date() - timedelta(days=1)
NOON = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, 12, tzinfo=ZONE).astimezone(UTC)
GATE: dict[str, Any] = {"id": "gate-1", "name": "North Gate", "place": {}}
YARD: dict[str, Any] = {"id": "yard", "name": "Yard", "place": {}}


@pytest.fixture
def hub(start_hub: StartHub) -> Client:
    """A day with three incidents, one on the day before, and a camera that is blind at times."""
    client = start_hub(silence_limit_s=3600)
    day = timedelta(days=1)
    events = [
        incident("jam", camera=GATE, severity="high", opened_at=NOON),
        incident("bag", camera=YARD, kind="littering.dropped_object", opened_at=NOON),
        incident("crowd", camera=YARD, kind="crowding.density", opened_at=NOON + day / 4),
        incident("old", camera=GATE, opened_at=NOON - day),
        # Midnight of the city, not of UTC, is where a day ends.
        incident("next", camera=GATE, opened_at=NOON + day / 2),
    ]
    beat = heartbeat({"gate-1": "online", "yard": "offline"})
    beat["data"]["cameras"][0]["camera"] = GATE
    beat["data"]["cameras"][1]["camera"] = YARD
    first = NOON - timedelta(hours=12)
    for hour in range(24):
        at = first + timedelta(hours=hour)
        events.append(measured("coverage", GATE, at, 60.0, unit="s"))
        if hour < 20:
            able_s = 0.0 if hour < 4 else 60.0
            events.append(measured("coverage", YARD, at, able_s, unit="s", able_s=able_s))
    for event in [*events, beat]:
        assert client.post(in_city(event, CITY)).status == 200
    return client


def report(hub: Client, **query: str) -> dict[str, Any]:
    wanted = {"time_zone": ZONE.key, "date": YESTERDAY.isoformat(), **query}
    found: dict[str, Any] = hub.json("/api/report", **wanted)
    return found


def test_a_day_is_counted_by_the_clock_of_the_city(hub: Client) -> None:
    found = report(hub)
    assert (found["total"], found["total_before"]) == (3, 1)
    assert found["is_over"] is True
    kinds = {one["code"]: (one["count"], one["before"]) for one in found["kinds"]}
    assert kinds == {
        "traffic.congestion": (1, 1),
        "littering.dropped_object": (1, 0),
        "crowding.density": (1, 0),
    }
    cameras = [(one["name"], one["count"], one["before"]) for one in found["cameras"]]
    assert cameras == [("Yard", 2, 0), ("North Gate", 1, 1)]
    severities = {one["code"]: one["count"] for one in found["severities"]}
    assert severities == {"critical": 0, "high": 1, "medium": 2, "low": 0}
    # The same without a date, and today has what came after midnight.
    assert hub.json("/api/report", time_zone=ZONE.key)["total"] == 3
    today = report(hub, date=(YESTERDAY + timedelta(days=1)).isoformat())
    assert (today["total"], today["total_before"], today["is_over"]) == (1, 3, False)


def test_case_work_is_counted_as_people_did_it(hub: Client) -> None:
    assert report(hub)["cases"] == {
        "confirmed": 0, "dispatched": 0, "resolved": 0, "false_alarms": 0, "undecided": 3,
        "first_action_s": None, "limits_passed": 0,
    }  # fmt: skip
    wrong = {"revision": 0, "reason": "nothing_there"}
    for name, verb, body in (
        ("jam", "confirm", {"revision": 0}),
        ("jam", "resolve", {"revision": 1}),
        ("bag", "false-alarm", wrong),
        ("old", "dispatch", {"revision": 0, "to": "team 3"}),
    ):
        assert send(hub, "POST", f"/api/incidents/{name}/{verb}", body).status == 200
    for state, names in (("resolved", ["jam"]), ("false_alarm", ["bag"]), ("dispatched", ["old"])):
        listed = hub.json("/api/incidents", case=state)["incidents"]
        assert [one["incident_id"] for one in listed] == names
    assert hub.json("/api/incident-counts", case="new")["total"] == 2
    found = report(hub)
    cases = found["cases"]
    assert (cases["confirmed"], cases["resolved"], cases["dispatched"]) == (1, 1, 0)
    assert (cases["false_alarms"], cases["undecided"]) == (1, 1)
    first = [
        datetime.fromisoformat(hub.json(f"/api/incidents/{name}/case")["history"][0]["at"]) - NOON
        for name in ("jam", "bag")
    ]
    assert cases["first_action_s"] == pytest.approx(median(one.total_seconds() for one in first))
    before = found["cases_before"]
    assert (before["confirmed"], before["dispatched"], before["undecided"]) == (1, 1, 0)
    rows = {(one["camera"], one["kind"]): one["precision"] for one in found["precision"]}
    assert rows == {
        ("gate-1", "traffic.congestion"): 1.0,
        ("yard", "littering.dropped_object"): 0.0,
    }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(f"sqlite:///{tmp_path}/reports.db")
    yield opened
    opened.close()


def test_a_blind_camera_says_for_how_long(hub: Client) -> None:
    (yard,) = report(hub)["blind"]
    assert (yard["name"], yard["blind_s"]) == ("Yard", 240.0)
    assert yard["requested_s"] == 1200.0
    # Four hours in which nothing was reported of it; it was known before.
    assert yard["unheard_s"] == 4 * 3600.0
    assert report(hub, date=(YESTERDAY - timedelta(days=9)).isoformat())["blind"] == []


def test_the_file_needs_nothing_else_and_speaks_both_languages(hub: Client) -> None:
    query = {"time_zone": ZONE.key, "date": YESTERDAY.isoformat()}
    answer = hub.get("/api/report.html", language="zh", **query)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert f"cityeye-day-{YESTERDAY}.html" in answer.headers["Content-Disposition"]
    html = answer.data.decode()
    assert "日报" in html
    assert "North Gate" in html
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org/", "")
    weekly = hub.get("/api/report.html", language="en", period="week", **query).data.decode()
    assert "Weekly report" in weekly


def test_names_that_people_gave_cannot_make_markup(start_hub: StartHub) -> None:
    client = start_hub()
    camera = {"id": "x", "name": "<script>alert(1)</script>", "place": {}}
    client.post(in_city(incident("jam", camera=camera, opened_at=NOON), CITY))
    html = client.get(
        "/api/report.html", date=YESTERDAY.isoformat(), time_zone=ZONE.key
    ).data.decode()
    assert "<script" not in html


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"period": "month"}, "period"),
        ({"date": "2026-13-01"}, "date"),
        ({"date": "0001-01-01"}, "date"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"language": "fr"}, "language"),
    ],
)
def test_what_there_is_not_is_refused(hub: Client, query: dict[str, str], parameter: str) -> None:
    answer = hub.get("/api/report.html", **query)
    assert (answer.status, answer.json()["parameter"]) == (422, parameter)


def test_what_the_hub_does_not_have_any_more_is_said(hub: Client) -> None:
    html = hub.get(
        "/api/report.html", language="en", date="2026-01-05", time_zone=ZONE.key
    ).data.decode()
    assert "incidents may be missing" in html


def test_a_week_begins_on_monday_and_a_day_may_have_23_hours() -> None:
    now = datetime(2026, 11, 26, 4, tzinfo=UTC)
    week = report_period("week", None, SHANGHAI, now)
    assert (week.first, week.last) == (date(2026, 11, 16), date(2026, 11, 22))
    assert week.since == datetime(2026, 11, 15, 16, tzinfo=UTC)
    assert week.before.until == week.since
    short = ReportPeriod("day", date(2026, 3, 29), ZoneInfo("Europe/Berlin"))
    assert short.until - short.since == timedelta(hours=23)


def test_a_limit_that_passed_is_counted_once_and_is_no_action(store: EventStore) -> None:
    store.add([parse_event(dump(in_city(incident("jam", camera=GATE, opened_at=NOON), CITY)))])
    at_us = to_us(NOON) + 600_000_000
    case = {"case_id": "c", "city": CITY, "lead": "jam", "state": "new", "revision": 2}
    with store.database.write() as connection:
        connection.execute(insert(CASES).values(**case, changed_us=at_us))
        for number in (1, 2):
            step = {"case_id": "c", "number": number, "at_us": at_us, "action": "escalated"}
            words = dict.fromkeys(("actor_id", "actor", "role", "reason", "assignee"), "")
            more = {"previous": "new", "state": "new", "text": "", "detail": "{}"}
            connection.execute(insert(CASE_ACTIONS).values(step | words | more))
    with store.database.read() as connection:
        period = ReportPeriod("day", YESTERDAY, ZONE)
        found = city_report(connection, period, [], NOW, ALL).cases
    assert (found.limits_passed, found.first_action_s) == (1, None)
