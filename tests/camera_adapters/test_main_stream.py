"""The main stream of a camera: its image is of the moment and the view that was asked for, or none.

Cameras here send clips whose images show their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camera_adapters import main_stream
from camera_adapters.backoff import BackoffPolicy, RetryDelays
from camera_adapters.evidence_image import EvidenceImage, MainImageMissedError
from camera_adapters.geometry import Size
from camera_adapters.main_stream import MainStream, different_shape
from camera_adapters.packet_ring import ClipWindow
from camera_adapters.spec import CameraSpec
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip, read_number, write_clip
from tests.camera_adapters.readers import camera
from tests.pipelines.frames import PlainImage

MAIN, SMALL = Size(640, 360), Size(320, 180)
INFERRED = PlainImage(np.zeros((SMALL.height, SMALL.width, 3), np.uint8))
SOON = RetryDelays(BackoffPolicy(0.1, 0.1), BackoffPolicy(0.1, 0.1))
WAIT_S = 15.0
FULL_RING_S = 1.6
ONE_IMAGE_S = 0.08


class Sent:
    """When the server sent each image of a clip last, monotonic seconds."""

    def __init__(self) -> None:
        self._sent: list[tuple[float, int]] = []

    def __call__(self, _path: str, number: int, at_s: float) -> None:
        self._sent.append((at_s, number))

    def at(self, at_s: float) -> tuple[float, int]:
        """Time and number of the image that was sent nearest to a time."""
        return min(self._sent, key=lambda one: abs(one[0] - at_s))


def two_streams(url: str) -> CameraSpec:
    return replace(camera("rtsp://unused/small"), main_source=url, read_timeout_s=1.5)


@contextmanager
def received(
    spec: CameraSpec, inferred: Callable[[], Size | None] = lambda: SMALL
) -> Iterator[MainStream]:
    assert spec.main is not None
    stream = MainStream(spec.main, inferred, delays=SOON)
    stream.start()
    try:
        yield stream
    finally:
        assert stream.stop(WAIT_S), "its thread did not end"


def wait_until(holds: Callable[[], bool], what: object = "") -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.01)


def wait_well(stream: MainStream) -> None:
    wait_until(lambda: not stream.status.fault, stream.status)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> TinyClip:
    folder: Path = tmp_path_factory.mktemp("main")
    return write_clip(folder / "main.mp4", width=MAIN.width, height=MAIN.height)


def test_an_image_is_of_the_moment_that_was_asked_for(clip):
    sent = Sent()
    with (
        RtspServerThread([Mount("main", clip.path)], on_frame=sent) as server,
        received(two_streams(server.url("main"))) as stream,
    ):
        assert stream.status.fault, "nothing has come yet"
        wait_well(stream)
        time.sleep(FULL_RING_S)
        now_s = time.monotonic()
        for ago_s in (0.0, 0.03, 0.31, 0.7, 1.2):
            image = stream.image(now_s - ago_s, INFERRED)
            assert (image.stream, image.reason, image.size) == ("main", "", MAIN)
            at_s, number = sent.at(now_s - ago_s)
            assert abs(at_s - (now_s - ago_s)) <= ONE_IMAGE_S
            # Sending and receiving may lie on different sides of the middle between two images.
            assert (read_number(image.rgb()) - number) % clip.frames in (0, 1, clip.frames - 1)
        status = stream.status
        assert (status.image, status.keyframes, status.missed) == (MAIN, 5, 0)
        assert status.kept_bytes > 0
        assert status.cpu_s > 0


def test_a_moment_of_which_nothing_is_kept_has_the_smaller_image_and_says_so(clip):
    with (
        RtspServerThread([Mount("main", clip.path)]) as server,
        received(two_streams(server.url("main"))) as stream,
    ):
        wait_well(stream)
        image = stream.image(time.monotonic() - 60.0, INFERRED)
        assert (image.stream, image.size) == ("inference", SMALL)
        assert image.reason.startswith("it has no image of that moment: its nearest image is")
        assert image.rgb() is INFERRED.pixels
        # That an old moment is gone says nothing of now.
        assert (stream.status.fault, stream.status.missed) == ("", 1)


def test_one_that_goes_away_says_why_and_one_that_is_back_is_taken_again(clip):
    with (
        RtspServerThread([Mount("main", clip.path)]) as server,
        received(two_streams(server.url("main"))) as stream,
    ):
        wait_well(stream)
        server.set_fault("main", Fault(FaultKind.MUTE))
        wait_until(lambda: bool(stream.status.fault), stream.status)
        time.sleep(main_stream.SAME_MOMENT_S)
        image = stream.image(time.monotonic(), INFERRED)
        assert image.stream == "inference"
        assert stream.status.fault in image.reason
        server.set_fault("main", None)
        wait_well(stream)
        assert stream.image(time.monotonic(), INFERRED).stream == "main"
        assert stream.status.reconnects >= 1


def test_a_main_stream_that_was_never_there_says_why(clip):
    with (
        RtspServerThread([Mount("main", clip.path)]) as server,
        received(two_streams(server.url("main").replace("/main", "/other"))) as stream,
    ):
        wait_until(lambda: "has no such stream" in stream.status.fault, stream.status)
        image = stream.image(time.monotonic(), INFERRED)
        assert (image.stream, stream.status.image) == ("inference", None)
        assert "has no such stream" in image.reason


def test_another_shape_is_another_view_and_is_said_before_any_keyframe(clip):
    square = Size(320, 240)
    with (
        RtspServerThread([Mount("main", clip.path)]) as server,
        received(two_streams(server.url("main")), lambda: square) as stream,
    ):
        wait_until(lambda: stream.status.image is not None)
        wait_until(lambda: "640x360" in stream.status.fault, stream.status)
        assert "320x240" in stream.status.fault
        inferred = PlainImage(np.zeros((square.height, square.width, 3), np.uint8))
        image = stream.image(time.monotonic(), inferred)
        assert (image.stream, image.size) == ("inference", square)
        assert "the same ratio" in image.reason


@pytest.mark.parametrize(
    ("main", "inferred", "same"),
    [
        ((1920, 1080), (640, 360), True),
        ((1920, 1080), (640, 352), True),
        ((2560, 1440), (704, 396), True),
        ((1920, 1080), (704, 576), False),
        ((1920, 1080), (640, 480), False),
        ((1920, 1080), (360, 640), False),
        ((2592, 1944), (640, 480), True),
    ],
)
def test_which_sizes_show_one_view(main, inferred, same):
    assert (different_shape(Size(*main), Size(*inferred)) == "") is same


def test_key_frames_far_apart_cost_no_more_than_is_allowed(tmp_path, monkeypatch):
    clip = write_clip(
        tmp_path / "long.mp4", width=MAIN.width, height=MAIN.height, frames=200, gop=200
    )
    with (
        RtspServerThread([Mount("main", clip.path)]) as server,
        received(two_streams(server.url("main"))) as stream,
    ):
        wait_well(stream)
        time.sleep(1.0)
        monkeypatch.setattr(main_stream, "MOST_DECODE_S", 1e-4)
        began_s = time.thread_time()
        image = stream.image(time.monotonic(), INFERRED)
        assert "set the camera to a key frame every one or two seconds" in image.reason
        assert time.thread_time() - began_s < 0.5
        assert stream.status.fault == image.reason, "it stays so until one succeeds"
        monkeypatch.setattr(main_stream, "MOST_DECODED_BYTES", 100)
        assert "came since its last key frame" in stream.image(time.monotonic(), INFERRED).reason
        monkeypatch.undo()
        assert stream.image(time.monotonic(), INFERRED).stream == "main"
        assert stream.status.fault == ""


def test_what_is_kept_is_bounded(tmp_path):
    clip = write_clip(tmp_path / "main.mp4", width=640, height=360, noise=True)
    most = clip.path.stat().st_size // 2
    with RtspServerThread([Mount("main", clip.path)]) as server:
        spec = two_streams(server.url("main"))
        with received(replace(spec, clip=ClipWindow(max_bytes=most))) as stream:
            until_s = time.monotonic() + 2 * clip.duration_s
            while time.monotonic() < until_s:
                assert stream.status.kept_bytes <= most
                time.sleep(0.05)
            assert stream.status.kept_bytes > 0


def test_it_ends_at_once_while_a_camera_keeps_it_waiting(clip):
    with RtspServerThread([Mount("main", clip.path)]) as server:
        with received(two_streams(server.url("main"))) as stream:
            wait_well(stream)
            server.set_fault("main", Fault(FaultKind.MUTE))
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 1.5


def test_an_image_is_decoded_once_and_only_when_it_is_wanted():
    calls: list[int] = []

    def decode() -> PlainImage:
        calls.append(1)
        return PlainImage(np.zeros((MAIN.height, MAIN.width, 3), np.uint8))

    image = EvidenceImage(INFERRED, decode)
    assert not calls
    assert (image.size, image.stream, image.rgb().shape) == (MAIN, "main", (360, 640, 3))
    assert calls == [1]


def test_an_image_that_cannot_be_had_is_that_of_the_smaller_stream():
    def decode() -> PlainImage:
        raise MainImageMissedError("it is away")

    image = EvidenceImage(INFERRED, decode)
    assert (image.size, image.stream, image.reason) == (SMALL, "inference", "it is away")


def test_a_camera_with_one_stream_has_no_other():
    assert camera("rtsp://gate/live").main is None


def test_the_main_stream_is_read_with_the_same_login_and_asks_for_no_gpu():
    spec = replace(two_streams("rtsp://gate/main"), decoder="cuda", rates={"traffic": 5.0})
    main = spec.main
    assert main is not None
    assert (main.source, main.main_source, main.decoder) == ("rtsp://gate/main", "", "cpu")
    assert (main.credentials, main.rates, main.fps) == (spec.credentials, {}, 0.0)


def test_no_login_may_stand_in_its_address():
    with pytest.raises(ValueError, match="must not carry credentials"):
        two_streams("rtsp://viewer:secret@gate/main")
