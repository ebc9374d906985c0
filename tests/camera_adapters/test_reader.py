"""The reader's own part: attempts, watchdog, tasks that carry over, and stopping in any state."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from camera_adapters.backoff import BackoffPolicy, RetryDelays
from camera_adapters.errors import StreamLostFault, UnauthorizedFault, UnreadableFault
from camera_adapters.frame import AnalysisImage
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.intake import Mailbox
from camera_adapters.packet_ring import PacketRing
from camera_adapters.reader import CameraReader
from camera_adapters.source import DecodedImage, SourceTiming, StreamSignal
from camera_adapters.spec import CameraSpec
from camera_adapters.state import CameraState, StateChange
from tests.camera_adapters.readers import camera, logged, watching

ONLINE, OFFLINE = CameraState.ONLINE, CameraState.OFFLINE
FULL = Size(64, 48)


class Grey:
    """A grey image that a reader can take for a decoded one."""

    media_s = 0.0
    cut = False
    still_s = 0.0
    decode_s = 0.0
    size = FULL

    def rgb(self):
        return np.full((48, 64, 3), 99, np.uint8)

    def luma(self, size: Size):
        return np.full((size.height, size.width), 99, np.uint8)

    def views(self, specs: Iterable[ViewSpec]) -> Mapping[ViewSpec, AnalysisImage]:
        return {
            spec: AnalysisImage(
                np.zeros((spec.size.height, spec.size.width, 3), np.uint8), spec.place(FULL)
            )
            for spec in specs
        }


@dataclass
class Script:
    """A source that follows a script: yields, waits, raises."""

    steps: list[object]
    timing: SourceTiming = SourceTiming.LIVE
    duration_s: float = 0.0
    closed: threading.Event = field(default_factory=threading.Event)
    before_close: Callable[[], object] = lambda: None

    def arrivals(self) -> Iterator[DecodedImage | StreamSignal]:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            if callable(step):
                step()
            else:
                yield step  # type: ignore[misc]

    def keep_packets(self, ring: PacketRing) -> None:
        pass

    def close(self) -> None:
        self.before_close()
        self.closed.set()


def plays(*scripts: Script | Exception) -> Callable[[CameraSpec], Script]:
    """An opener whose attempts meet one script each; the last one repeats."""
    remaining = list(scripts)

    def opener(_: CameraSpec) -> Script:
        script = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(script, Exception):
            raise script
        return script

    return opener


def lost(reason: str = "the stream ended") -> StreamLostFault:
    return StreamLostFault("gate-1", reason, "wait")


SPEC = camera("rtsp://unused/live", {"traffic": 1000.0})


def test_a_reader_that_was_never_started_can_be_stopped():
    reader = CameraReader(SPEC, Mailbox())
    assert (reader.state, reader.reason, reader.ended) == (OFFLINE, "connecting", False)
    assert reader.counters.last_frame_age_s is None
    assert reader.stop(0.0)


def test_every_attempt_is_a_stream_restart_and_frames_are_counted_on():
    opener = plays(Script([Grey(), lost()]), Script([Grey(), lost()]))
    with watching(SPEC, opener=opener) as watched:
        first = watched.frame()
        watched.wait_until(lambda: watched.reader.counters.reconnects >= 1)
        second = watched.frame()
    assert (first.index, first.stream_restarts) == (0, 0)
    assert second.index == second.stream_restarts >= 1


def test_sources_are_closed_after_a_fault_and_the_state_is_reported_before():
    reported_first: list[bool] = []
    ready = threading.Event()
    script = Script([Grey(), lambda: ready.wait(10), lost()])
    with watching(SPEC, opener=plays(script, lost("gone"))) as watched:
        script.before_close = lambda: reported_first.append(OFFLINE in watched.states)
        ready.set()
        watched.wait_for(OFFLINE)
        assert script.closed.wait(10)
    assert reported_first == [True]


def test_data_without_images_is_a_silence():
    def trickle() -> None:
        time.sleep(0.05)

    endless = [Grey(), *[trickle, StreamSignal.NO_IMAGE] * 1000]
    spec = camera("rtsp://unused/live", {"traffic": 5.0}, read_timeout_s=0.3)
    with watching(spec, opener=plays(Script(list(endless)), lost("gone"))) as watched:
        assert watched.wait_for(ONLINE)
        assert watched.wait_for(OFFLINE).reason == "no image for 0.3 s"


def test_a_stream_that_never_shows_an_image_gets_the_time_to_open():
    endless = [lambda: time.sleep(0.05), StreamSignal.NO_IMAGE] * 1000
    spec = camera("rtsp://unused/live", {"traffic": 5.0}, open_timeout_s=0.4, read_timeout_s=0.1)
    with watching(spec, opener=plays(Script(endless), lost("gone"))) as watched:
        assert watched.wait_for(OFFLINE).reason == "no image for 0.4 s"


def test_a_first_key_frame_that_takes_long_is_waited_for():
    waiting = [lambda: time.sleep(0.05), StreamSignal.NO_KEY_FRAME] * 12
    spec = camera("rtsp://unused/live", {"traffic": 5.0}, open_timeout_s=0.1, read_timeout_s=0.1)
    with watching(spec, opener=plays(Script([*waiting, Grey()]), lost("gone"))) as watched:
        watched.wait_for(ONLINE)
        assert watched.states[0] is ONLINE


def test_a_decoder_that_hangs_is_noticed_when_the_state_is_read():
    release = threading.Event()
    spec = camera("rtsp://unused/live", {"traffic": 5.0}, read_timeout_s=0.2)
    with watching(spec, opener=plays(Script([Grey(), lambda: release.wait(10)]))) as watched:
        watched.wait_for(ONLINE)
        watched.wait_until(lambda: watched.reader.state is OFFLINE)
        assert watched.changes[-1].reason == "no image for 0.2 s"
        assert watched.reader.stop(0.05) is False
        release.set()


def test_an_unread_frame_passes_its_tasks_and_their_views_on():
    both_came, stopped = threading.Event(), threading.Event()
    views = {"traffic": ViewSpec(Size(64, 48)), "litter": ViewSpec(Size(96, 96))}
    spec = camera("rtsp://unused/live", {"traffic": 1000.0, "litter": 0.001})
    pause = functools.partial(time.sleep, 0.01)
    script = Script([Grey(), pause, Grey(), both_came.set, lambda: stopped.wait(10)])
    with watching(spec, views, opener=plays(script)) as watched:
        assert both_came.wait(10)
        frame = watched.frame()
        stopped.set()
    assert frame.index == 1
    assert frame.tasks == {"traffic", "litter"}
    assert set(frame.views) == set(views.values())
    assert watched.mailbox.dropped == 1


def test_a_newer_image_replaces_a_due_frame_that_nobody_took_and_is_no_drop():
    both_came, stopped = threading.Event(), threading.Event()
    pause = functools.partial(time.sleep, 0.01)
    script = Script([Grey(), pause, Grey(), pause, Grey(), both_came.set, lambda: stopped.wait(10)])
    spec = camera("rtsp://unused/live", {"traffic": 0.001})
    with watching(spec, opener=plays(script)) as watched:
        assert both_came.wait(10)
        frame = watched.frame()
        stopped.set()
    assert (frame.index, frame.tasks) == (2, {"traffic"})
    assert watched.mailbox.dropped == 0
    assert watched.reader.counters.converted == 1


def test_a_frame_that_cannot_be_used_is_a_fault_of_the_camera():
    fault = UnreadableFault("gate-1", "images of format xyz cannot be converted", "set H.264")
    script = Script([Grey(), functools.partial(time.sleep, 0.05), Grey(), Grey()])
    with watching(SPEC, opener=plays(script, Script([Grey()] * 3))) as watched:
        watched.wait_for(ONLINE)
        watched.reader.reject(fault)
        assert watched.wait_for(OFFLINE).reason == fault.reason


def test_a_limited_task_is_due_for_its_share_and_asked_for_in_full():
    done, stopped = threading.Event(), threading.Event()
    steps: list[object] = []
    for _ in range(200):
        steps += [functools.partial(time.sleep, 0.002), Grey()]
    spec = camera("rtsp://unused/live", {"traffic": 1000.0})
    with watching(spec, opener=plays(Script([*steps, done.set, lambda: stopped.wait(10)]))) as own:
        own.reader.limit({"traffic": 0.25})
        assert done.wait(20)
        stopped.set()
        asked = own.reader.asked
    assert asked == {"traffic": 200}
    put = own.mailbox.dropped + own.mailbox.taken + bool(own.mailbox.waiting_tasks)
    assert put == pytest.approx(50, abs=2)


def test_a_task_that_is_not_due_costs_no_view():
    views = {"traffic": ViewSpec(Size(64, 48)), "litter": ViewSpec(Size(96, 96))}
    spec = camera("rtsp://unused/live", {"traffic": 1000.0, "litter": 0.001})
    later = Grey()
    later.media_s = 1.0
    script = Script([Grey(), later], timing=SourceTiming.FAST, duration_s=1.0)
    with watching(spec, views, opener=plays(script)) as watched:
        first, second = watched.frames_to_end()
    assert set(first.views) == set(views.values())
    assert second.tasks == {"traffic"}
    assert set(second.views) == {views["traffic"]}


def test_a_recording_that_breaks_off_again_and_again_is_never_of_the_future():
    images = [Grey() for _ in range(4)]
    for number, image in enumerate(images):
        image.media_s = number * 0.1
    script = Script([*images, lost()], timing=SourceTiming.FAST, duration_s=0.4)
    spec = camera("unused.mp4", {"traffic": 1000.0})
    with watching(spec, opener=plays(script)) as watched:
        times_s = []
        for _ in range(10):
            times_s.append(watched.frame().captured_mono_s)
            assert times_s[-1] <= time.monotonic()
    assert times_s == sorted(times_s)


def test_refused_logins_are_slow_and_other_faults_soon(caplog: pytest.LogCaptureFixture):
    delays = RetryDelays(BackoffPolicy(0.1, 0.1, spread=0.0), BackoffPolicy(0.2, 0.2, spread=0.0))
    refused = UnauthorizedFault("gate-1", "the camera refused the login", "correct it")
    with watching(SPEC, opener=plays(lost("a"), refused, lost("b")), delays=delays) as watched:
        watched.wait_for(CameraState.UNAUTHORIZED)
        watched.wait_for(OFFLINE, after=2)
    assert watched.states == [OFFLINE, CameraState.UNAUTHORIZED, OFFLINE]
    waits = [fault["retry_in_s"] for fault in logged(caplog, "camera_fault")]
    assert waits == [0.1, 0.2, 0.1]


def test_a_fault_is_logged_once_per_outage(caplog: pytest.LogCaptureFixture):
    scripts: list[Script | Exception] = [
        lost("a"),
        lost("b"),
        lost("a"),
        Script([Grey(), lost("a")]),
        lost("b"),
        lost("b"),
    ]
    with caplog.at_level(logging.INFO), watching(SPEC, opener=plays(*scripts)) as watched:
        watched.wait_until(lambda: watched.reader.counters.reconnects >= 6)
    logged_reasons = [getattr(r, "reason", r.message) for r in caplog.records]
    assert logged_reasons == ["a", "b", "camera_online", "a", "b"]
    assert watched.states == [OFFLINE, ONLINE, OFFLINE]


def test_a_defect_of_a_source_does_not_blind_the_camera(caplog: pytest.LogCaptureFixture):
    secret = KeyError("rtsp://operator:secret@cam")
    with watching(SPEC, opener=plays(Script([secret]), Script([Grey()] * 3 + [lost()]))) as watched:
        assert watched.wait_for(OFFLINE).reason == "the reader failed (KeyError)"
        watched.wait_for(ONLINE)
    (defect,) = logged(caplog, "camera_reader_defect")
    assert defect["error"] == "KeyError"
    assert not [r for r in caplog.records if "secret" in repr(vars(r))]


def test_a_listener_that_fails_does_not_end_the_reading(caplog: pytest.LogCaptureFixture):
    def fail(_: StateChange) -> None:
        raise OSError("disk full")

    taken = Mailbox()
    reader = CameraReader(
        SPEC,
        taken,
        fail,
        opener=plays(Script([Grey()], timing=SourceTiming.FAST)),
    )
    reader.start()
    while taken.take() is None:
        time.sleep(0.001)
    assert reader.stop(10)
    assert logged(caplog, "camera_state_listener_failed")


def test_a_recording_ends_once_its_last_frame_is_read():
    with watching(SPEC, opener=plays(Script([Grey()], timing=SourceTiming.FAST))) as watched:
        watched.wait_for(ONLINE)
        ended = [watched.reader.ended]
        watched.frame()
        assert watched.wait_for(OFFLINE).reason == "ended"
        ended.append(watched.reader.ended)
    assert ended == [False, True]
    assert watched.reader.counters.reconnects == 0


def test_a_stop_while_waiting_for_the_consumer_is_no_end():
    script = Script([Grey(), Grey()], timing=SourceTiming.FAST)
    with watching(SPEC, opener=plays(script)) as watched:
        watched.wait_for(ONLINE)
    assert not watched.reader.ended
    assert watched.states == [ONLINE]
    assert script.closed.is_set()


def test_a_stop_ends_a_long_pause():
    delays = RetryDelays(
        BackoffPolicy(3600.0, 3600.0, spread=0.0), BackoffPolicy(3600.0, 3600.0, spread=0.0)
    )
    with watching(SPEC, opener=plays(lost()), delays=delays) as watched:
        watched.wait_for(OFFLINE)
        started_s = time.monotonic()
        assert watched.reader.stop(10)
    assert time.monotonic() - started_s < 5


def test_after_a_stop_nothing_comes_any_more():
    release = threading.Event()
    script = Script([Grey(), lambda: release.wait(10), Grey()])
    with watching(SPEC, opener=plays(script)) as watched:
        watched.frame()
        assert watched.reader.stop(0.01) is False
        release.set()
        assert watched.reader.stop(10)
        assert watched.mailbox.take() is None
