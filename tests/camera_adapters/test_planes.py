"""Conversion in numbers: against an exact result, from any format, on many threads at once."""

from __future__ import annotations

import threading

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from camera_adapters import conversion
from camera_adapters.conversion import VideoImage
from camera_adapters.errors import UnreadableFault
from camera_adapters.geometry import PADDING_VALUE, Size, ViewSpec

FULL = Size(320, 192)
WEIGHTS = {Colorspace.ITU601: (0.299, 0.114), Colorspace.ITU709: (0.2126, 0.0722)}


def scene(size: Size = FULL, seed: int = 1):
    """A smooth (H, W, 3) RGB image."""
    rows, columns = np.mgrid[0 : size.height, 0 : size.width] / 40.0
    waves = [np.sin(rows * (1 + c) + seed) * np.cos(columns * (1.5 - 0.3 * c)) for c in range(3)]
    return (128 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)


def decoded(
    image, pixel_format: str, matrix=Colorspace.ITU709, color_range=ColorRange.MPEG
) -> VideoImage:
    frame = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(image, format="rgb24"),
        format=pixel_format,
        dst_colorspace=matrix,
        dst_color_range=color_range,
    )
    return VideoImage("gate-1", frame)


def averaged(image, size: Size):
    """The mean of every cell of the image that becomes one pixel."""
    height, width = image.shape[0] // size.height, image.shape[1] // size.width
    return image.reshape(size.height, height, size.width, width, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("matrix", list(WEIGHTS))
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
def test_an_image_is_the_average_of_what_was_encoded(pixel_format, factor, matrix, color_range):
    image = scene(Size(288, 192))
    size = Size(288 // factor, 192 // factor)
    (view,) = (
        decoded(image, pixel_format, matrix, color_range)
        .views([ViewSpec(size, "stretch")])
        .values()
    )
    error = view.image - averaged(image, size)
    # Chroma at half the size and rounding cost this much, when it is encoded and here.
    assert np.abs(error).mean() < 1.5
    assert np.abs(error.mean(axis=(0, 1))).max() < 1.5


def test_the_full_image_is_exact_to_rounding():
    image = scene()
    error = decoded(image, "yuv444p").rgb().astype(int) - image
    assert np.abs(error).max() <= 4
    assert np.abs(error.mean()) < 0.6


def test_grey_and_rgb_come_through():
    image = scene()
    assert np.abs(decoded(image, "gbrp").rgb().astype(int) - image).max() <= 1
    grey = np.repeat(image[..., :1], 3, axis=2)
    full = decoded(grey, "gray", color_range=ColorRange.JPEG).rgb().astype(int)
    assert np.abs(full - grey).mean() < 2


@pytest.mark.parametrize("size", [Size(160, 160), Size(240, 96), Size(160, 96)])
def test_bars_lie_around_the_content_and_nowhere_else(size: Size):
    white = np.full((FULL.height, FULL.width, 3), 255, np.uint8)
    (view,) = decoded(white, "yuv420p").views([ViewSpec(size)]).values()
    box, bars = view.letterbox, np.ones((size.height, size.width), bool)
    bars[box.top : box.top + box.content.height, box.left : box.left + box.content.width] = False
    assert (view.image[bars] == PADDING_VALUE).all()
    assert (view.image[~bars] >= 253).all()


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_many_threads_convert_many_images_at_once(pixel_format: str):
    images = [decoded(scene(seed=seed), pixel_format) for seed in range(4)]
    specs = [ViewSpec(Size(160, 96)), ViewSpec(Size(128, 96))]
    alone = [{spec: view.image for spec, view in image.views(specs).items()} for image in images]
    wrong: list[int] = []

    def convert() -> None:
        for number in range(40):
            views = images[number % 4].views(specs)
            if any((views[spec].image != alone[number % 4][spec]).any() for spec in specs):
                wrong.append(number)

    threads = [threading.Thread(target=convert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_thread_keeps_few_scalers_however_many_sizes_come():
    image = decoded(scene(), "yuv420p10le")
    for number in range(3 * conversion.SCALERS_PER_THREAD):
        image.views([ViewSpec(Size(64 + 2 * number, 64))])
    kept = conversion._scalers.scaler.cache_info().currsize
    assert kept == conversion.SCALERS_PER_THREAD


def test_a_format_that_cannot_be_converted_is_said_so(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no such conversion")

    class Scaler:
        reformat = refuse

    monkeypatch.setattr(conversion, "VideoReformatter", Scaler)
    monkeypatch.setattr(conversion, "_scalers", conversion._ThreadScalers())
    image = decoded(scene(), "yuv420p10le")
    with pytest.raises(UnreadableFault, match="format yuv420p10le cannot be converted"):
        image.check()
