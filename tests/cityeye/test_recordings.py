"""Recordings as cameras: any file that can be read becomes a clip that an RTSP camera can send."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cityeye.cli import main
from cityeye.errors import CommandError
from cityeye.recordings import CLIP_FPS, camera_clip, frames_of, recordings_in
from simulation.rtsp_server.clip import load_clip


def record(path: Path, *, codec: str = "mpeg4", fps: int = 10, count: int = 20) -> Path:
    """A grey recording that grows brighter; odd sides, as recorders have them."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 162, 122, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for number in range(count):
            image = np.full((122, 162, 3), 40 + 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_a_recording_becomes_a_clip_once_with_its_own_times(tmp_path, suffix):
    recording = record(tmp_path / f"yard{suffix}")
    seconds: list[float] = []
    clip = camera_clip(recording, tmp_path / "cache", seconds.append)
    assert seconds == sorted(seconds)
    loaded = load_clip(clip)
    assert loaded.codec == "h264"
    assert loaded.units[0].key
    assert loaded.reorder_ticks == 0
    assert loaded.duration_s == pytest.approx(2.0, abs=0.15)
    means = [float(frame.full.rgb().mean()) for frame in frames_of(clip, CLIP_FPS)]
    assert means == sorted(means)
    assert len(means) >= 19
    made = clip.stat().st_mtime_ns
    assert camera_clip(recording, tmp_path / "cache", seconds.append) == clip
    assert clip.stat().st_mtime_ns == made


def test_a_recording_that_changed_becomes_another_clip(tmp_path):
    recording = record(tmp_path / "yard.mp4")
    first = camera_clip(recording, tmp_path / "cache", lambda _: None)
    record(recording, count=30)
    assert camera_clip(recording, tmp_path / "cache", lambda _: None) != first


def test_what_is_no_recording_is_said_with_its_name(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    with pytest.raises(CommandError, match=r"broken\.mp4 cannot be read"):
        camera_clip(broken, tmp_path / "cache", lambda _: None)
    assert not list((tmp_path / "cache").glob("*.mp4"))


def test_a_folder_is_searched_by_name(tmp_path):
    for name in ("b.MP4", "a.avi", "notes.txt"):
        (tmp_path / name).touch()
    assert [one.name for one in recordings_in(tmp_path)] == ["a.avi", "b.MP4"]
    with pytest.raises(CommandError, match="there is no folder"):
        recordings_in(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match="holds no recording; its files must end in one of"):
        recordings_in(tmp_path / "empty")


def test_a_demo_on_recordings_wants_a_network_that_was_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--real", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "packages holds no fetched detector; bring one in: cityeye models fetch" in said
    assert main(["demo", "--real", str(tmp_path), "--model", "mine"]) == 1
    assert "packages holds no package mine" in capsys.readouterr().err
