"""Pacing: long-run rates are kept whatever the camera's own, and recordings keep sane time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.intake import MAX_LAG_S, Pacer, PlaybackClock
from tests.levels import scaled


def served(pacer: Pacer, times: list[float], task: str = "traffic") -> int:
    return sum(task in pacer.due(at_s) for at_s in times)


@pytest.mark.parametrize(("wanted", "camera_fps"), [(5, 12.5), (10, 12.5), (8, 25), (1, 29.97)])
def test_the_long_run_rate_is_the_wanted_one(wanted, camera_fps):
    times = [index / camera_fps for index in range(int(200 * camera_fps))]
    assert served(Pacer({"traffic": wanted}), times) == pytest.approx(200 * wanted, abs=2)


@settings(max_examples=scaled(40), deadline=None)
@given(
    wanted=st.floats(0.2, 30),
    camera_fps=st.floats(1, 60),
    jitter=st.lists(st.floats(-0.3, 0.3), min_size=7, max_size=7),
)
def test_the_rate_is_kept_under_jitter(wanted: float, camera_fps: float, jitter: list[float]):
    count = 600
    times = [(index + jitter[index % 7]) / camera_fps for index in range(count)]
    expected = min(wanted, camera_fps) * count / camera_fps
    # Jitter shifts single images across the schedule; near the camera's own rate some are lost.
    assert served(Pacer({"traffic": wanted}), times) == pytest.approx(expected, rel=0.1, abs=2)


@pytest.mark.parametrize("wanted", [10.0, 12.5, 100.0])
def test_whoever_wants_as_much_as_there_is_gets_every_image(wanted):
    times = [index / 10 for index in range(500)]
    assert served(Pacer({"traffic": wanted}), times) == 500


def test_a_gap_is_not_made_up_for_by_a_burst():
    pacer = Pacer({"traffic": 5.0})
    served(pacer, [0.0, 0.2, 0.4])
    after_gap = [100 + index / 25 for index in range(25)]
    assert served(pacer, after_gap) <= 6


def test_tasks_have_their_own_rates_and_start_together():
    pacer = Pacer({"traffic": 5.0, "litter": 0.5, "off": 0.0})
    times = [index / 25 for index in range(250)]
    due = [pacer.due(at_s) for at_s in times]
    assert due[0] == {"traffic", "litter"}
    assert sum("traffic" in tasks for tasks in due) == pytest.approx(50, abs=1)
    assert sum("litter" in tasks for tasks in due) == pytest.approx(5, abs=1)
    assert not any("off" in tasks for tasks in due)


def test_playback_waits_until_an_image_is_to_be_shown():
    playback = PlaybackClock()
    assert playback.delay_s(0.0, 50.0) == 0.0
    assert playback.delay_s(0.5, 50.1) == pytest.approx(0.4)
    assert playback.delay_s(0.6, 50.9) == 0.0


def test_playback_that_fell_behind_goes_on_from_there():
    playback = PlaybackClock()
    playback.delay_s(0.0, 0.0)
    late_s = 1.0 + MAX_LAG_S + 5.0
    assert playback.delay_s(1.0, late_s) == 0.0
    assert playback.delay_s(1.4, late_s + 0.1) == pytest.approx(0.3)


def test_another_rate_counts_from_the_next_image_on():
    pacer = Pacer({"traffic": 5.0, "litter": 1.0})
    times = [index / 25 for index in range(251)]

    def count(task, begin_s, end_s):
        return sum(task in pacer.due(at_s) for at_s in times if begin_s <= at_s < end_s)

    assert count("traffic", 0.0, 4.0) == 20
    pacer.rates = {"traffic": 1.0, "litter": 1.0}
    assert count("traffic", 4.0, 7.0) == pytest.approx(3, abs=1)
    pacer.rates = {"traffic": 12.5, "litter": 1.0}
    assert count("traffic", 7.0, 10.0) == pytest.approx(37, abs=2), (
        "without waiting a slow interval"
    )
