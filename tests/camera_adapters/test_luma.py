"""The small brightness image: right in every format, upright, and made of no colour."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from camera_adapters.conversion import VideoImage
from camera_adapters.geometry import Size
from tests.camera_adapters.recordings import write_images
from tests.camera_adapters.test_planes import decoded, scene
from tests.camera_adapters.test_upright import MATRICES, first_image, quarters

SMALL = Size(80, 48)


def grey(image):
    """The luma (0..255) of an RGB image by BT.709, in cells of `SMALL`."""
    luma = image.astype(float) @ (0.2126, 0.7152, 0.0722)
    rows, columns = luma.shape[0] // SMALL.height, luma.shape[1] // SMALL.width
    return luma.reshape(SMALL.height, rows, SMALL.width, columns).mean(axis=(1, 3))


@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_luma_is_the_brightness_of_what_was_encoded(pixel_format, color_range, factor):
    image = scene(Size(SMALL.width * factor, SMALL.height * factor))
    luma = decoded(image, pixel_format, color_range=color_range).luma(SMALL)
    assert (luma.shape, luma.dtype) == ((48, 80), np.uint8)
    assert luma.flags.c_contiguous
    assert np.abs(luma - grey(image)).mean() < 2.0


def test_luma_is_stretched_to_any_size():
    image = scene(Size(352, 288))
    luma = decoded(image, "yuv420p").luma(Size(320, 180))
    assert luma.shape == (180, 320)
    assert abs(float(luma.mean()) - float((image @ (0.2126, 0.7152, 0.0722)).mean())) < 2


def test_luma_of_a_grey_camera():
    image = scene(Size(160, 96))[..., 1]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
    luma = VideoImage("gate-1", frame).luma(SMALL)
    assert np.abs(luma - image.reshape(48, 2, 80, 2).mean(axis=(1, 3))).mean() < 2.0


def test_a_full_luma_plane_is_a_copy_of_the_decoders_memory():
    image = decoded(scene(Size(80, 48)), "yuv420p", color_range=ColorRange.JPEG)
    luma = image.luma(SMALL)
    before = image.fingerprint()
    luma[:] = 0
    assert image.fingerprint() == before


@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_luma_is_upright(tmp_path, matrix):
    image = first_image(write_images(tmp_path / "clip.mp4", [quarters()] * 2, matrix=matrix))
    luma = image.luma(image.size)
    assert luma.shape == (image.size.height, image.size.width)
    assert luma.flags.c_contiguous
    assert np.abs(luma - image.rgb() @ (0.2126, 0.7152, 0.0722)).mean() < 12
