"""The endless timeline: nothing jumps at the seam, and any time finds its frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.rtsp_server.clip import AccessUnit, Clip, load_clip
from simulation.rtsp_server.timeline import Timeline
from tests.camera_adapters.clips import write_clip

_FRAME_TICKS = 7200


def plain_clip(frames: int, gop: int) -> Clip:
    units = tuple(
        AccessUnit((b"\x65",), n * _FRAME_TICKS, n * _FRAME_TICKS, n % gop == 0)
        for n in range(frames)
    )
    return Clip("h264", (b"\x67abc",), units, frames * _FRAME_TICKS, 0, 12.5)


@given(
    frames=st.integers(1, 40),
    gop=st.integers(1, 15),
    elapsed_s=st.floats(0, 1e6),
    base=st.integers(),
)
def test_any_time_finds_the_next_due_frame(
    frames: int, gop: int, elapsed_s: float, base: int
) -> None:
    timeline = Timeline(plain_clip(frames, gop), 100.0, base % 2**32)
    now_s = 100.0 + elapsed_s
    number = timeline.first_due(now_s)
    tick_s = 1e-4
    assert timeline.due_s(number) >= now_s - tick_s
    assert number == 0 or timeline.due_s(number - 1) < now_s + tick_s
    key = timeline.next_key(number)
    assert timeline.unit(key).key
    assert key - number <= gop


def test_nothing_is_due_before_the_origin() -> None:
    assert Timeline(plain_clip(5, 5), 100.0, 0).first_due(99.0) == 0


@given(base=st.integers(0, 2**32 - 1), frames=st.integers(1, 20))
def test_times_run_on_over_the_seam_and_the_wrap(base: int, frames: int) -> None:
    timeline = Timeline(plain_clip(frames, 5), 0.0, base)
    numbers = range(3 * frames)
    due = [timeline.due_s(number) for number in numbers]
    stamps = [timeline.rtp_timestamp(number) for number in numbers]
    assert all(later - earlier == pytest.approx(0.08) for earlier, later in pairwise(due))
    assert all((later - earlier) % 2**32 == _FRAME_TICKS for earlier, later in pairwise(stamps))


@pytest.mark.parametrize("b_frames", [0, 2])
def test_no_frame_is_sent_before_it_was_taken(tmp_path: Path, b_frames: int) -> None:
    options = {"bf": str(b_frames), "x264-params": "b-adapt=0:scenecut=0"}
    clip = load_clip(write_clip(tmp_path / "c.mp4", frames=24, options=options).path)
    timeline = Timeline(clip, 0.0, 0)
    waits = [
        timeline.rtp_now(timeline.due_s(number)) - timeline.rtp_timestamp(number)
        for number in range(2 * len(clip.units))
    ]
    assert min(waits) == 0
    assert all(wait >= 0 for wait in waits)
