"""Stamps: read at any size that a model takes, never read wrongly, and kept by H.264."""

from __future__ import annotations

from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters import Letterbox, Size, ViewSpec
from simulation.stamp import MAX_NUMBER, draw_stamp, read_stamp
from simulation.stamped_clips import ClipShow, ensure_stamped_clip
from tests.camera_adapters.clips import write_clip

FULL = Size(1280, 720)
WHOLE = Letterbox(FULL, FULL, FULL, 0, 0)
SIZES = [Size(320, 192), Size(320, 320), Size(416, 416), Size(640, 384), FULL]


def stamped(number: int, size: Size = FULL) -> np.ndarray:
    noise = np.random.default_rng(number).integers(0, 256, (size.height, size.width, 3), np.uint8)
    draw_stamp(noise, number)
    return noise


def fitted(image: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    content, analysis = letterbox.content, letterbox.analysis
    view = np.full((analysis.height, analysis.width, 3), 114, np.uint8)
    rows = slice(letterbox.top, letterbox.top + content.height)
    columns = slice(letterbox.left, letterbox.left + content.width)
    view[rows, columns] = cv2.resize(image, (content.width, content.height))
    return view


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_a_stamp_is_read_from_every_analysis_image(size, fit):
    letterbox = ViewSpec(size, fit).place(FULL)
    for number in (0, 1, 749, 0x5555, MAX_NUMBER):
        assert read_stamp(fitted(stamped(number), letterbox), letterbox) == number


@given(number=st.integers(0, MAX_NUMBER), cell=st.integers(2, 25))
def test_one_wrong_cell_makes_a_stamp_unreadable(number, cell):
    image = stamped(number)
    row, column = divmod(cell, 13)
    top, left = 656 + 32 * row, 32 * column
    image[top : top + 32, left : left + 32] = 255 - image[top : top + 32, left : left + 32]
    assert read_stamp(image, WHOLE) is None


def test_a_grey_cell_and_an_image_without_a_stamp_are_unreadable():
    image = stamped(77)
    image[656:688, 96:128] = 128
    assert read_stamp(image, WHOLE) is None
    assert read_stamp(np.full((720, 1280, 3), 90, np.uint8), WHOLE) is None


def test_noise_is_hardly_ever_taken_for_a_stamp():
    noise = np.random.default_rng(1).integers(0, 256, (200, 72, 128, 3), np.uint8)
    small = Letterbox(FULL, Size(128, 72), Size(128, 72), 0, 0)
    assert [read_stamp(image, small) for image in noise] == [None] * 200


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_a_number_that_does_not_fit_is_refused(number):
    with pytest.raises(ValueError, match="carries numbers"):
        draw_stamp(np.zeros((720, 1280, 3), np.uint8), number)


def test_a_small_image_is_refused():
    with pytest.raises(ValueError, match="too small"):
        draw_stamp(np.zeros((90, 120, 3), np.uint8), 1)


def test_every_frame_of_a_stamped_clip_carries_its_number_and_the_clip_is_made_once(tmp_path):
    clip = write_clip(tmp_path / "plain.mp4", width=320, height=192)
    made = ensure_stamped_clip(clip.path, tmp_path / "cache")
    size = Size(320, 192)
    letterbox = Letterbox(size, size, size, 0, 0)
    with av.open(str(made)) as container:
        images = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
    assert [read_stamp(image, letterbox) for image in images] == list(range(clip.frames))
    assert float(rate) == clip.fps
    state = made.stat()
    assert ensure_stamped_clip(clip.path, tmp_path / "cache").stat() == state
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [made.name]


def test_a_clip_that_stands_still_does_so_half_of_the_time(tmp_path):
    clip = write_clip(tmp_path / "plain.mp4", width=320, height=192, frames=50)
    show = ClipShow(key_frame_s=0.8, still_s=1.0)
    made = ensure_stamped_clip(clip.path, tmp_path / "cache", show)
    with av.open(str(made)) as container:
        frames = list(container.decode(video=0))
    half = round(clip.fps)
    keys = [number for number, one in enumerate(frames) if one.key_frame]
    assert keys[:3] == [0, round(0.8 * clip.fps), 2 * round(0.8 * clip.fps)]
    lumas = [one.to_ndarray(format="gray").astype(int)[:150] for one in frames]
    changes = [np.abs(after - before).mean() for before, after in pairwise(lumas)]
    moving = changes[: half - 2] + changes[2 * half : 3 * half - 2]
    still = changes[half : 2 * half - 2] + changes[3 * half : 4 * half - 2]
    assert max(still) < min(moving)


def test_frames_beyond_the_limit_are_left_out(tmp_path):
    clip = write_clip(tmp_path / "plain.mp4", width=320, height=192)
    with av.open(str(ensure_stamped_clip(clip.path, tmp_path, max_frames=5))) as container:
        assert len(list(container.decode(video=0))) == 5


def test_more_frames_than_stamps_can_number_are_refused(tmp_path):
    with pytest.raises(ValueError, match="stamps carry"):
        ensure_stamped_clip(tmp_path / "none.mp4", tmp_path, max_frames=MAX_NUMBER + 1)
