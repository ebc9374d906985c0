"""Counters of a camera: rates that fall when nothing comes, ages from arrival to result."""

from __future__ import annotations

import pytest

from pipelines.metrics import CameraStatistics
from pipelines.plan import ModelRef
from tests.pipelines.frames import SIZE, make_frame

STREET = ModelRef("street", "1", SIZE, ("car",), 0.3)


def test_achieved_rate_counts_inferences_over_time_until_now() -> None:
    statistics = CameraStatistics({"traffic": 5.0})
    for number in range(11):
        statistics.analysed(make_frame(), {"traffic": STREET}, 100.0 + number * 0.2)
    assert statistics.snapshot(102.0).models == {"traffic": {"street/1": 11}}
    assert statistics.snapshot(102.0).achieved_fps == pytest.approx(5.0)
    assert statistics.snapshot(112.0).achieved_fps == pytest.approx(10 / 12, abs=1e-3)


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
