"""Incidents as people search for them: filters, orders, pages, counts, files; on both servers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.postgres_server import new_database
from event_hub.incidents import export, routes
from tests.event_hub.conftest import Client, running
from tests.event_hub.samples import START, dump, in_city, incident
from tests.event_hub.test_api import BATCH

GATE = {"id": "gate-1", "name": "北门路口", "place": {"lon": 103.82, "lat": 30.41}}
YARD = {"id": "yard", "name": "=cmd()", "place": {}}
WIDE = "".join(chr(ord(digit) + 0xFEE0) for digit in "06010")
"""As a Chinese keyboard may write it."""
RUBBISH = {"code": "06010", "table": "made up 1", "zh": "暴露垃圾", "en": "Exposed rubbish"}


def sample() -> list[dict[str, Any]]:
    """Six incidents, a minute between their openings; `jam-2` and `bag` have ended."""
    street, other = {"name": "street", "version": "2"}, {"name": "other", "version": "2"}
    return [
        incident("jam-1", severity="high", camera=GATE, zone="Lane 1", opened_at=minute(0)),
        ended("jam-2", severity="critical", camera=GATE, zone="Lane 2", opened_at=minute(1)),
        incident("jam-3", severity="high", camera=YARD, zone="Lane 2", opened_at=minute(2)),
        ended(
            "bag", kind="littering.dropped_object", camera=YARD, opened_at=minute(3), model=other
        ),
        incident(
            "bin",
            kind="littering.bin_overflow",
            severity="low",
            camera=YARD,
            zone="100%_full",
            case=RUBBISH,
            opened_at=minute(4),
        ),
        incident("crowd", kind="crowding.density", camera=GATE, model=street, opened_at=minute(5)),
    ]


def minute(number: int) -> Any:
    return START + timedelta(minutes=number)


def ended(incident_id: str, **data: Any) -> dict[str, Any]:
    return incident(incident_id, revision=2, phase="ended", **data)


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
def city(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A hub with the sample, on each kind of server."""
    more = {}
    if request.param == "postgresql":
        more["database"] = new_database(request.getfixturevalue("postgres_server"))
    with running(tmp_path_factory.mktemp("city")) as start:
        client = start(**more)
        body = dump([in_city(one, "510118-Xinjin") for one in sample()])
        assert client.post(body, {"Content-Type": BATCH}).status == 200
        yield client


def listed(client: Client, query: str = "") -> list[str]:
    page = client.json(f"/api/incidents?{query}")
    return [one["incident_id"] for one in page["incidents"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "crowd bin bag jam-3 jam-2 jam-1"),
        ("state=open", "crowd bin jam-3 jam-1"),
        ("kind=littering.bin_overflow&kind=littering.dropped_object", "bin bag"),
        ("camera=gate-1&camera=nothing", "crowd jam-2 jam-1"),
        ("zone=Lane%202&severity=high", "jam-3 jam-2"),
        ("severity=low&state=ended", "bag jam-2"),
        ("model=other", "bag"),
        ("model=street&model_version=2", "crowd"),
        ("city=510118-Xinjin&held=false&kind=crowding.density", "crowd"),
        ("city=other", ""),
        ("case=new&state=ended", "bag jam-2"),
        ("case=confirmed", ""),
        ("since=2026-11-20T12:32:00%2B08:00&until=2026-11-20T04:34:00Z", "bag jam-3"),
        ("text=LANE%202", "crowd bag jam-3 jam-2"),
        ("text=北门&severity=high", "jam-2 jam-1"),
        (f"text={WIDE}", "bin"),
        ("text=rubbish%20exposed", "bin"),
        ("text=100%25_", "bin"),
        ("text=0%25f", ""),
        ("text=mean_speed_mps%200.4&kind=crowding.density", "crowd"),
        ("text='%20OR%201=1", ""),
        ("order=worst", "jam-1 jam-3 crowd bin jam-2 bag"),
        ("order=worst&state=ended", "jam-2 bag"),
    ],
)
def test_what_is_meant_is_listed_in_order(city: Client, query: str, expected: str) -> None:
    assert " ".join(listed(city, query)) == expected


@pytest.mark.parametrize("order", ["newest", "worst"])
def test_pages_of_each_order_hold_every_incident_once(city: Client, order: str) -> None:
    seen: list[str] = []
    before: str | None = None
    for _ in range(6):
        more = {"before": before} if before else {}
        page = city.json("/api/incidents", order=order, limit="1", **more)
        seen += [one["incident_id"] for one in page["incidents"]]
        before = page["next_before"]
    assert before is None
    assert seen == listed(city, f"order={order}")


def test_an_end_of_one_order_is_refused_by_the_other(city: Client) -> None:
    end = city.json("/api/incidents", limit="1")["next_before"]
    for wrong in ({"before": end, "order": "worst"}, {"before": end + "."}, {"before": "n.x.a.b"}):
        answer = city.get("/api/incidents", **wrong)
        assert (answer.status, answer.json()["parameter"]) == (422, "before")


@pytest.mark.parametrize(
    "query",
    ["severity=awful", "order=best", "since=2026-11-20", "text=%00", "kind=a%00", "camera=" * 101],
)
def test_what_no_filter_takes_is_refused(city: Client, query: str) -> None:
    assert city.get(f"/api/incidents?{query.replace('camera=', 'camera=a&')}").status == 422


def test_counts_go_by_severity_and_kind(city: Client) -> None:
    counts = city.json("/api/incident-counts")
    assert (counts["total"], counts["open"]) == (6, 4)
    assert counts["severities"] == {"low": 1, "medium": 2, "high": 2, "critical": 1}
    assert counts["kinds"]["traffic.congestion"] == 3
    assert city.json("/api/incident-counts?severity=high&state=open")["total"] == 2
    assert city.json("/api/incident-counts?camera=nothing")["kinds"] == {}


def test_a_table_is_read_by_spreadsheets(city: Client) -> None:
    answer = city.get("/api/incidents.csv?time_zone=Asia/Shanghai")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    text = answer.data.decode("utf-8")
    assert text.startswith("\ufeffincident_id,")
    rows = {one["incident_id"]: one for one in csv.DictReader(io.StringIO(text[1:]))}
    assert list(rows) == listed(city)
    assert rows["bin"]["case_zh"] == "暴露垃圾"
    # A spreadsheet would run it.
    assert rows["bin"]["camera_name"] == "'=cmd()"
    assert rows["jam-1"]["opened_at"] == "2026-11-20T12:30:00+08:00"
    assert (rows["jam-1"]["ended_at"], rows["jam-2"]["state"]) == ("", "ended")


def test_points_stand_where_the_cameras_stand(city: Client) -> None:
    answer = city.get("/api/incidents.geojson?text=lane")
    assert answer.headers["Content-Type"] == "application/geo+json"
    features = {one["properties"]["incident_id"]: one for one in answer.json()["features"]}
    assert len(features) == 5
    assert features["jam-1"]["geometry"] == {"type": "Point", "coordinates": [103.82, 30.41]}
    assert features["jam-3"]["geometry"] is None
    assert features["jam-1"]["properties"]["camera_name"] == "北门路口"


def test_no_incident_is_a_file_too(city: Client) -> None:
    assert city.get("/api/incidents.geojson?city=other").json()["features"] == []
    assert len(city.get("/api/incidents.csv?city=other").data.splitlines()) == 1
    assert city.get("/api/incidents.csv?time_zone=Mars").json()["parameter"] == "time_zone"


def test_files_are_whole_over_pages_and_bounded(
    city: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    assert len(city.get("/api/incidents.csv").data.splitlines()) == 7
    assert len(city.get("/api/incidents.geojson").json()["features"]) == 6
    monkeypatch.setattr(routes, "ROWS_MAX", 5)
    answer = city.get("/api/incidents.csv")
    assert answer.status == 422
    assert "6 incidents" in answer.json()["detail"]
    for _ in range(4):
        assert city.get("/api/incidents.csv?state=open").status == 200


def test_an_incident_that_changes_is_found_by_what_it_is_now(hub: Client) -> None:
    hub.post(incident(severity="low", zone="Lane 1", detail={"vehicles": 3.0}))
    hub.post(incident(revision=2, phase="updated", severity="high", detail={"vehicles": 41.0}))
    assert listed(hub, "severity=high&text=vehicles%2041") == ["i-1"]
    assert listed(hub, "zone=Lane%201") == []
    assert json.loads(hub.get("/api/incident-counts").data)["severities"]["low"] == 0
