"""The state machine: clean images make a camera online, few or damaged ones degrade it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from camera_adapters.source import SourceTiming
from camera_adapters.state import CameraState, StateChange, StateMachine

ONLINE, DEGRADED, OFFLINE = CameraState.ONLINE, CameraState.DEGRADED, CameraState.OFFLINE
START = datetime(2026, 1, 1, tzinfo=UTC)


class MachineOnAClock:
    """A state machine with a clock that the test sets."""

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
            self.note(self.machine.image(clean=False) if damaged else self.machine.image())

    @property
    def states(self) -> list[CameraState]:
        return [change.state for change in self.changes]


def test_a_camera_starts_offline_and_connecting():
    machine = MachineOnAClock().machine
    assert (machine.state, machine.reason) == (OFFLINE, "connecting")
    assert machine.recent_fps == 0.0


def test_the_first_clean_image_makes_it_online():
    run = MachineOnAClock()
    run.note(run.machine.image())
    (change,) = run.changes
    assert (change.camera, change.state, change.previous) == ("gate-1", ONLINE, OFFLINE)
    assert change.reason == ""
    assert change.at_mono_s == 1000.0
    assert change.at == START + timedelta(seconds=1000)


def test_damaged_images_alone_do_not():
    run = MachineOnAClock()
    run.note(run.machine.image(clean=False))
    assert run.states == []


def test_a_steady_stream_changes_nothing_more():
    run = MachineOnAClock()
    run.stream(fps=12.5, seconds=60)
    assert run.states == [ONLINE]
    assert run.machine.recent_fps == pytest.approx(12.5, rel=0.05)
    assert run.machine.streaming_for_s == pytest.approx(60, abs=0.1)


def test_too_few_images_degrade_and_enough_restore():
    run = MachineOnAClock(wanted_fps=10)
    run.stream(fps=12.5, seconds=10)
    run.stream(fps=4, seconds=10)
    assert run.states == [ONLINE, DEGRADED]
    assert run.changes[-1].reason == "too few images"
    run.stream(fps=5.5, seconds=20)
    assert run.states == [ONLINE, DEGRADED], "just above the limit is not well yet"
    run.stream(fps=12.5, seconds=10)
    assert run.states == [ONLINE, DEGRADED, ONLINE]


def test_a_slow_task_has_a_longer_window():
    run = MachineOnAClock(wanted_fps=0.2, silence_s=30)
    run.stream(fps=0.2, seconds=300)
    assert run.states == [ONLINE]


def test_a_camera_does_not_degrade_before_the_window_is_full():
    run = MachineOnAClock(wanted_fps=25)
    run.stream(fps=1, seconds=4)
    assert run.states == [ONLINE]


def test_many_damaged_images_degrade():
    run = MachineOnAClock(wanted_fps=5)
    run.stream(fps=25, seconds=10)
    run.stream(fps=25, seconds=10, damaged_every=2)
    assert run.states == [ONLINE, DEGRADED]
    assert run.changes[-1].reason == "too many damaged images"
    run.stream(fps=25, seconds=10)
    assert run.states[-1] is ONLINE


def test_a_few_damaged_images_do_not():
    run = MachineOnAClock(wanted_fps=5)
    run.stream(fps=25, seconds=30, damaged_every=10)
    assert run.states == [ONLINE]


def test_a_fault_is_reported_once_and_its_latest_reason_is_known():
    run = MachineOnAClock()
    run.stream(fps=5, seconds=10)
    run.note(run.machine.fault("the stream ended"))
    run.note(run.machine.fault("connection refused"))
    assert run.states == [ONLINE, OFFLINE]
    assert run.changes[-1].reason == "the stream ended"
    assert run.machine.reason == "connection refused"
    assert run.machine.streaming_for_s == 0.0
    run.note(run.machine.image())
    assert run.states == [ONLINE, OFFLINE, ONLINE]


def test_the_first_fault_of_a_camera_never_seen_is_news():
    run = MachineOnAClock()
    for _ in range(3):
        run.note(run.machine.fault("connection refused"))
    (change,) = run.changes
    assert (change.state, change.previous, change.reason) == (
        OFFLINE,
        OFFLINE,
        "connection refused",
    )


def test_a_refused_login_is_a_state_of_its_own():
    run = MachineOnAClock()
    run.note(run.machine.fault("refused", unauthorized=True))
    run.note(run.machine.fault("timeout"))
    assert run.states == [CameraState.UNAUTHORIZED, OFFLINE]


def test_silence_is_a_fault_even_if_nobody_says_so():
    run = MachineOnAClock(silence_s=8)
    run.stream(fps=5, seconds=10)
    run.now_s += 7.9
    run.note(run.machine.check())
    assert run.states == [ONLINE]
    run.now_s += 0.2
    run.note(run.machine.check())
    run.note(run.machine.check())
    assert run.states == [ONLINE, OFFLINE]
    assert run.changes[-1].reason == "no image for 8 s"


@pytest.mark.parametrize("timing", [SourceTiming.PACED, SourceTiming.FAST])
def test_a_recording_may_be_silent(timing):
    run = MachineOnAClock()
    run.machine.begin(timing)
    run.note(run.machine.image())
    run.now_s += 1000
    run.note(run.machine.check())
    assert run.states == [ONLINE]


def test_a_recording_read_fast_has_no_rate_of_its_own():
    run = MachineOnAClock(wanted_fps=25)
    run.machine.begin(SourceTiming.FAST)
    run.stream(fps=1, seconds=60)
    assert run.states == [ONLINE]


def test_a_storm_of_images_is_counted_within_bounds():
    run = MachineOnAClock()
    run.stream(fps=2000, seconds=6)
    assert run.machine.recent_fps == pytest.approx(2000, rel=0.05)


def test_a_view_that_does_not_show_the_place_degrades_and_every_change_of_it_is_an_event():
    run = MachineOnAClock()
    run.stream(5, 10)
    run.note(run.machine.view("covered", "the view is covered"))
    run.note(run.machine.view("covered", "the view is covered"))
    run.stream(5, 10)
    run.note(run.machine.view("moved", "the view has moved"))
    run.note(run.machine.view("", ""))
    run.stream(5, 10)
    assert [(one.state, one.previous, one.view, one.reason) for one in run.changes] == [
        (ONLINE, OFFLINE, "", ""),
        (DEGRADED, ONLINE, "covered", "the view is covered"),
        (DEGRADED, DEGRADED, "moved", "the view has moved"),
        (ONLINE, DEGRADED, "", ""),
    ]


def test_a_fault_of_the_view_outlasts_an_outage():
    run = MachineOnAClock()
    run.stream(5, 10)
    run.note(run.machine.view("covered", "the view is covered"))
    run.note(run.machine.fault("the network is down"))
    run.stream(5, 3)
    assert [(one.state, one.view) for one in run.changes] == [
        (ONLINE, ""),
        (DEGRADED, "covered"),
        (OFFLINE, ""),
        (DEGRADED, "covered"),
    ]
    assert run.machine.reason == "the view is covered"


def test_a_fault_of_the_stream_is_named_before_one_of_the_view():
    run = MachineOnAClock()
    run.stream(5, 10)
    run.note(run.machine.view("dark", "the view is too dark"))
    run.stream(1, 10)
    assert run.machine.reason == "too few images"
    run.stream(5, 20)
    assert (run.machine.state, run.machine.reason) == (DEGRADED, "the view is too dark")
    run.note(run.machine.view("", ""))
    assert run.machine.state is ONLINE


def test_what_is_said_of_the_view_before_the_first_image_waits_for_it():
    run = MachineOnAClock()
    assert run.machine.view("dark", "the view is too dark") is None
    run.note(run.machine.image())
    assert [(one.state, one.view) for one in run.changes] == [(DEGRADED, "dark")]
