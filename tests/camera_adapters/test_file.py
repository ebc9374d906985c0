"""Recordings as cameras: read whole or played, looped or ended, and never a traceback."""

from __future__ import annotations

import logging
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec
from camera_adapters.state import CameraState
from tests.camera_adapters.clips import TinyClip, read_number, write_clip
from tests.camera_adapters.readers import camera, watching
from tests.camera_adapters.recordings import damage_image, write_images, write_times

EVERY_IMAGE = 1e5
"""A rate at which every image is due, also those that a busy machine decodes in a hurry."""

ONLINE, OFFLINE = CameraState.ONLINE, CameraState.OFFLINE


def numbers(spec: CameraSpec) -> list[int]:
    with watching(spec) as watched:
        return [read_number(frame.full.rgb()) for frame in watched.frames_to_end()]


def test_a_recording_is_read_whole_and_ends(tiny_clip: TinyClip):
    with watching(camera(str(tiny_clip.path))) as watched:
        frames = watched.frames_to_end()
        assert [read_number(frame.full.rgb()) for frame in frames] == list(range(36))
        assert [frame.index for frame in frames] == list(range(36))
        assert watched.states == [ONLINE, OFFLINE]
        assert watched.changes[-1].reason == "ended"
        assert watched.reader.ended
        counters = watched.reader.counters
    assert (counters.decoded, counters.converted, counters.dropped) == (36, 36, 0)
    assert (counters.reconnects, counters.corrupt) == (0, 0)
    assert counters.image == Size(320, 180)


def test_a_slow_consumer_of_a_fast_recording_misses_nothing(tiny_clip: TinyClip):
    with watching(camera(tiny_clip.path.as_uri())) as watched:
        first = watched.frame()
        time.sleep(0.2)
        assert watched.reader.counters.converted <= 2, "it waits instead of reading on"
        assert not watched.reader.ended
        rest = watched.frames_to_end()
    assert [frame.index for frame in [first, *rest]] == list(range(36))


def test_a_fast_recording_keeps_its_own_time(tiny_clip: TinyClip):
    before_s = time.monotonic()
    with watching(camera(str(tiny_clip.path))) as watched:
        frames = watched.frames_to_end()
    times_s = [frame.captured_mono_s for frame in frames]
    assert np.diff(times_s) == pytest.approx([0.08] * 35, abs=0.002)
    assert times_s[0] == pytest.approx(before_s - tiny_clip.duration_s, abs=5)
    assert times_s[-1] <= time.monotonic()
    walls = [frame.captured_at.timestamp() for frame in frames]
    assert np.median(np.diff(walls)) == pytest.approx(0.08, abs=0.02)


@pytest.mark.parametrize(("wanted", "expected"), [(5.0, 15), (2.0, 6)])
def test_only_wanted_frames_are_converted(tiny_clip: TinyClip, wanted: float, expected: int):
    with watching(camera(str(tiny_clip.path), {"traffic": wanted})) as watched:
        frames = watched.frames_to_end()
        counters = watched.reader.counters
    assert len(frames) == counters.converted == pytest.approx(expected, abs=1)
    assert counters.decoded == 36


def test_a_camera_without_tasks_is_decoded_and_never_converted(tiny_clip: TinyClip):
    with watching(camera(str(tiny_clip.path), {})) as watched:
        watched.wait_for(OFFLINE)
        assert watched.reader.counters.decoded == 36
        assert watched.reader.counters.converted == 0


def test_a_played_recording_is_played_in_real_time(tmp_path: Path):
    clip = write_clip(tmp_path / "odd rate.mp4", fps=Fraction(30000, 1001), frames=16, gop=4)
    started_s = time.monotonic()
    with watching(camera(f"{clip.path.as_uri()}?realtime=1", {"traffic": EVERY_IMAGE})) as watched:
        frames = watched.frames_to_end()
    assert time.monotonic() - started_s >= 15 / 30
    assert frames[-1].captured_mono_s - started_s >= 15 / 30
    assert read_number(frames[-1].full.rgb()) == 15


def test_a_played_recording_does_not_wait_for_a_slow_consumer(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", fps=Fraction(50), frames=25)
    with watching(camera(f"{clip.path.as_uri()}?realtime=1", {"traffic": EVERY_IMAGE})) as watched:
        watched.wait_until(lambda: watched.reader.counters.dropped == 24)
        assert not watched.reader.ended, "the last frame waits to be read"
        frame = watched.frame()
        assert read_number(frame.full.rgb()) == 24
        watched.wait_until(lambda: watched.reader.ended)


def test_a_looped_recording_goes_on_as_stream_restarts(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    with watching(camera(f"{clip.path.as_uri()}?loop=1")) as watched:
        frames = [watched.frame() for _ in range(12)]
        assert not watched.reader.ended
    assert [read_number(frame.full.rgb()) for frame in frames] == [0, 1, 2, 3] * 3
    assert [frame.stream_restarts for frame in frames] == [0] * 4 + [1] * 4 + [2] * 4
    times_s = [frame.captured_mono_s for frame in frames]
    assert np.diff(times_s) == pytest.approx([0.08] * 11, abs=0.002)


def test_a_recording_without_timestamps_is_read_at_its_nominal_rate(tmp_path: Path):
    clip = write_clip(tmp_path / "raw.h264", fps=Fraction(25), frames=10)
    with watching(camera(str(clip.path), {"traffic": 25.0})) as watched:
        frames = watched.frames_to_end()
    assert [read_number(frame.full.rgb()) for frame in frames] == list(range(10))
    assert np.diff([frame.captured_mono_s for frame in frames]) == pytest.approx([0.04] * 9)


def test_b_frames_come_in_order_of_display(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", options={"bf": "3", "b-adapt": "0"})
    assert numbers(camera(str(clip.path))) == list(range(36))


def test_a_change_of_image_size_is_followed(tmp_path: Path):
    parts = [
        write_clip(tmp_path / "wide.ts", width=320, height=180, frames=12),
        write_clip(tmp_path / "square.ts", width=200, height=200, frames=12),
    ]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.path.read_bytes() for part in parts))
    with watching(camera(str(both))) as watched:
        frames = watched.frames_to_end()
        assert watched.reader.counters.size_changes == 1
        assert watched.reader.counters.image == Size(200, 200)
    # Where the parts meet, the container's own counters break: up to two images count as damaged.
    sizes = [
        [frame.full.size for frame in frames if frame.stream_restarts == restarts]
        for restarts in (0, 1)
    ]
    assert sizes == [[Size(320, 180)] * len(sizes[0]), [Size(200, 200)] * 12]
    assert len(sizes[0]) >= 10
    for frame in frames:
        (view,) = frame.views.values()
        assert view.letterbox.full == frame.full.size
        box = view.letterbox
        rows = slice(box.top, box.top + box.content.height)
        columns = slice(box.left, box.left + box.content.width)
        assert read_number(view.image[rows, columns]) == read_number(frame.full.rgb())


def test_nothing_is_analysed_between_damage_and_the_next_key_frame(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", width=640, height=360)
    damage_image(clip.path, 5)
    with watching(camera(str(clip.path), read_timeout_s=60)) as watched:
        seen = [read_number(frame.full.rgb()) for frame in watched.frames_to_end()]
        assert watched.reader.counters.corrupt == 7
    assert seen == [*range(5), *range(12, 36)]


def test_a_file_that_begins_in_the_middle_starts_at_its_first_key_frame(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.ts")
    with av.open(str(clip.path)) as container:
        fifth = [packet for packet in container.demux(video=0) if packet.size][5]
        assert fifth.pos is not None
        start = fifth.pos
    cut = tmp_path / "cut.ts"
    cut.write_bytes(clip.path.read_bytes()[start:])
    assert numbers(camera(str(cut))) == list(range(12, 36))


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for number in range(10):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts = 16000, number * 1024
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_unknown(path: Path) -> None:
    """A container that cannot say of what codec its video is."""
    write_times(path, [number / 10 for number in range(20)], codec="wmv2")


def write_giant(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 9000, 4400, "gray"
        stream.codec_context.options = {"compression_level": "1"}
        frame = av.VideoFrame(9000, 4400, "gray")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("missing.mp4", lambda path: None, "does not exist"),
        ("empty.mp4", lambda path: path.touch(), "is empty"),
        ("text.mp4", lambda path: path.write_text("not a video\n" * 99), "is not a video file"),
        ("folder.mp4", lambda path: path.mkdir(), "is not a file"),
        ("sound.mp4", write_sound, "has no video in it"),
        ("unknown.mpg", write_unknown, "has no video in it that can be decoded"),
        ("giant.mov", write_giant, "larger ones than 8K"),
    ],
)
def test_a_file_without_images_says_why_in_one_sentence(
    tmp_path: Path, name: str, make, reason: str, caplog: pytest.LogCaptureFixture
):
    make(tmp_path / name)
    with caplog.at_level(logging.DEBUG), watching(camera(str(tmp_path / name))) as watched:
        change = watched.wait_for(OFFLINE)
        watched.wait_until(lambda: watched.reader.counters.reconnects >= 2)
        assert watched.states == [OFFLINE]
        assert not watched.reader.ended
    assert reason in change.reason
    assert "\n" not in change.reason
    assert [record.message for record in caplog.records] == ["camera_fault"]
    assert caplog.records[0].exc_info is None


def test_a_file_that_appears_later_is_read_then(tmp_path: Path, tiny_clip: TinyClip):
    late = tmp_path / "late.mp4"
    with watching(camera(str(late))) as watched:
        watched.wait_for(OFFLINE)
        (tmp_path / "arriving").write_bytes(tiny_clip.path.read_bytes())
        (tmp_path / "arriving").rename(late)
        watched.wait_for(ONLINE)
        assert len(watched.frames_to_end()) == 36


def test_names_with_special_characters_are_only_names(tmp_path: Path, tiny_clip: TinyClip):
    folder = tmp_path / "rtsp:" / "a b%20c"
    folder.mkdir(parents=True)
    odd = folder / "clip,1?x=1.mp4"
    odd.write_bytes(tiny_clip.path.read_bytes())
    assert len(numbers(camera(str(odd)))) == 36
    assert len(numbers(camera(odd.as_uri()))) == 36


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path):
    import os

    os.mkfifo(tmp_path / "pipe.mp4")
    with watching(camera(str(tmp_path / "pipe.mp4"))) as watched:
        assert "is not a file" in watched.wait_for(OFFLINE).reason


def test_a_playlist_cannot_lead_elsewhere(tmp_path: Path):
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    with watching(camera(str(path))) as watched:
        assert watched.wait_for(OFFLINE).reason
        assert watched.reader.counters.decoded == 0


def test_turned_recordings_survive_a_loop(tmp_path: Path):
    stored = np.zeros((64, 96, 3), np.uint8)
    path = write_images(tmp_path / "clip.mp4", [stored] * 2, turn=90)
    with watching(camera(f"{path.as_uri()}?loop=true")) as watched:
        assert {watched.frame().full.size for _ in range(5)} == {Size(64, 96)}
