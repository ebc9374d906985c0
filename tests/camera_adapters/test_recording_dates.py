"""Recordings of every container, whole and damaged: how long they last, and of when they are."""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from camera_adapters.file import FileSource
from camera_adapters.frame import Frame
from camera_adapters.source import StreamSignal
from tests.camera_adapters.readers import camera, watching
from tests.camera_adapters.recordings import FPS, write_times

RUN = [number / FPS for number in range(100)]
LENGTH_S = 10.0


def media_times(path: Path) -> list[float]:
    source = FileSource(camera(str(path)))
    return [one.media_s for one in source.arrivals() if not isinstance(one, StreamSignal)]


def frames(path: Path) -> list[Frame]:
    with watching(camera(str(path), {"traffic": 5.0})) as watched:
        return watched.frames_to_end()


def assert_dated(path: Path, length_s: float = LENGTH_S, within_s: float = 0.5) -> None:
    """No frame is of the future, or older than the recording is long, and all are apart."""
    before = datetime.now(UTC)
    found = frames(path)
    after = datetime.now(UTC)
    assert all(one.captured_at <= after for one in found)
    assert (before - found[0].captured_at).total_seconds() < length_s + 1.0
    span_s = found[-1].captured_mono_s - found[0].captured_mono_s
    assert span_s == pytest.approx(length_s, abs=within_s)
    assert len(found) == pytest.approx(length_s * 5, abs=1 + 5 * within_s)


@pytest.mark.parametrize(
    ("name", "format_", "options"),
    [
        ("good.mp4", None, {}),
        ("raw.h264", "h264", {}),
        ("live.mkv", "matroska", {"live": "1"}),
        ("live.flv", "flv", {"flvflags": "no_duration_filesize"}),
        ("broadcast.ts", "mpegts", {}),
        ("frames.avi", None, {}),
    ],
)
def test_frames_of_a_recording_read_fast_are_of_its_length_up_to_now(
    tmp_path: Path, name: str, format_: str | None, options: dict[str, str]
):
    assert_dated(write_times(tmp_path / name, RUN, format_=format_, options=options))


@pytest.mark.parametrize("names", [(b"mvhd",), (b"mvhd", b"tkhd", b"mdhd")])
@pytest.mark.parametrize("factor", [0, 3600])
def test_a_header_that_lies_about_the_length_is_not_believed(tmp_path: Path, names, factor):
    path = write_times(tmp_path / "clip.mp4", RUN)
    data = bytearray(path.read_bytes())
    for name in names:
        at = data.find(name) + (24 if name == b"tkhd" else 20)
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] * factor)
    path.write_bytes(data)
    assert_dated(path)


def test_a_recording_that_was_cut_off_is_as_long_as_what_is_left(tmp_path: Path):
    for name in ("cut.ts", "cut.mkv", "cut.flv"):
        path = write_times(tmp_path / name, RUN)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        times_s = media_times(path)
        assert 2 < times_s[-1] < 8
        assert_dated(path, times_s[-1])


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_put_together_are_as_long_as_all_of_them(tmp_path: Path, parts: int):
    part = write_times(tmp_path / "part.ts", RUN)
    whole = tmp_path / "whole.ts"
    whole.write_bytes(part.read_bytes() * parts)
    # Where parts meet, the container's own counters break: some images count as damaged.
    assert_dated(whole, parts * LENGTH_S, within_s=0.5 * parts)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.flv"])
@pytest.mark.parametrize("pause_s", [8.0, 55.0, 7 * 3600.0])
def test_a_pause_of_a_recording_is_kept(tmp_path: Path, name: str, pause_s: float):
    times_s = [*RUN, *(one + LENGTH_S + pause_s for one in RUN)]
    path = write_times(tmp_path / name, times_s)
    assert media_times(path) == pytest.approx(times_s, abs=0.01)
    found = frames(path)
    assert found[-1].captured_at <= datetime.now(UTC)
    assert found[-1].stream_restarts == (pause_s > 10)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_time_lapse_keeps_its_time_whatever_its_header_says(tmp_path, name, b_frames):
    times_s = [15.0 * number for number in range(20)]
    path = write_times(tmp_path / name, times_s, rate=25, b_frames=b_frames)
    assert media_times(path) == pytest.approx(times_s)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4", "clip.mkv", "clip.ts"])
def test_b_frames_take_their_time_and_no_more(tmp_path: Path, codec: str, name: str):
    path = write_times(tmp_path / name, RUN, codec=codec, b_frames=2)
    times_s = media_times(path)
    assert len(times_s) == pytest.approx(len(RUN), abs=1)
    assert times_s[-1] == pytest.approx(RUN[-1], abs=0.4)
    assert np.diff(times_s[10:]) == pytest.approx(1 / FPS, abs=0.01)


def test_nobody_waits_for_a_pause_of_a_recording_that_is_played(tmp_path: Path):
    path = write_times(tmp_path / "clip.mkv", [0.0, 0.1, 0.2, 3600.0, 3600.1, 3600.2])
    started_s = time.monotonic()
    with watching(camera(f"{path.as_uri()}?realtime=1", {"traffic": 1e5})) as watched:
        watched.wait_for_decoded(6)
        (frame,) = watched.frames_to_end()[-1:]
    assert 0.5 <= frame.captured_mono_s - started_s < 60
    assert frame.stream_restarts == 1, "nothing is known of what was left out"
