"""The load meter: what was asked for and given over the last seconds, by priority."""

from __future__ import annotations

import pytest

from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec
from pipelines.load import LOAD_WINDOW_S, NO_LOAD, LoadMeter, PriorityLoad, overload
from pipelines.plan import CameraPlan, ModelRef, Priority, TaskPlan

MODEL = ModelRef("traffic", "1", Size(64, 48), ("car",), 0.3)


def plan(camera: str, priority: Priority) -> CameraPlan:
    task = TaskPlan("traffic", MODEL, 5.0, (), priority=priority)
    return CameraPlan(CameraSpec(camera, "rtsp://camera/live", rates={"traffic": 5.0}), (task,))


def test_only_priorities_that_tasks_have_are_reported() -> None:
    meter = LoadMeter([plan("a", "low"), plan("b", "low")])
    assert meter.loads == {"low": NO_LOAD}


def test_rates_are_those_of_the_last_seconds() -> None:
    meter = LoadMeter([plan("a", "high"), plan("b", "low")])
    for second in range(20):
        # From the tenth second on the low one gets only half of what it asks for.
        given = 10 * second if second < 10 else 100 + 5 * (second - 10)
        meter.note("a", *[{"traffic": 10 * second}] * 3)
        meter.note("b", {"traffic": 10 * second}, {"traffic": given}, {"traffic": given})
        meter.advance(100.0 + second)
    assert meter.loads["high"] == PriorityLoad(10.0, 10.0, 10.0)
    assert meter.loads["low"].given_fps == pytest.approx(5.0)
    assert meter.loads["low"].share == pytest.approx(0.5)


def test_a_silent_camera_asks_for_nothing() -> None:
    meter = LoadMeter([plan("a", "normal")])
    for second in range(int(LOAD_WINDOW_S) * 3):
        meter.note("a", *[{"traffic": 50}] * 3)
        meter.advance(float(second))
    assert meter.loads["normal"] == NO_LOAD
    assert meter.loads["normal"].share == 1.0


def test_a_model_that_fails_takes_frames_and_gives_nothing() -> None:
    meter = LoadMeter([plan("a", "normal")])
    for second in range(10):
        meter.note("a", {"traffic": 5 * second}, {"traffic": 5 * second}, {"traffic": 0})
        meter.advance(float(second))
    (load,) = meter.loads.values()
    assert load == PriorityLoad(5.0, 5.0, 0.0)
    assert (load.room, load.share) == (1.0, 0.0)
    assert overload(meter.loads) == "", "more machines would not help"


def test_cameras_that_come_go_or_begin_anew_take_nothing_from_the_rates() -> None:
    meter = LoadMeter([plan("a", "normal"), plan("b", "normal")])
    for second in range(30):
        meter.note("a", *[{"traffic": 5 * second}] * 3)
        if second < 10:
            meter.note("b", *[{"traffic": 5 * second}] * 3)
        if second == 15:
            meter.add(plan("c", "high"))
        if second >= 15:
            # It begins anew in between, as a changed camera does.
            meter.note("c", *[{"traffic": 5 * (second - (15 if second < 22 else 22))}] * 3)
        meter.advance(float(second))
        rates = [load.asked_fps for load in meter.loads.values()]
        assert all(rate >= 0.0 for rate in rates)
        assert sum(rates) <= 10.0
    assert meter.loads["normal"] == PriorityLoad(5.0, 5.0, 5.0)
    assert meter.loads["high"].given_fps == pytest.approx(5.0)


def test_a_changed_priority_counts_from_the_change_on() -> None:
    meter = LoadMeter([plan("a", "low")])
    for second in range(20):
        if second == 10:
            meter.add(plan("a", "high"))
        meter.note("a", *[{"traffic": 5 * (second % 10)}] * 3)
        meter.advance(float(second))
        assert all(load.asked_fps >= 0.0 for load in meter.loads.values())
    assert meter.loads["low"] == NO_LOAD
    assert meter.loads["high"].asked_fps == pytest.approx(5.0)
