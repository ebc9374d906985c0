"""Counters of a camera, and of one caller's inferences: rates, ages and what each answer adds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.metrics import CameraStatistics, InferenceTiming, MetricsRecorder
from pipelines.plan import ModelRef
from tests.pipelines.frames import SIZE, make_frame

STREET = ModelRef("street", "1", SIZE, ("car",), 0.3)


def test_achieved_rate_counts_inferences_over_time_until_now() -> None:
    statistics = CameraStatistics({"traffic": 5.0})
    for number in range(11):
        statistics.analysed(make_frame(), {"traffic": STREET}, 100.0 + number * 0.2)
    assert statistics.snapshot(102.0).models == {"traffic": {"street/1": 11}}
    assert statistics.snapshot(102.0).achieved_fps == pytest.approx(5.0)
    assert statistics.snapshot(104.0).achieved_fps == pytest.approx(10 / 4, abs=1e-3)


def test_an_achieved_rate_is_that_of_the_last_seconds() -> None:
    statistics = CameraStatistics({"traffic": 5.0, "litter": 0.1})
    for number in range(500):
        statistics.analysed(make_frame(), {"traffic": STREET}, number * 0.2)
    for number in range(20):
        statistics.analysed(make_frame(), {"traffic": STREET}, 100.0 + number)
        if number % 10 == 0:
            statistics.analysed(make_frame(), {"litter": STREET}, 100.0 + number)
    snapshot = statistics.snapshot(119.5)
    assert snapshot.achieved_fps == pytest.approx(1.0, abs=0.01)
    assert snapshot.tasks["litter"].achieved_fps == pytest.approx(1 / 19.5, abs=0.01)
    assert statistics.snapshot(140.0).achieved_fps == 0.0


def test_the_most_demanding_task_speaks_for_the_camera() -> None:
    statistics = CameraStatistics({"traffic": 5.0, "crowding": 1.0})
    for number in range(6):
        statistics.analysed(make_frame(), {"traffic": STREET}, number * 0.25)
    snapshot = statistics.snapshot(1.25)
    assert snapshot.requested_fps == 5.0
    assert snapshot.achieved_fps == pytest.approx(4.0)
    assert snapshot.tasks["crowding"].achieved_fps == 0.0


def test_ages_are_from_arrival_to_result() -> None:
    statistics = CameraStatistics({"traffic": 5.0})
    for age_ms in (10, 20, 30):
        statistics.analysed(make_frame(at_s=50.0), {}, 50.0 + age_ms / 1000)
    ages = statistics.snapshot(60.0).frame_age_ms
    assert ages["p50"] == pytest.approx(20.0)
    assert 28.0 < ages["p95"] <= 30.0


def test_a_camera_without_a_result_has_no_rate_and_no_age() -> None:
    snapshot = CameraStatistics({"traffic": 5.0}).snapshot(10.0)
    assert (snapshot.analysed, snapshot.achieved_fps) == (0, 0.0)
    assert snapshot.frame_age_ms == {"p50": 0.0, "p95": 0.0}


def test_a_recorder_counts_every_answer_and_its_snapshots_do_not_change():
    recorder, timing = MetricsRecorder(), InferenceTiming(0.002, 0.02, 0.015, "cpu")
    with ThreadPoolExecutor(4) as threads:
        for _ in range(100):
            threads.submit(recorder.answered, "traffic/1", 2, timing)
            threads.submit(recorder.failed, "crowding/3")
    before = recorder.snapshot()
    recorder.answered("traffic/1", 1, InferenceTiming(20.0, 0.02, 0.015, "cuda"))
    counted, after = before["traffic/1"], recorder.snapshot()["traffic/1"]
    assert (counted.requests, counted.images, counted.errors) == (100, 200, 0)
    assert (before["crowding/3"].requests, before["crowding/3"].errors) == (100, 100)
    assert counted.run_ms_per_image == pytest.approx(10.0)
    assert counted.core_ms_per_image == pytest.approx(7.5)
    assert counted.queue_ms == pytest.approx(2.0)
    # By upper bound, inclusive: 2 images, 2 milliseconds; the last is above all bounds.
    assert (counted.batch.counts[1], counted.queue.counts[1]) == (100, 100)
    assert (after.queue.counts[-1], after.queue.count, after.provider) == (1, 101, "cuda")
