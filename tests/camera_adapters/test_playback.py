"""A recording in place of a camera: its frames follow from the file alone, at any speed."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from camera_adapters.decoding import VideoContainer
from camera_adapters.errors import CameraFault
from camera_adapters.playback import RECORDING_BEGIN, Playback
from camera_adapters.spec import CameraSpec
from tests.camera_adapters.clips import read_number, write_clip

RATES = {"often": 5.0, "seldom": 1.0}


def camera(read_timeout_s: float = 8.0) -> CameraSpec:
    return CameraSpec("gate", "rtsp://nowhere.invalid/", rates=RATES, read_timeout_s=read_timeout_s)


def seen(
    path: Path, pause_s: float = 0.0, read_timeout_s: float = 8.0
) -> tuple[Playback, list[tuple[int, float, frozenset[str]]]]:
    """Number, second and tasks of each frame, for somebody who needs `pause_s` for each."""
    frames = []
    with closing(Playback(camera(read_timeout_s), path)) as playback:
        for frame in playback.frames():
            number = read_number(frame.full.rgb())
            frames.append((number, round(frame.captured_mono_s, 3), frame.tasks))
            assert (frame.captured_at - RECORDING_BEGIN).total_seconds() == pytest.approx(
                frame.captured_mono_s, abs=1e-5
            )
            assert frame.arrived_mono_s == frame.captured_mono_s
            time.sleep(pause_s)
    return playback, frames


def damaged(path: Path, begin: float, end: float) -> Path:
    """A copy without the bytes of a stretch, given in shares of the file."""
    data = bytearray(path.read_bytes())
    begins, ends = int(len(data) * begin), int(len(data) * end)
    data[begins:ends] = bytes(ends - begins)
    copy = path.with_stem(f"{path.stem}-damaged")
    copy.write_bytes(data)
    return copy


def test_each_task_gets_its_rate_by_the_time_of_the_recording(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    playback, frames = seen(clip.path)
    often = [number for number, _, tasks in frames if "often" in tasks]
    assert often == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35]
    # A tenth of an interval early is early enough.
    assert [number for number, _, tasks in frames if "seldom" in tasks] == [0, 12, 24]
    assert all(at_s == pytest.approx(number / clip.fps, abs=1e-3) for number, at_s, _ in frames)
    assert (playback.decoded, playback.damaged, playback.absent_s) == (36, 0, 0.0)
    assert playback.duration_s == pytest.approx(clip.duration_s)


def test_whoever_is_slow_gets_the_same_frames(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    assert seen(clip.path, pause_s=0.02)[1] == seen(clip.path)[1]


def test_what_comes_of_damage_does_not_depend_on_speed(tmp_path):
    # Images are held back for 1 s after damage where no key frame comes: of the recording.
    clip = write_clip(tmp_path / "clip.mp4", frames=60, gop=60)
    broken = damaged(clip.path, 0.2, 0.25)
    fast, frames = seen(broken, read_timeout_s=2.0)
    slow, same = seen(broken, pause_s=0.02, read_timeout_s=2.0)
    assert frames == same
    assert 0 < fast.damaged == slow.damaged
    assert fast.read_s == pytest.approx(clip.duration_s, abs=0.1)
    assert any(at_s > 2.0 for _, at_s, _ in frames), "goes on behind the damage"


def test_a_file_that_lost_its_end_says_how_much(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", frames=60)
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: len(data) * 6 // 10])
    playback, frames = seen(clip.path)
    assert playback.duration_s + playback.absent_s == pytest.approx(clip.duration_s, abs=0.1)
    assert playback.absent_s > 1.0
    assert len(frames) >= 10


def test_a_disk_that_fails_ends_it_where_it_is(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4")
    original, packets = VideoContainer.read, Counter[VideoContainer]()

    def read(self):
        packets[self] += 1
        if packets[self] > 20:
            raise OSError(5, "Input/output error")
        return original(self)

    monkeypatch.setattr(VideoContainer, "read", read)
    playback, frames = seen(clip.path)
    assert playback.broken_off.startswith("the file clip.mp4 breaks off")
    assert len(frames) > 5
    assert playback.read_s < clip.duration_s - 1


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("none.mp4", None, "does not exist"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"not a film\n" * 100, "is not a video file"),
    ],
)
def test_what_is_no_recording_is_said(tmp_path, name, content, what):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CameraFault, match=f"camera gate: the file {name} {what}"):
        Playback(camera(), tmp_path / name)
