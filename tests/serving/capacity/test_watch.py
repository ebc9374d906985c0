"""What a running city knows of its capacity: readings of its cameras, kept over a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camera_adapters.geometry import Size
from pipelines.metrics import InferenceMetrics
from serving.capacity import readings as readings_module
from serving.capacity.budget import CapacityState, CityBudget, ReadingCost
from serving.capacity.cost import ModelCost
from serving.capacity.readings import CameraReadings
from serving.capacity.watch import NOT_MEASURED, CapacityWatch
from tests.serving.capacity.costs import COSTS, plan
from tests.serving.workers import main_stream, online_camera

HD = Size(1280, 720)


@pytest.fixture
def clock(monkeypatch):
    """Moves the time of readings."""
    now = [1000.0]
    monkeypatch.setattr(readings_module.time, "monotonic", lambda: now[0])
    return now


def snapshot(name: str, decoded: int, cpu_s: float, fps: float = 10.0):
    camera = online_camera(name)
    reader = replace(camera.reader, decoded=decoded, cpu_s=cpu_s, decoded_fps=fps, image=HD)
    return replace(camera, reader=reader)


def test_a_camera_costs_what_its_thread_used_per_image(tmp_path, clock):
    found = CameraReadings(tmp_path)
    found.note([snapshot("gate", 100, 1.0)])
    clock[0] += 5
    found.note([snapshot("gate", 150, 1.1)])
    assert found.known == {}, "too short to say"
    clock[0] += 5
    found.note([snapshot("gate", 200, 1.2)])
    assert found.known == {"gate": ReadingCost(0.02, HD)}


def test_receiving_a_main_stream_is_a_part_of_what_a_camera_costs(tmp_path, clock):
    found = CameraReadings(tmp_path)
    for decoded, cpu_s in ((100, 1.0), (200, 1.2)):
        one = snapshot("gate", decoded, cpu_s)
        found.note([replace(one, main=main_stream(cpu_s=cpu_s / 2))])
        clock[0] += 10
    assert found.known == {"gate": ReadingCost(0.03, HD)}


def test_silence_makes_no_camera_cheaper(tmp_path, clock):
    found = CameraReadings(tmp_path)
    for decoded, cpu_s in ((100, 1.0), (200, 1.2), (200, 1.2), (220, 1.24)):
        found.note([snapshot("gate", decoded, cpu_s)])
        clock[0] += 10
    assert found.known == {"gate": ReadingCost(0.02, HD)}


def test_a_camera_that_begins_anew_is_measured_anew(tmp_path, clock):
    found = CameraReadings(tmp_path)
    found.note([snapshot("gate", 1000, 10.0)])
    clock[0] += 10
    found.note([snapshot("gate", 5, 0.1)])
    assert found.known == {}
    clock[0] += 10
    found.note([snapshot("gate", 105, 0.3)])
    assert found.known["gate"].cores == pytest.approx(0.02)


def test_readings_are_kept_and_those_of_removed_cameras_are_not(tmp_path, clock):
    watch = CapacityWatch("refuse", COSTS, tmp_path)
    watch.note([snapshot("gate", 0, 0.0), snapshot("yard", 0, 0.0)], [])
    clock[0] += 10
    watch.note([snapshot("gate", 100, 0.2), snapshot("yard", 100, 0.4)], [])
    watch.replanned([plan("gate")])
    watch.close()
    assert CameraReadings(tmp_path).known == {"gate": ReadingCost(0.02, HD)}


def test_a_damaged_file_is_nothing_known(tmp_path):
    (tmp_path / "camera-readings.json").write_text("{", "utf-8")
    assert CameraReadings(tmp_path).known == {}


def test_what_is_not_known_is_said_and_nothing_is_refused(tmp_path):
    many = [plan(f"{number}") for number in range(500)]
    unknown = CapacityWatch("refuse", None, tmp_path)
    assert unknown.state(many) == NOT_MEASURED
    assert unknown.refusal([], many) == ""
    other = CapacityWatch("refuse", replace(COSTS, models={}), tmp_path)
    assert "an inference of traffic/1 costs was not measured" in str(other.state(many))
    assert other.refusal([], many) == ""


def test_only_a_city_that_shares_refuses_nothing(tmp_path):
    many = [plan(f"{number}") for number in range(500)]
    assert "no room" in CapacityWatch("refuse", COSTS, tmp_path).refusal([], many)
    sharing = CapacityWatch("share", COSTS, tmp_path)
    assert sharing.refusal([], many) == ""
    assert isinstance(sharing.state(many), CapacityState)


@pytest.mark.parametrize(
    ("images", "local", "core_s"),
    [(60, True, 0.01), (40, True, 0.006), (60, False, 0.006)],
    ids=["measured", "too few", "elsewhere"],
)
def test_an_inference_costs_what_it_costs_the_workers(tmp_path, images, local, core_s):
    costs = replace(COSTS, models={"traffic/1": ModelCost(0.006, local=local)})
    watch = CapacityWatch("refuse", costs, tmp_path)
    worker = {"traffic/1": InferenceMetrics(images=images, cpu_s=0.01 * images)}
    watch.note([], [worker, worker, {"other/1": InferenceMetrics(images=500, cpu_s=9.0)}])
    expected = CityBudget(replace(costs, models={"traffic/1": ModelCost(core_s)}))
    assert watch.state([plan("a")]) == expected.state([plan("a")])
