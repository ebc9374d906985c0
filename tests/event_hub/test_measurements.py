"""Measurements in the hub: found by what they are of and when, apart from incidents."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from event_hub.envelope import parse_event
from event_hub.retention import delete_old
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from tests.event_hub.conftest import Client
from tests.event_hub.samples import START, dump, envelope, in_city, incident

GAPS = {"offline": 2.0, "covered": 8.0}


def measured(minute: int, camera: str = "gate-1", kind: str = "coverage", **more: Any) -> Any:
    """What one task of a camera could see in a minute."""
    begins_at = START + timedelta(minutes=minute)
    ends_at = begins_at + timedelta(minutes=1)
    seen = {"requested_s": 60.0, "watched_s": 58.0, "able_s": 50.0, "gaps": GAPS}
    period = {"begins_at": begins_at.isoformat(), "ends_at": ends_at.isoformat()}
    data = {
        **{"kind": kind, "value": 50.0, "unit": "s", "task": "traffic", "coverage": seen},
        **{"camera": {"id": camera}, **period, **more},
    }
    name = f"{kind}-{camera}-{minute}"
    event = envelope(name, "cityeye.measurement", ends_at, data, minute)
    return event | {"dataschema": "urn:cityeye:schema:measurement:2", "partitionkey": camera}


def listed(hub: Client, query: str = "") -> list[tuple[str, str, str]]:
    found = hub.json(f"/api/measurements{query}")["measurements"]
    return [(one["camera"]["id"], one["kind"], one["begins_at"][11:16]) for one in found]


def minute_of(minute: int) -> str:
    return f"{START + timedelta(minutes=minute):%H:%M}"


@pytest.fixture
def filled(hub: Client) -> Client:
    for minute in range(3):
        for camera in ("gate-1", "yard"):
            assert hub.post(measured(minute, camera)).status == 200
    flow = measured(1, kind="traffic.flow", line="exit", unit="1/min", value=12.0)
    assert hub.post(in_city(flow, "510118-Xinjin")).status == 200
    assert hub.post(incident()).status == 200
    return hub


def test_measurements_are_listed_newest_first_and_found_by_place_kind_and_time(
    filled: Client,
) -> None:
    assert len(listed(filled)) == 7
    assert [one[2] for one in listed(filled, "?camera=yard")] == [
        minute_of(2),
        minute_of(1),
        minute_of(0),
    ]
    assert listed(filled, "?kind=traffic.flow") == [("gate-1", "traffic.flow", minute_of(1))]
    assert listed(filled, "?line=exit&city=510118-Xinjin&task=traffic")
    assert listed(filled, "?zone=exit") == []
    since = (START + timedelta(minutes=1)).isoformat().replace("+", "%2B")
    until = (START + timedelta(minutes=2)).isoformat().replace("+", "%2B")
    within = listed(filled, f"?since={since}&until={until}")
    assert {one[2] for one in within} == {minute_of(1)}
    (flow,) = filled.json("/api/measurements?kind=traffic.flow")["measurements"]
    assert (flow["value"], flow["unit"], flow["city"]) == (12.0, "1/min", "510118-Xinjin")
    assert flow["coverage"]["gaps"] == GAPS


def test_pages_follow_each_other_without_a_gap(filled: Client) -> None:
    found, query = [], "?limit=2"
    while True:
        page = filled.json(f"/api/measurements{query}")
        found += [
            (one["camera"]["id"], one["kind"], one["begins_at"]) for one in page["measurements"]
        ]
        if page["next_before"] is None:
            break
        query = f"?limit=2&before={page['next_before']}"
    assert len(found) == len(set(found)) == 7
    assert filled.get("/api/measurements?before=nonsense").status == 422


def test_measurements_are_no_incidents_and_incidents_no_measurements(filled: Client) -> None:
    assert len(filled.json("/api/incidents")["incidents"]) == 1
    assert filled.post(measured(0)).json() == {"stored": 0, "duplicates": 1}
    assert len(listed(filled)) == 7


def test_what_breaks_the_contract_is_refused_and_another_version_of_it_is_kept(hub: Client) -> None:
    refused: tuple[dict[str, Any], ...] = (
        {"value": "12"}, {"coverage": {}}, {"task": "x" * 600}, {"line": "a\u0000b"},
    )  # fmt: skip
    for wrong in refused:
        assert hub.post(measured(0, **wrong)).status == 422
    # As programs before it sent them, and as later ones may.
    for major in (1, 3):
        other = measured(major) | {"dataschema": f"urn:cityeye:schema:measurement:{major}"}
        assert hub.post(other | {"data": {"values": {"vehicles": 7}}}).json()["stored"] == 1
    assert hub.post(measured(5) | {"dataschema": "urn:other", "data": {}}).status == 422
    assert listed(hub) == []
    assert len(hub.json("/api/events")["events"]) == 2


def test_too_many_measurements_cost_no_incident(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/hub.db")
    events = [incident("jam"), incident("jam", 2, "ended"), *map(measured, range(800))]
    for start in range(0, len(events), 200):
        store.add([parse_event(dump(one)) for one in events[start : start + 200]])
    limits = HubRetention(days=90, gigabytes=0.00015)
    later = START.now(START.tzinfo) + timedelta(days=4)
    assert delete_old(store.database, limits, now=lambda: later, pause_s=0) > 400
    with store.database.read() as connection:
        kinds = connection.exec_driver_sql("SELECT type, count(*) FROM events GROUP BY 1").all()
    left = dict(tuple(row) for row in kinds)
    assert left["cityeye.incident.started"] == left["cityeye.incident.ended"] == 1
    assert 100 < left["cityeye.measurement"] < 400
    store.close()


def test_retention_deletes_measurements_with_their_events(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/hub.db")
    version = store.version
    store.add([parse_event(dump(measured(minute))) for minute in range(5)])
    assert store.version == version, "pages are not drawn anew for them"
    limits = HubRetention(days=3, gigabytes=None)

    def rows() -> int:
        with store.database.read() as connection:
            return len(connection.exec_driver_sql("SELECT 1 FROM measurements").all())

    assert rows() == 5
    later = START.now(START.tzinfo) + timedelta(days=4)
    assert delete_old(store.database, limits, now=lambda: later, pause_s=0) == 5
    assert rows() == 0
    store.close()
