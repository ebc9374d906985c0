"""Players of other makers see exactly the clip's images: FFmpeg in PyAV, FFmpeg in OpenCV."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from simulation.rtsp_server.clip import load_clip
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip, read_number, write_clip
from tests.simulation.rtsp_server.conftest import PASSWORD

pytestmark = pytest.mark.integration

_TIMEOUT = (5.0, 5.0)


def watch(url: str, transport: str = "tcp") -> av.container.InputContainer:
    options = {"rtsp_transport": transport, "analyzeduration": "100000"}
    return av.open(url, options=options, timeout=_TIMEOUT)


def steps(frames: list[av.VideoFrame]) -> set[int]:
    """Differences of time stamps; FFmpeg gives the first frame none."""
    stamps = [frame.pts for frame in frames[1:] if frame.pts is not None]
    assert len(stamps) == len(frames) - 1
    return {later - earlier for earlier, later in pairwise(stamps)}


def images(source: str | Path, count: int) -> list[npt.NDArray[Any]]:
    with av.open(str(source)) as container:
        frames = islice(container.decode(video=0), count)
        return [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pyav_decodes_the_clips_own_pixels(
    server: RtspServerThread, fast_clip: TinyClip, transport: str
) -> None:
    expected = images(fast_clip.path, 16)
    with watch(server.url("cam"), transport) as camera:
        decoded = [f.to_ndarray(format="rgb24") for f in islice(camera.decode(video=0), 16)]
    assert [read_number(image) for image in decoded] == list(range(16))
    assert all(np.array_equal(*pair) for pair in zip(decoded, expected, strict=True))


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        pytest.param("libx264", {"bf": "2", "x264-params": "b-adapt=0:scenecut=0"}, id="b-frames"),
        pytest.param("libx265", {}, id="h265"),
    ],
)
def test_other_encodings_loop_too(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    clip = write_clip(tmp_path / "c.mp4", fps=Fraction(50), frames=24, codec=codec, options=options)
    assert (load_clip(clip.path).reorder_ticks > 0) == bool(options)
    expected = images(clip.path, 24)
    with (
        RtspServerThread([Mount("cam", clip.path)]) as server,
        watch(server.url("cam")) as camera,
    ):
        frames = list(islice(camera.decode(video=0), 40))
    decoded = [frame.to_ndarray(format="rgb24") for frame in frames]
    assert [read_number(image) for image in decoded] == [n % 24 for n in range(40)]
    assert all(np.array_equal(p, expected[n % 24]) for n, p in enumerate(decoded))
    assert steps(frames) == {1800}


def test_time_stamps_run_on_over_the_seam(server: RtspServerThread, fast_clip: TinyClip) -> None:
    with watch(server.url("cam")) as camera:
        frames = list(islice(camera.decode(video=0), fast_clip.frames + 8))
    numbers = [read_number(frame.to_ndarray(format="rgb24")) for frame in frames]
    assert numbers == [n % fast_clip.frames for n in range(len(frames))]
    assert steps(frames) == {90_000 // 50}


def test_large_frames_survive_udp(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "big.mp4", width=640, height=360, frames=6, gop=3, noise=True)
    assert max(unit.size_bytes for unit in load_clip(clip.path).units) > 100_000
    expected = images(clip.path, 6)
    with (
        RtspServerThread([Mount("cam", clip.path)]) as server,
        watch(server.url("cam"), "udp") as camera,
    ):
        decoded = [f.to_ndarray(format="rgb24") for f in islice(camera.decode(video=0), 6)]
    assert all(np.array_equal(*pair) for pair in zip(decoded, expected, strict=True))


def test_opencv_sees_the_same_frames(server: RtspServerThread, fast_clip: TinyClip) -> None:
    capture = cv2.VideoCapture(
        server.url("cam"), cv2.CAP_FFMPEG, [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000]
    )
    try:
        assert capture.isOpened()
        assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fast_clip.fps)
        shown = [capture.read() for _ in range(14)]
    finally:
        capture.release()
    assert all(ok for ok, _ in shown)
    numbers = [read_number(image) for _, image in shown]
    assert numbers == [(numbers[0] + n) % fast_clip.frames for n in range(14)]
    reference = images(fast_clip.path, fast_clip.frames)[numbers[5]][:, :, ::-1].astype(int)
    assert np.abs(shown[5][1].astype(int) - reference).mean() < 3


def test_two_viewers_watch_at_once(server: RtspServerThread, fast_clip: TinyClip) -> None:
    with watch(server.url("cam")) as first:
        early = next(iter(first.decode(video=0)))
        with watch(server.url("cam")) as second:
            late = list(islice(second.decode(video=0), 6))
            both = server.counters("cam")
            more = list(islice(first.decode(video=0), 40))
    numbers = [read_number(frame.to_ndarray(format="rgb24")) for frame in late]
    assert read_number(early.to_ndarray(format="rgb24")) == 0
    assert numbers[0] % fast_clip.gop == 0
    assert numbers[0] > 0
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert len(more) == 40
    assert (both.viewers, both.viewers_total) == (2, 2)


def test_a_lonely_viewer_starts_at_the_first_frame_again(server: RtspServerThread) -> None:
    for _ in range(2):
        with watch(server.url("cam")) as camera:
            first = next(iter(camera.decode(video=0)))
            assert read_number(first.to_ndarray(format="rgb24")) == 0


def test_a_free_running_clip_does_not_wait_for_viewers(fast_clip: TinyClip) -> None:
    with RtspServerThread([Mount("cam", fast_clip.path, start="server")]) as server:
        with watch(server.url("cam")) as camera:
            next(iter(camera.decode(video=0)))
        with watch(server.url("cam")) as camera:
            first = next(iter(camera.decode(video=0)))
    number = read_number(first.to_ndarray(format="rgb24"))
    assert number % fast_clip.gop == 0


@pytest.mark.parametrize("mount", ["basic", "digest"])
def test_the_right_password_opens(server: RtspServerThread, mount: str) -> None:
    url = server.url(mount).replace("rtsp://", f"rtsp://viewer:{PASSWORD}@")
    with watch(url) as camera:
        first = next(iter(camera.decode(video=0)))
    assert read_number(first.to_ndarray(format="rgb24")) == 0
    assert server.counters(mount).refused_logins == 0


@pytest.mark.parametrize("mount", ["basic", "digest"])
@pytest.mark.parametrize("login", ["", "viewer:wrong@", f"nobody:{PASSWORD}@"])
def test_a_wrong_login_is_refused(server: RtspServerThread, mount: str, login: str) -> None:
    with pytest.raises(av.error.HTTPUnauthorizedError):
        watch(server.url(mount).replace("rtsp://", f"rtsp://{login}"))
    assert server.counters(mount).viewers_total == 0
    assert server.counters(mount).refused_logins == (1 if login else 0)
