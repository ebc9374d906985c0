"""Images as arrays: upright, in the right colours, letterboxed as computed, safe to hold."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from camera_adapters.frame import Frame
from camera_adapters.geometry import PADDING_VALUE, Letterbox, Size, ViewSpec
from tests.camera_adapters.readers import camera, watching
from tests.camera_adapters.recordings import write_images

RED, GREEN, BLUE, GREY = (200, 30, 30), (20, 180, 40), (30, 40, 210), (120, 120, 120)


def quarters(width: int = 320, height: int = 160):
    """Upright: red top left, green top right, blue bottom left, grey bottom right."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = RED
    image[: height // 2, width // 2 :] = GREEN
    image[height // 2 :, : width // 2] = BLUE
    image[height // 2 :, width // 2 :] = GREY
    return image


def corners(image) -> list[tuple[int, ...]]:
    height, width = image.shape[:2]
    rows, columns = (height // 4, height * 3 // 4), (width // 4, width * 3 // 4)
    return [tuple(int(v) for v in image[row, column]) for row in rows for column in columns]


def assert_quarters(image, tolerance: int = 6) -> None:
    seen = np.array(corners(image))
    assert np.abs(seen - np.array([RED, GREEN, BLUE, GREY])).max() <= tolerance, seen


def first_frame(path: Path, size: Size, *more: ViewSpec) -> Frame:
    """The first frame, scaled with bars to a size, and to further views."""
    views = dict(enumerate((ViewSpec(size), *more)))
    wanted = {f"task-{number}": view for number, view in views.items()}
    with watching(camera(str(path), dict.fromkeys(wanted, 5.0)), wanted) as watched:
        return watched.frames_to_end()[0]


def content(frame: Frame, size: Size):
    view = frame.views[ViewSpec(size)]
    box = view.letterbox
    return view.image[
        box.top : box.top + box.content.height, box.left : box.left + box.content.width
    ]


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
@pytest.mark.parametrize("size", [Size(96, 96), Size(128, 48)])
def test_turned_recordings_are_shown_upright(tmp_path: Path, turn: int, size: Size):
    # The camera stored the image turned the other way round.
    stored = np.rot90(quarters(), -turn // 90)
    frame = first_frame(write_images(tmp_path / "clip.mp4", [stored] * 2, turn=turn), size)
    assert frame.full.size == Size(320, 160)
    assert frame.full.rgb().shape == (160, 320, 3)
    assert frame.full.rgb().flags.c_contiguous
    assert_quarters(frame.full.rgb())
    assert frame.views[ViewSpec(size)].letterbox == Letterbox.fit(Size(320, 160), size)
    assert_quarters(content(frame, size))


def test_a_portrait_image_is_letterboxed_as_portrait(tmp_path: Path):
    stored = np.rot90(quarters(160, 320), 1)
    frame = first_frame(write_images(tmp_path / "clip.mp4", [stored] * 2, turn=-90), Size(128, 128))
    box = frame.views[ViewSpec(Size(128, 128))].letterbox
    assert (box.content, box.left, box.top) == (Size(64, 128), 32, 0)
    assert_quarters(content(frame, Size(128, 128)))


def test_borders_are_padding_and_nothing_but(tmp_path: Path):
    size = Size(160, 160)
    frame = first_frame(write_images(tmp_path / "clip.mp4", [quarters()] * 2), size)
    view = frame.views[ViewSpec(size)]
    assert view.image.shape == (160, 160, 3)
    assert view.image.dtype == np.uint8
    assert view.image.flags.c_contiguous
    assert (view.image[:40] == PADDING_VALUE).all()
    assert (view.image[120:] == PADDING_VALUE).all()
    assert not (view.image[40:120] == PADDING_VALUE).all(axis=(1, 2)).any()


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize(("width", "height"), [(320, 180), (240, 180), (90, 160), (32, 24)])
def test_two_fits_of_one_size_stand_side_by_side(tmp_path: Path, width, height, turn):
    size = Size(96, 96)
    stored = np.rot90(quarters(width, height), -turn // 90)
    path = write_images(tmp_path / "clip.mp4", [stored] * 2, turn=turn)
    frame = first_frame(path, size, ViewSpec(size, "stretch"))
    assert set(frame.views) == {ViewSpec(size), ViewSpec(size, "stretch")}
    stretched = frame.views[ViewSpec(size, "stretch")]
    assert stretched.letterbox.content == size
    assert stretched.image.flags.c_contiguous
    # Every quarter reaches its corner of the analysis image: there are no bars.
    assert_quarters(stretched.image)
    assert_quarters(content(frame, size))


@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("colorspace", [Colorspace.ITU601, Colorspace.ITU709])
def test_tagged_colours_come_out_as_they_went_in(tmp_path: Path, colorspace, color_range):
    path = write_images(
        tmp_path / "clip.mp4", [quarters()] * 2, colorspace=colorspace, color_range=color_range
    )
    frame = first_frame(path, Size(64, 32))
    assert_quarters(frame.full.rgb())
    assert_quarters(frame.views[ViewSpec(Size(64, 32))].image)


@pytest.mark.parametrize(
    ("height", "colorspace"), [(360, Colorspace.ITU601), (720, Colorspace.ITU709)]
)
def test_untagged_colours_follow_the_image_size(tmp_path: Path, height: int, colorspace):
    path = write_images(
        tmp_path / "clip.mp4",
        [quarters(height * 16 // 9, height)] * 2,
        colorspace=colorspace,
        tagged=False,
    )
    assert_quarters(first_frame(path, Size(64, 64)).full.rgb())


def test_motion_jpeg_keeps_its_full_range(tmp_path: Path):
    path = write_images(
        tmp_path / "clip.avi",
        [quarters()] * 2,
        codec="mjpeg",
        pix_fmt="yuvj420p",
        color_range=ColorRange.JPEG,
    )
    assert_quarters(first_frame(path, Size(64, 32)).full.rgb(), tolerance=12)


def test_each_distinct_view_is_converted_once(tmp_path: Path):
    path = write_images(tmp_path / "clip.mp4", [quarters()] * 2)
    small, large = ViewSpec(Size(64, 32)), ViewSpec(Size(96, 96))
    views = {"traffic": small, "crowd": small, "litter": large}
    with watching(camera(str(path), dict.fromkeys(views, 5.0)), views) as watched:
        frame = watched.frames_to_end()[0]
    assert frame.tasks == set(views)
    assert set(frame.views) == {small, large}


def test_the_full_image_outlives_the_reader_and_may_be_asked_from_many_threads(tmp_path: Path):
    images = [np.full((64, 96, 3), 20 * number, np.uint8) for number in range(10)]
    path = write_images(tmp_path / "clip.mp4", images)
    with watching(camera(str(path), {"traffic": 100.0})) as watched:
        frames = watched.frames_to_end()
    assert len(frames) == 10
    seen: list[float] = []
    threads = [
        threading.Thread(target=lambda: seen.append(float(frames[3].full.rgb().mean())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == pytest.approx([60] * 8, abs=3)
    means = [float(frame.full.rgb().mean()) for frame in frames]
    assert means == pytest.approx([20 * number for number in range(10)], abs=3)
