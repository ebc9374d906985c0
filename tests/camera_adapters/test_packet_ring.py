"""The ring: what it holds is bounded, decodable, and never mixes what does not belong together."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest

from camera_adapters.packet_ring import ClipWindow, KeptPacket, PacketFormat, PacketRing
from camera_adapters.remuxing import ClipFile, RemuxError, remux
from tests.camera_adapters.clips import TinyClip, read_number, write_clip
from tests.camera_adapters.filled_ring import BEGIN_S, FilledRing

RATE = Fraction(25, 2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> TinyClip:
    return write_clip(tmp_path_factory.mktemp("ring") / "clip.mp4")


@pytest.fixture(scope="module")
def stream(tmp_path_factory) -> TinyClip:
    """A byte stream with start codes, its parameter sets before every key frame."""
    return write_clip(tmp_path_factory.mktemp("ring") / "clip.ts")


def cut(filled: FilledRing, opened_s: float) -> ClipFile:
    window = filled.window
    wanted = filled.ring.reserve(opened_s - window.before_s, opened_s, opened_s + window.after_s)
    filled.ring.settle(now=True)
    assert wanted.cut is not None, wanted.refused
    return remux(wanted.cut)


def images(clip: ClipFile) -> list[int]:
    with av.open(io.BytesIO(clip.data), "r") as container:
        return [read_number(one.to_ndarray(format="rgb24")) for one in container.decode(video=0)]


def test_it_is_bounded_in_seconds_and_begins_at_a_key_frame(clip):
    filled = FilledRing(ClipWindow(before_s=1, after_s=1))
    filled.begin(clip.path)
    for _ in range(6):
        filled.put(clip.path)
    kept_s = filled.ring.used_bytes / clip.path.stat().st_size * clip.duration_s
    # Two seconds, the slack, and at most the rest of a group; of 17 s in all.
    assert 6 <= kept_s <= 9
    made = cut(filled, filled.now_s - 3)
    assert images(made)[0] % clip.gop == 0


def test_it_is_bounded_in_bytes_and_the_clip_says_so(clip):
    size = clip.path.stat().st_size
    filled = FilledRing(ClipWindow(before_s=8, after_s=1, max_bytes=size))
    filled.begin(clip.path)
    for _ in range(4):
        filled.put(clip.path)
    assert filled.ring.used_bytes <= size
    made = cut(filled, filled.now_s - 1)
    assert "late: no more than 0 MB are kept" in made.shortened
    assert made.duration_s < 2 * clip.duration_s


def test_key_frames_that_do_not_come_leave_nothing_that_could_be_shown(clip):
    size = clip.path.stat().st_size
    filled = FilledRing(ClipWindow(before_s=1, after_s=1, max_bytes=size))
    filled.begin(clip.path)
    for _ in range(3):
        filled.put(clip.path, key=lambda number, _: number == 0 and filled.now_s == BEGIN_S)
    wanted = filled.ring.reserve(filled.now_s - 1, filled.now_s, filled.now_s)
    filled.ring.settle(now=True)
    assert wanted.cut is None
    assert "its key frames are more than 0 MB" in wanted.refused


def test_a_stream_without_a_key_frame_has_no_clip(clip):
    filled = FilledRing()
    filled.begin(clip.path)
    filled.put(clip.path, key=lambda *_: False)
    wanted = filled.ring.reserve(BEGIN_S, BEGIN_S + 1, BEGIN_S + 2)
    filled.ring.settle(now=True)
    assert wanted.refused == "no key frame has come since the stream began"
    assert filled.ring.used_bytes == 0


def test_another_codec_has_no_clip():
    ring = PacketRing(ClipWindow(), lambda: BEGIN_S)
    ring.begin(PacketFormat("mjpeg"))
    ring.put(KeptPacket(b"\xff\xd8", 0.0, key=True, at_s=BEGIN_S))
    wanted = ring.reserve(BEGIN_S, BEGIN_S, BEGIN_S)
    ring.settle(now=True)
    assert wanted.refused == "its video is mjpeg, and clips are made of H.264 and H.265"


def test_two_formats_are_never_in_one_clip(tmp_path, stream):
    larger = write_clip(tmp_path / "larger.ts", width=640, height=360)
    filled = FilledRing(ClipWindow(before_s=2, after_s=2))
    filled.begin(stream.path)
    filled.put(stream.path)
    changed_s = filled.now_s
    filled.put(larger.path)
    before, after = cut(filled, changed_s - 0.5), cut(filled, changed_s + 0.5)
    assert (before.width, after.width) == (320, 640)
    assert "early: the format of its video changed" in before.shortened
    assert "late: the format of its video changed" in after.shortened
    assert len(images(after)) == after.packets


def test_the_same_parameter_sets_again_begin_nothing(stream):
    filled = FilledRing(ClipWindow(before_s=4, after_s=1))
    filled.begin(stream.path)
    for _ in range(3):
        filled.put(stream.path, stamp=lambda *_: None)
    made = cut(filled, filled.now_s - 1)
    assert not made.shortened
    assert made.duration_s == pytest.approx(5, abs=1.1)


@pytest.mark.parametrize(
    "stamp",
    [
        lambda _, shown_s: None,
        lambda _, shown_s: 5.0,
        lambda number, shown_s: shown_s + 3600 * (number >= 12),
        lambda number, shown_s: shown_s - 1.3 * (number >= 24),
        lambda _, shown_s: shown_s * 3,
        lambda _, shown_s: -shown_s,
    ],
    ids=["none", "still", "leap", "back", "fast clock", "backwards"],
)
def test_stamps_that_are_wrong_do_not_make_the_span_wrong(clip, stamp):
    filled = FilledRing(ClipWindow(before_s=5, after_s=5))
    filled.begin(clip.path)
    filled.put(clip.path, stamp=stamp)
    made = cut(filled, BEGIN_S + 1)
    assert made.duration_s == pytest.approx(clip.duration_s, abs=0.1)
    assert images(made) == list(range(clip.frames))
    with av.open(io.BytesIO(made.data), "r") as container:
        stated_s = (container.duration or 0) / 1e6
    assert stated_s == pytest.approx(made.duration_s, abs=0.01)


def test_packets_that_no_file_takes_are_an_error(clip):
    ring = PacketRing(ClipWindow(), lambda: BEGIN_S)
    ring.begin(PacketFormat("h264"))
    ring.put(KeptPacket(b"\0\0\1\x65garbage", 0.0, key=True, at_s=BEGIN_S))
    wanted = ring.reserve(BEGIN_S, BEGIN_S, BEGIN_S)
    ring.settle(now=True)
    assert wanted.cut is not None
    with pytest.raises(RemuxError):
        remux(wanted.cut)
