"""The state machine: clean images make a camera online, few or damaged ones degrade it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from camera_adapters.source import Timing
from camera_adapters.state import CameraState, StateChange, StateMachine

ONLINE, DEGRADED, OFFLINE = CameraState.ONLINE, CameraState.DEGRADED, CameraState.OFFLINE
START = datetime(2026, 1, 1, tzinfo=UTC)


class Life:
    """A state machine on a clock that the test turns."""

    def __init__(self, wanted_fps: float = 5.0, silence_s: float = 8.0) -> None:
        self.now_s = 1000.0
        self.changes: list[StateChange] = []
        self.machine = StateMachine(
            "gate-1",
            wanted_fps=wanted_fps,
            silence_s=silence_s,
            clock=lambda: self.now_s,
            utc_now=lambda: START + timedelta(seconds=self.now_s),
        )

    def note(self, change: StateChange | None) -> None:
        if change is not None:
            self.changes.append(change)

    def stream(self, fps: float, seconds: float, damaged_every: int = 0) -> None:
        for index in range(round(fps * seconds)):
            self.now_s += 1 / fps
            damaged = damaged_every and index % damaged_every == 0
            self.note(self.machine.damage() if damaged else self.machine.image())

    @property
    def states(self) -> list[CameraState]:
        return [change.state for change in self.changes]


def test_a_camera_starts_offline_and_connecting():
    machine = Life().machine
    assert (machine.state, machine.reason) == (OFFLINE, "connecting")
    assert machine.recent_fps == 0.0


def test_the_first_clean_image_makes_it_online():
    life = Life()
    life.note(life.machine.image())
    (change,) = life.changes
    assert (change.camera, change.state, change.previous) == ("gate-1", ONLINE, OFFLINE)
    assert change.reason == ""
    assert change.at_mono_s == 1000.0
    assert change.at == START + timedelta(seconds=1000)


def test_damaged_images_alone_do_not():
    life = Life()
    life.note(life.machine.damage())
    assert life.states == []


def test_a_steady_stream_changes_nothing_more():
    life = Life()
    life.stream(fps=12.5, seconds=60)
    assert life.states == [ONLINE]
    assert life.machine.recent_fps == pytest.approx(12.5, rel=0.05)
    assert life.machine.streaming_for_s == pytest.approx(60, abs=0.1)


def test_too_few_images_degrade_and_enough_restore():
    life = Life(wanted_fps=10)
    life.stream(fps=12.5, seconds=10)
    life.stream(fps=4, seconds=10)
    assert life.states == [ONLINE, DEGRADED]
    assert life.changes[-1].reason == "too few images"
    life.stream(fps=5.5, seconds=20)
    assert life.states == [ONLINE, DEGRADED], "just above the limit is not well yet"
    life.stream(fps=12.5, seconds=10)
    assert life.states == [ONLINE, DEGRADED, ONLINE]


def test_a_slow_task_is_not_judged_by_a_short_window():
    life = Life(wanted_fps=0.2, silence_s=30)
    life.stream(fps=0.2, seconds=300)
    assert life.states == [ONLINE]


def test_a_start_is_not_judged_before_the_window_is_full():
    life = Life(wanted_fps=25)
    life.stream(fps=1, seconds=4)
    assert life.states == [ONLINE]


def test_many_damaged_images_degrade():
    life = Life(wanted_fps=5)
    life.stream(fps=25, seconds=10)
    life.stream(fps=25, seconds=10, damaged_every=2)
    assert life.states == [ONLINE, DEGRADED]
    assert life.changes[-1].reason == "too many damaged images"
    life.stream(fps=25, seconds=10)
    assert life.states[-1] is ONLINE


def test_a_few_damaged_images_do_not():
    life = Life(wanted_fps=5)
    life.stream(fps=25, seconds=30, damaged_every=10)
    assert life.states == [ONLINE]


def test_a_fault_is_told_once_and_its_latest_reason_is_known():
    life = Life()
    life.stream(fps=5, seconds=10)
    life.note(life.machine.fault("the stream ended"))
    life.note(life.machine.fault("connection refused"))
    assert life.states == [ONLINE, OFFLINE]
    assert life.changes[-1].reason == "the stream ended"
    assert life.machine.reason == "connection refused"
    assert life.machine.streaming_for_s == 0.0
    life.note(life.machine.image())
    assert life.states == [ONLINE, OFFLINE, ONLINE]


def test_the_first_fault_of_a_camera_never_seen_is_news():
    life = Life()
    for _ in range(3):
        life.note(life.machine.fault("connection refused"))
    (change,) = life.changes
    assert (change.state, change.previous, change.reason) == (
        OFFLINE,
        OFFLINE,
        "connection refused",
    )


def test_a_refused_login_is_a_state_of_its_own():
    life = Life()
    life.note(life.machine.fault("refused", unauthorized=True))
    life.note(life.machine.fault("timeout"))
    assert life.states == [CameraState.UNAUTHORIZED, OFFLINE]


def test_silence_is_a_fault_even_if_nobody_says_so():
    life = Life(silence_s=8)
    life.stream(fps=5, seconds=10)
    life.now_s += 7.9
    life.note(life.machine.check())
    assert life.states == [ONLINE]
    life.now_s += 0.2
    life.note(life.machine.check())
    life.note(life.machine.check())
    assert life.states == [ONLINE, OFFLINE]
    assert life.changes[-1].reason == "no image for 8 s"


@pytest.mark.parametrize("timing", [Timing.PACED, Timing.FAST])
def test_a_recording_may_be_silent(timing):
    life = Life()
    life.machine.begin(timing)
    life.note(life.machine.image())
    life.now_s += 1000
    life.note(life.machine.check())
    assert life.states == [ONLINE]


def test_a_recording_read_fast_has_no_rate_of_its_own():
    life = Life(wanted_fps=25)
    life.machine.begin(Timing.FAST)
    life.stream(fps=1, seconds=60)
    assert life.states == [ONLINE]


def test_a_storm_of_images_is_counted_within_bounds():
    life = Life()
    life.stream(fps=2000, seconds=6)
    assert life.machine.recent_fps == pytest.approx(2000, rel=0.05)
