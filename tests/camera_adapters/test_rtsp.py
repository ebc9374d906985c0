"""The RTSP adapter against our own server: its frames, and the states that faults lead to."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import pytest

from camera_adapters.backoff import BackoffPolicy, RetryDelays
from camera_adapters.errors import CameraFault, UnauthorizedFault, UnreachableFault
from camera_adapters.factory import open_source
from camera_adapters.source import StreamSignal
from camera_adapters.spec import Credentials
from camera_adapters.state import CameraState
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip, read_number, write_clip
from tests.camera_adapters.readers import camera, logged, watching

pytestmark = pytest.mark.integration

PASSWORD = "p:@/?#%&$ä 'x'\"+"
LOGIN = Credentials("operator", PASSWORD)
ONLINE, DEGRADED, OFFLINE = CameraState.ONLINE, CameraState.DEGRADED, CameraState.OFFLINE


@pytest.fixture(scope="module")
def shared_server(tiny_clip: TinyClip) -> Iterator[RtspServerThread]:
    users = {"operator": PASSWORD}
    mounts = [
        Mount("gate", tiny_clip.path),
        Mount("basic", tiny_clip.path, users=users, auth="basic"),
        Mount("digest", tiny_clip.path, users=users, auth="digest"),
    ]
    with RtspServerThread(mounts) as thread:
        yield thread


@pytest.fixture
def server(shared_server: RtspServerThread) -> Iterator[RtspServerThread]:
    yield shared_server
    for path in ("gate", "basic", "digest"):
        shared_server.set_fault(path, None)


def numbers(watched, count: int) -> list[int]:
    return [read_number(watched.frame().full.rgb()) for _ in range(count)]


def test_frames_come_in_order_from_the_first_image_on(server):
    with watching(camera(server.url("gate"))) as watched:
        frame = watched.frame()
        assert watched.wait_for(ONLINE).previous is OFFLINE
        assert frame.camera == "gate-1"
        assert (frame.full.size.width, frame.full.size.height) == (320, 180)
        later = watched.frame()
        assert later.index > frame.index
        assert later.captured_mono_s >= frame.captured_mono_s
        assert read_number(frame.full.rgb()) < 36


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_both_transports_deliver(server, transport):
    with watching(camera(server.url("gate"), transport=transport)) as watched:
        assert len(set(numbers(watched, 5))) >= 2
        assert watched.reader.counters.corrupt == 0


def test_h265_is_read_like_h264(tmp_path: Path):
    clip = write_clip(tmp_path / "hevc.mp4", codec="libx265")
    with (
        RtspServerThread([Mount("gate", clip.path)]) as thread,
        watching(camera(thread.url("gate"))) as watched,
    ):
        assert 0 <= numbers(watched, 1)[0] < 36


@pytest.mark.parametrize("path", ["basic", "digest"])
def test_a_password_of_special_characters_logs_in(server, path):
    refused = server.counters(path).refused_logins
    with watching(camera(server.url(path), credentials=LOGIN)) as watched:
        watched.wait_for(ONLINE)
    assert server.counters(path).refused_logins == refused


@pytest.mark.parametrize("path", ["basic", "digest"])
@pytest.mark.parametrize("credentials", [Credentials("operator", "wrong"), None])
def test_a_refused_login_is_unauthorized_and_takes_the_slow_path(
    server, path, credentials, caplog: pytest.LogCaptureFixture
):
    slow = RetryDelays(
        BackoffPolicy(0.01, 0.01, spread=0.0), BackoffPolicy(3600.0, 3600.0, spread=0.0)
    )
    tries = server.counters(path).descriptions
    with watching(camera(server.url(path), credentials=credentials), delays=slow) as watched:
        assert "login" in watched.wait_for(CameraState.UNAUTHORIZED).reason
    (fault,) = logged(caplog, "camera_fault")
    assert fault["retry_in_s"] == 3600.0
    assert watched.states == [CameraState.UNAUTHORIZED]
    assert server.counters(path).descriptions - tries <= 2, (
        "every further try helps to lock the account"
    )


def test_a_forbidden_camera_is_unauthorized(server):
    server.set_fault("gate", Fault(FaultKind.REFUSE, status=403))
    with watching(camera(server.url("gate"))) as watched:
        watched.wait_for(CameraState.UNAUTHORIZED)


def test_a_closed_port_is_offline_at_once_and_said_once(caplog: pytest.LogCaptureFixture):
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        url = f"rtsp://127.0.0.1:{placeholder.getsockname()[1]}/gate"
    started_s = time.monotonic()
    with caplog.at_level(logging.INFO), watching(camera(url, open_timeout_s=15)) as watched:
        change = watched.wait_for(OFFLINE)
        assert change.at_mono_s - started_s < 10
        assert "refused the connection" in change.reason
        watched.wait_until(lambda: watched.reader.counters.reconnects >= 3)
        assert len(watched.changes) == 1
    (fault,) = logged(caplog, "camera_fault")
    assert fault["camera"] == "gate-1"
    assert fault["remedy"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "has no such stream"), (453, "refused the request"), (503, "server error")],
)
def test_what_the_camera_answers_becomes_the_reason(server, status, reason):
    server.set_fault("gate", Fault(FaultKind.REFUSE, status=status))
    with watching(camera(server.url("gate"))) as watched:
        assert reason in watched.wait_for(OFFLINE).reason
        server.set_fault("gate", None)
        watched.wait_for(ONLINE)


def test_a_server_that_accepts_and_says_nothing_did_not_answer(server):
    server.set_fault("gate", Fault(FaultKind.MUTE))
    with watching(camera(server.url("gate"), open_timeout_s=0.6)) as watched:
        assert "did not answer in time" in watched.wait_for(OFFLINE).reason


@pytest.mark.parametrize("fault", [Fault(FaultKind.STALL), Fault(FaultKind.MUTE)])
def test_a_stream_that_falls_silent_is_noticed_and_comes_back(server, fault):
    """A stall goes on with sender reports, so bytes alone must not count as images."""
    with watching(camera(server.url("gate"), read_timeout_s=0.5)) as watched:
        watched.wait_for(ONLINE)
        server.set_fault("gate", fault)
        assert "no data for 0.5 s" in watched.wait_for(OFFLINE).reason
        seen = len(watched.changes)
        server.set_fault("gate", None)
        watched.wait_for(ONLINE, after=seen)
        assert watched.reader.counters.reconnects >= 1


@pytest.mark.parametrize("fault", [Fault(FaultKind.KILL), Fault(FaultKind.END)])
def test_a_stream_that_is_cut_comes_back_as_a_stream_restart(server, fault):
    with watching(camera(server.url("gate"))) as watched:
        assert watched.frame().stream_restarts == 0
        watched.wait_for(ONLINE)
        server.set_fault("gate", fault)
        assert watched.wait_for(OFFLINE).reason
        seen = len(watched.changes)
        server.set_fault("gate", None)
        watched.wait_for(ONLINE, after=seen)
        watched.mailbox.take()
        later = watched.frame()
        assert later.stream_restarts >= 1
        assert later.index > 0


def test_no_damaged_image_is_analysed(server):
    with watching(camera(server.url("gate"))) as watched:
        watched.wait_for(ONLINE)
        server.set_fault("gate", Fault(FaultKind.CORRUPT, every=5))
        watched.wait_until(lambda: watched.reader.counters.corrupt >= 5)
        server.set_fault("gate", None)
        assert watched.reader.counters.decoded > 0
        watched.wait_for_decoded(watched.reader.counters.decoded + 1)


def test_leaping_time_stamps_do_not_matter(server):
    with watching(camera(server.url("gate"), read_timeout_s=10.0)) as watched:
        watched.wait_for(ONLINE)
        for leap_s in (3600.0, -7200.0):
            server.set_fault("gate", Fault(FaultKind.JUMP, offset_s=leap_s))
            wanted = watched.reader.counters.decoded + 4
            watched.wait_for_decoded(wanted)
        assert OFFLINE not in watched.states
        assert watched.reader.counters.reconnects == 0


def test_a_camera_that_offers_only_sound_says_so(server):
    sound = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n"
    server.set_fault("gate", Fault(FaultKind.DESCRIPTION, text=sound))
    with pytest.raises(UnreachableFault, match="check that this path has video"):
        open_source(camera(server.url("gate")))


def test_data_that_never_becomes_an_image_counts_as_no_image(server):
    server.set_fault("gate", Fault(FaultKind.CORRUPT, every=1))
    spec = camera(server.url("gate"), open_timeout_s=0.6, read_timeout_s=0.6)
    with watching(spec) as watched:
        assert watched.wait_for(OFFLINE).reason
        assert watched.reader.counters.decoded == 0
        seen = len(watched.changes)
        server.set_fault("gate", None)
        watched.wait_for(ONLINE, after=seen)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_lost_packets_are_damage_until_the_next_key_frame(server, transport):
    with watching(camera(server.url("gate"), transport=transport)) as watched:
        watched.wait_for(ONLINE)
        server.set_fault("gate", Fault(FaultKind.DROP, every=6))
        watched.wait_until(lambda: watched.reader.counters.corrupt >= 5)
        server.set_fault("gate", None)
        watched.wait_for_decoded(watched.reader.counters.decoded + 1)


def test_garbage_between_frames_does_not_matter(server):
    server.set_fault("gate", Fault(FaultKind.GARBAGE))
    with watching(camera(server.url("gate"))) as watched:
        watched.wait_for_decoded(20)
        assert watched.reader.counters.corrupt == 0
        assert OFFLINE not in watched.states


def test_a_reset_within_a_frame_is_noticed_and_comes_back(server):
    with watching(camera(server.url("gate"))) as watched:
        watched.wait_for(ONLINE)
        server.set_fault("gate", Fault(FaultKind.CUT))
        assert watched.wait_for(OFFLINE).reason
        seen = len(watched.changes)
        server.set_fault("gate", None)
        watched.wait_for(ONLINE, after=seen)
        assert watched.reader.counters.corrupt == 0, "half a frame never reaches the decoder"


def test_an_answer_without_end_is_refused_at_once(server):
    server.set_fault("gate", Fault(FaultKind.HUGE))
    with pytest.raises(UnreachableFault, match="more than 64 KiB"):
        open_source(camera(server.url("gate"), open_timeout_s=15))


def test_a_camera_that_wants_the_password_after_digest_gets_none(server):
    spec = camera(server.url("digest"), credentials=LOGIN)
    open_source(spec).close()
    server.set_fault("digest", Fault(FaultKind.BASIC))
    with pytest.raises(UnauthorizedFault, match="hands the password over"):
        open_source(spec)


def test_a_frozen_image_is_measured(server):
    server.set_fault("gate", Fault(FaultKind.FREEZE))
    source = open_source(camera(server.url("gate")))
    try:
        images = (one for one in source.arrivals() if not isinstance(one, StreamSignal))
        assert next(one.still_s for one in images if one.still_s >= 2)
        server.set_fault("gate", None)
        assert next(one for one in images if one.still_s == 0)
    finally:
        source.close()


def test_an_image_larger_than_allowed_is_never_decoded(server):
    spec = replace(camera(server.url("gate"), open_timeout_s=0.8), max_pixels=320 * 170)
    with watching(spec) as watched:
        assert "320 x 192 pixels, more than the 54400 of `max_pixels`" in (
            watched.wait_for(OFFLINE).reason
        )
        assert watched.reader.counters.decoded == 0


def test_a_silent_stream_is_told_and_opened_again_at_the_first_time_out(server):
    with watching(camera(server.url("gate"), read_timeout_s=2.0)) as watched:
        watched.wait_for(ONLINE)
        opened = server.counters("gate").descriptions
        server.set_fault("gate", Fault(FaultKind.STALL))
        stalled_s = time.monotonic()
        change = watched.wait_for(OFFLINE)
        watched.wait_until(lambda: server.counters("gate").descriptions > opened)
        assert change.at_mono_s - stalled_s < 4.0, "one time-out, not two"
        assert watched.states.count(ONLINE) == 1


def test_irregular_key_frames_are_no_outage(tmp_path: Path):
    """A smart codec that stretches its key frames, and one that sends a single one."""
    gaps = {"stretched": [12, 12, 12, 60, 12, 12, 90, 6], "single": [1000]}
    clips = {
        name: write_clip(
            tmp_path / f"{name}.mp4", fps=Fraction(25), frames=200, key_frames=[*accumulate(own)]
        )
        for name, own in gaps.items()
    }
    # Each has a mount of its own: the second viewer of one would wait for the next key frame.
    rates = {f"{name}-{rate}": rate for name in gaps for rate in (2.0, 0.2)}
    mounts = [Mount(case, clips[case.partition("-")[0]].path) for case in rates]
    with RtspServerThread(mounts) as thread, ExitStack() as stack:
        watched = {
            case: stack.enter_context(
                watching(camera(thread.url(case), {"litter": rate}, read_timeout_s=2.0))
            )
            for case, rate in rates.items()
        }
        for one in watched.values():
            one.wait_for(ONLINE)
        time.sleep(6.5)
        assert {case: one.states for case, one in watched.items() if one.states != [ONLINE]} == {}
        assert [one.reader.counters.corrupt for one in watched.values()] == [0] * len(watched)


def test_key_frames_alone_are_decoded_where_they_are_enough(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", fps=Fraction(25), frames=50, gop=5)
    with (
        RtspServerThread([Mount("gate", clip.path)]) as thread,
        watching(camera(thread.url("gate"), {"litter": 4.0}, read_timeout_s=4.0)) as watched,
    ):
        seen = numbers(watched, 7)
        assert all(number % 5 == 0 for number in seen[-3:]), seen
        before, started_s = watched.reader.counters.decoded, time.monotonic()
        numbers(watched, 2)
        rate = (watched.reader.counters.decoded - before) / (time.monotonic() - started_s)
        assert rate < 12.5, "half of the images would still be too many"


def test_stop_returns_while_a_camera_says_nothing(server):
    server.set_fault("gate", Fault(FaultKind.MUTE))
    spec = camera(server.url("gate"), open_timeout_s=0.8)
    with watching(spec) as watched:
        assert watched.reader.stop(0.1) is False, "its thread waits for the camera, and nobody else"
        assert watched.mailbox.take() is None


def test_the_password_is_nowhere_to_be_found(
    server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    canary = "kanarienvogel:@/?#%ä"
    spec = camera(server.url("digest"), credentials=Credentials("operator", canary))
    with caplog.at_level(logging.DEBUG), watching(spec) as watched:
        change = watched.wait_for(CameraState.UNAUTHORIZED)
        watched.wait_until(lambda: watched.reader.counters.reconnects >= 1)
    with pytest.raises(UnauthorizedFault) as caught:
        open_source(spec)
    shown = [repr(change), *map(repr, chain(caught.value)), *map(str, chain(caught.value))]
    shown += [repr(vars(record)) for record in caplog.records]
    shown += [*capfd.readouterr()]
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert not [text for text in shown if "kanarienvogel" in text]


def test_no_password_in_what_a_running_stream_says(server, caplog: pytest.LogCaptureFixture):
    spec = camera(server.url("basic"), credentials=LOGIN, read_timeout_s=0.6)
    with caplog.at_level(logging.DEBUG), watching(spec) as watched:
        watched.wait_for(ONLINE)
        server.set_fault("basic", Fault(FaultKind.STALL))
        watched.wait_for(OFFLINE)
        server.set_fault("basic", Fault(FaultKind.KILL))
        watched.wait_until(lambda: watched.reader.counters.reconnects >= 2)
        shown = [repr(change) for change in watched.changes]
    shown += [repr(vars(record)) for record in caplog.records]
    assert not [text for text in shown if "operator" in text or "%40" in text]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_fault_names_the_camera_and_the_remedy(server):
    with pytest.raises(CameraFault) as caught:
        open_source(camera(server.url("basic")))
    assert "gate-1" in str(caught.value)
    assert caught.value.remedy in str(caught.value)
