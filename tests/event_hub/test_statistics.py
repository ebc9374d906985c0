"""What happened how often, where and when; on both servers, by the clock of a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.postgres_server import new_database
from event_hub.envelope import parse_event
from event_hub.retention import delete_old
from event_hub.settings import HubRetention
from event_hub.statistics import measured as measured_module
from event_hub.statistics.spans import TimeRange, begin_us, begins_us, spans
from event_hub.store import EventStore
from event_hub.tables import from_us, to_us
from tests.event_hub.conftest import Client, running
from tests.event_hub.samples import START, camera_state, dump, in_city, incident
from tests.event_hub.test_api import BATCH
from tests.event_hub.test_measurements import measured

CITY = "510118-Xinjin"
DAY = "since=2026-11-20T00:00:00%2B08:00&until=2026-11-21T00:00:00%2B08:00&time_zone=Asia/Shanghai"
GATE = {"id": "gate-1", "name": "Gate", "place": {"lon": 103.82, "lat": 30.41}}


def sample() -> list[dict[str, Any]]:
    """Incidents at 12:30, 13:30 and 13:40 by the clock of the city, and an hour and a half of flow.

    The first hour has 30 measurements of 10 to 39, the second 60 of 40 to 99, every fifth of a
    camera that could see for half of the minute only.
    """
    jam = incident("jam", severity="high", camera=GATE, opened_at=START)
    later = incident("later", zone="Yard", opened_at=START + timedelta(hours=1))
    bag = incident(
        "bag", 2, "ended", kind="littering.dropped_object", opened_at=START + timedelta(minutes=70)
    )
    flow = []
    for minute in range(90):
        watched = 30.0 if minute % 5 == 0 else 60.0
        coverage = {"requested_s": 60.0, "watched_s": watched, "able_s": watched, "gaps": {}}
        more: dict[str, Any] = {
            "line": "exit",
            "unit": "1/min",
            "value": 10.0 + minute,
            "coverage": coverage,
        }
        flow.append(measured(minute, kind="traffic.flow", **more))
    state = camera_state("cam-1") | {}
    state["data"]["camera"]["place"] = {"lon": 103.9, "lat": 30.5}
    return [in_city(one, CITY) for one in (jam, later, bag, state, *flow)]


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
def city(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A hub with the sample, each event sent twice, on each kind of server."""
    more = {}
    if request.param == "postgresql":
        more["database"] = new_database(request.getfixturevalue("postgres_server"))
    with running(tmp_path_factory.mktemp("city")) as start:
        client = start(**more)
        for _ in range(2):
            assert client.post(dump(sample()), {"Content-Type": BATCH}).status == 200
        yield client


def test_hours_go_by_the_clock_of_the_city(city: Client) -> None:
    answer = city.json(f"/api/statistics/timeline?{DAY}")
    totals = {one["begins_at"]: one["total"] for one in answer["buckets"]}
    assert len(totals) == 24
    assert {at: total for at, total in totals.items() if total} == {
        "2026-11-20T12:00:00+08:00": 1,
        "2026-11-20T13:00:00+08:00": 2,
    }
    (one,) = [one for one in answer["buckets"] if one["begins_at"].startswith("2026-11-20T13")]
    assert one["kinds"] == {"traffic.congestion": 1, "littering.dropped_object": 1}
    assert one["severities"] == {"medium": 2}


def test_days_and_filters(city: Client) -> None:
    query = "step=day&since=2026-11-19T00:00:00Z&until=2026-11-21T00:00:00Z&severity=high"
    buckets = city.json(f"/api/statistics/timeline?{query}")["buckets"]
    assert [one["total"] for one in buckets] == [0, 1]
    # In a zone that is ahead of UTC by a part of an hour.
    query = "since=2026-11-20T04:00:00Z&until=2026-11-20T06:00:00Z&time_zone=Asia/Kolkata"
    buckets = city.json(f"/api/statistics/timeline?{query}")["buckets"]
    assert [(one["begins_at"][11:], one["total"]) for one in buckets] == [
        ("09:00:00+05:30", 0),
        ("10:00:00+05:30", 1),
        ("11:00:00+05:30", 2),
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("kind", {"traffic.congestion": 2, "littering.dropped_object": 1}),
        ("camera", {"cam-1": 2, "gate-1": 1}),
        ("zone", {"Lane 2": 1, "Yard": 1}),
        ("model", {"street": 3}),
    ],
)
def test_groups_have_something_in_common(city: Client, by: str, expected: dict[str, int]) -> None:
    answer = city.json(f"/api/statistics/incidents?by={by}")
    assert answer["total"] == 3
    assert {one[by]: one["total"] for one in answer["groups"]}.items() >= expected.items()
    assert sum(one["open"] for one in answer["groups"]) == 2


def test_heat_is_where_cameras_stand(city: Client) -> None:
    places = {one["camera"]: one for one in city.json("/api/statistics/places")["places"]}
    assert (places["cam-1"]["lon"], places["cam-1"]["total"]) == (103.9, 2)
    # Nothing but an incident has told of this one.
    assert (places["gate-1"]["lat"], places["gate-1"]["name"]) == (30.41, "Gate")
    assert places["gate-1"]["severities"]["high"] == 1


def test_measurements_are_summed_up_by_the_hour(city: Client) -> None:
    answer = city.json(f"/api/statistics/measurements?kind=traffic.flow&{DAY}")
    (series,) = answer["series"]
    assert (series["line"], series["unit"], series["city"]) == ("exit", "1/min", CITY)
    first, second = series["points"]
    assert first["begins_at"] == "2026-11-20T12:00:00+08:00"
    assert (first["measurements"], first["least"], first["most"]) == (30, 10, 39)
    assert (second["measurements"], second["total"]) == (60, sum(range(40, 100)))
    weights = {minute: 30 if minute % 5 == 0 else 60 for minute in range(30)}
    assert first["watched_s"] == sum(weights.values())
    mean = sum((10 + minute) * weight for minute, weight in weights.items()) / 1620
    assert first["mean"] == pytest.approx(mean)


def test_measurements_are_found_by_place_and_by_the_day(city: Client) -> None:
    path = "/api/statistics/measurements?kind=traffic.flow&step=day"
    two_days = "since=2026-11-19T16:00:00Z&until=2026-11-21T00:00:00Z&time_zone=Asia/Shanghai"
    (series,) = city.json(f"{path}&camera=gate-1&line=exit&{two_days}")["series"]
    assert [one["measurements"] for one in series["points"]] == [90]
    assert city.json(f"{path}&line=other&{two_days}")["series"] == []
    assert city.json(f"/api/statistics/measurements?kind=coverage&{DAY}")["series"] == []


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("timeline?since=2026-01-01T00:00:00Z&until=2026-12-01T00:00:00Z", "since"),
        ("timeline?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("timeline?since=0001-01-01T00:00:00Z&until=0001-01-02T00:00:00Z&step=day", "since"),
        ("timeline?time_zone=../etc/passwd", "time_zone"),
        ("measurements?kind=traffic.flow&time_zone=Asia/Kolkata", "time_zone"),
        ("measurements", "kind"),
        ("incidents?by=colour", "by"),
        ("incidents?bye=kind", "bye"),
    ],
)
def test_what_cannot_be_counted_is_refused(city: Client, path: str, parameter: str) -> None:
    answer = city.get(f"/api/statistics/{path}")
    assert (answer.status, answer.json()["parameter"]) == (422, parameter)


def test_too_many_points_are_refused(city: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_module, "POINTS_MAX", 1)
    answer = city.get(f"/api/statistics/measurements?kind=traffic.flow&{DAY}")
    assert (answer.status, "more than 1 points" in answer.json()["detail"]) == (422, True)


def test_hours_stay_when_their_measurements_go_and_then_go_too(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/hub.db")
    store.add([parse_event(dump(measured(minute, kind="traffic.flow"))) for minute in range(3)])

    def hours() -> int:
        with store.database.read() as connection:
            return len(connection.exec_driver_sql("SELECT series FROM measured_hours").all())

    def after(days: int) -> int:
        limits = HubRetention(days=90, gigabytes=1e-9)
        return delete_old(
            store.database, limits, now=lambda: datetime.now(UTC) + timedelta(days=days), pause_s=0
        )

    assert (after(30), hours()) == (3, 1)
    after(91 + (datetime.now(UTC) - START).days)
    assert hours() == 0
    store.close()


ZONES = ["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 9 * 24 * 3600),
    st.sampled_from(["hour", "day"]),
    st.floats(0, 1, exclude_max=True),
)
def test_every_moment_lies_in_the_hour_and_day_of_its_clock(zone_name, since, seconds, step, share):
    zone = ZoneInfo(zone_name)
    within = TimeRange(since, since + timedelta(seconds=seconds))
    parts = spans(within, zone)
    assert parts[0].begin_us == to_us(since)
    assert all(one.end_us == later.begin_us for one, later in pairwise(parts))
    moment_us = to_us(since) + int(seconds * 1_000_000 * share)
    (span,) = [one for one in parts if one.begin_us <= moment_us < one.end_us]
    local = from_us(moment_us).astimezone(zone)
    assert timedelta(microseconds=span.offset_us) == local.utcoffset()
    length = 3600_000_000 if step == "hour" else 24 * 3600_000_000
    begin = begin_us((moment_us + span.offset_us) // length, step, span, zone)
    assert begin in begins_us(within, step, zone)
    shown = from_us(begin).astimezone(zone)
    if step == "hour":
        assert 0 <= moment_us - begin < length
        assert (shown.hour, shown.utcoffset()) == (local.hour, local.utcoffset()) or len(parts) > 1
    else:
        assert shown.date() == local.date()
