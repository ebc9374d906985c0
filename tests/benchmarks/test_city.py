"""The simulated city on a small scale: what it records, and what follows for the limits."""

from __future__ import annotations

import json

import pytest

from benchmarks.city_path.director_round import answering_workers
from benchmarks.city_path.hub_load import HubLoad
from benchmarks.city_path.recording import CityRecording, record
from benchmarks.city_path.simulated_city import CityBenchmark, CitySize, run
from pipelines.event import EVENT

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def recording() -> CityRecording:
    return record(62.0)


def test_a_recorded_camera_sends_what_a_live_one_does(recording):
    events = [EVENT.validate_json(body) for body in recording.bodies]
    types = {event.type for event in events}
    assert {"cityeye.incident.started", "cityeye.measurement"} <= types
    kinds = {event.measurement.kind for event in events if event.measurement is not None}
    assert {"coverage", "traffic.flow"} <= kinds
    assert recording.per_second == len(events) / 62.0


def test_another_camera_sends_the_same_under_its_own_name_and_ids(recording):
    first, again = list(recording.of("cam-1", 0)), list(recording.of("cam-1", 1))
    ids = [EVENT.validate_json(body).id for body in (*recording.bodies, *first, *again)]
    assert len(set(ids)) == 3 * len(recording.bodies)
    assert {json.loads(body)["partitionkey"] for body in first} == {"cam-1"}
    incidents = {json.loads(body)["data"].get("incident_id") for body in first} - {None}
    before = {json.loads(body)["data"].get("incident_id") for body in recording.bodies} - {None}
    assert len(incidents) == len(before)
    assert not incidents & before


@pytest.mark.ray
def test_a_round_of_the_director_grows_with_the_cameras():
    with answering_workers() as workers:
        small, large = workers.round_ms(8), workers.round_ms(800)
    assert min(large) > 5 * min(small)


def test_the_part_with_the_least_time_left_is_the_limit():
    size = CitySize(100, 0.5, (10.0, 20.0, 30.0), 1000.0, HubLoad(200.0, 100.0, 5.0))
    assert size.busy == pytest.approx({"director": 0.02, "outboxes": 0.05, "hub": 0.2825})
    assert size.saturates["hub"] == pytest.approx(100 / 0.2825)


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_small_city_is_measured():
    said: list[str] = []
    result = run(CityBenchmark((1, 10), 0.3, 16.0), said.append)
    assert [row[0] for row in result.tables[0].rows] == [1, 10]
    assert all(metric.median > 0 for metric in result.metrics)
    assert {row[0] for row in result.tables[1].rows} == {"director", "outboxes", "hub"}
    assert any("events a minute" in line for line in said)
