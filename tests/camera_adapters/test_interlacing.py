"""Interlaced video: what moves is of one moment, what is still keeps its rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from camera_adapters.conversion import VideoImage
from camera_adapters.file import FileSource
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.interlacing import remove_combs
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec
from tests.camera_adapters.clips import Image

Plane = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 352, 288
SPEED_PX = 12
GROUND, BODY = (90, 100, 80), (230, 150, 40)
CODECS = {
    "libx264": {"x264-params": "interlaced=1", "crf": "4", "bf": "0"},
    "mpeg2video": {"flags": "+ilme+ildct", "qmin": "1", "qmax": "2"},
    "mpeg4": {"flags": "+ilme+ildct", "qmin": "1", "qmax": "2"},
}


def moving(moment: float) -> Image:
    """A body that crosses the scene; `moment` in frames."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = GROUND
    left = 20 + round(moment * SPEED_PX)
    image[HEIGHT // 4 : HEIGHT * 3 // 4, left : left + 60] = BODY
    return image


def still(_: float) -> Image:
    """A scene with wires, kerbs and leaves: rows that differ from their neighbours."""
    random = np.random.default_rng(5)
    image = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    image[20:100:13] = 230
    image[27:100:20] = 20
    image[120:200, :120] = random.integers(80, 140, (80, 120, 1), np.uint8)
    image[210:280, 100:300] = np.linspace(20, 230, 70, dtype=np.uint8)[:, None, None]
    return image


def yuv(image: Image) -> list[np.ndarray]:
    """The planes of an image as yuv420p."""
    height = image.shape[0]
    planes = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    flat = planes.to_ndarray()
    chroma = flat[height:].reshape(2, height // 2, -1)
    return [flat[:height], chroma[0], chroma[1]]


def write_fields(
    path: Path,
    scene: Callable[[float], Image],
    codec: str,
    options: dict[str, str],
    frames: int = 8,
) -> Path:
    """Encodes what an interlaced camera sees: rows of each moment in turns, with their chroma."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 4
        for number in range(frames):
            fields = [
                yuv(np.ascontiguousarray(scene(number + 0.5 * field)[field::2])) for field in (0, 1)
            ]
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane, first, second in zip(frame.planes, *fields, strict=True):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                rows[::2, : plane.width], rows[1::2, : plane.width] = first, second
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def images_of(path: Path) -> list[VideoImage]:
    source = FileSource(CameraSpec("gate-1", str(path)))
    found = [one for one in source.arrivals() if not isinstance(one, StreamSignal)]
    return [one for one in found if isinstance(one, VideoImage)]


def error(image: Image, expected: Image) -> float:
    """The worst mean difference of a column, in levels."""
    return float(np.abs(image.astype(int) - expected).mean(axis=(0, 2)).max())


@pytest.mark.parametrize("codec", CODECS)
def test_what_moves_is_of_one_moment(tmp_path: Path, codec: str):
    path = write_fields(tmp_path / "clip.ts", moving, codec, CODECS[codec])
    images = images_of(path)
    assert len(images) >= 7
    for number, image in enumerate(images):
        # Untreated, the columns that both moments do not share are wrong by 25 levels and more.
        assert error(image.rgb(), moving(number)) < 12
        spec = ViewSpec(Size(WIDTH * 3 // 4, HEIGHT * 3 // 4))
        view = image.views([spec])[spec].image
        rows = view[HEIGHT // 4 : HEIGHT // 2].astype(int)
        assert np.abs(np.diff(rows, axis=0)).max() < 12, "no row differs from the next one"


def test_without_a_word_of_the_stream_it_is_left_alone(tmp_path: Path):
    """So that the test before it can fail, and because progressive cameras see fine patterns."""
    path = write_fields(tmp_path / "clip.mp4", moving, "libx264", {"crf": "4", "bf": "0"})
    for number, image in enumerate(images_of(path)):
        assert error(image.rgb(), moving(number)) > 25


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_what_is_still_keeps_every_row(tmp_path: Path, codec: str):
    path = write_fields(tmp_path / "clip.ts", still, codec, CODECS[codec])
    for image in images_of(path):
        difference = np.abs(image.rgb().astype(int) - still(0.0))
        # Chroma of a field is half as fine, and coding costs something too.
        assert difference.mean() < 3
        assert np.abs(difference[20:100:13, 8:-8]).mean() < 12, "wires are there"


def test_the_decoder_goes_on_with_what_it_decoded(tmp_path: Path):
    path = write_fields(tmp_path / "clip.mp4", moving, "libx264", CODECS["libx264"])
    late = [image.rgb() for image in images_of(path)]
    source = FileSource(CameraSpec("gate-1", str(path)))
    at_once = [one.rgb() for one in source.arrivals() if isinstance(one, VideoImage)]
    assert all(np.array_equal(a, b) for a, b in zip(late, at_once, strict=True))


def test_many_threads_may_ask_for_one_image(tmp_path: Path):
    path = write_fields(tmp_path / "clip.mp4", moving, "libx264", CODECS["libx264"], frames=2)
    expected = images_of(path)[1].rgb()
    image = images_of(path)[1]
    seen: list[Image] = []
    threads = [threading.Thread(target=lambda: seen.append(image.rgb())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 8
    assert all(np.array_equal(one, expected) for one in seen)


def mended(plane: Plane) -> Plane:
    copy = plane.copy()
    remove_combs(copy)
    return copy


def test_noise_and_single_rows_are_no_combs():
    random = np.random.default_rng(2)
    noisy = np.clip(random.normal(120, 4, (288, 352)), 0, 255).astype(np.uint8)
    assert (mended(noisy) != noisy).mean() < 0.01
    wires = np.full((288, 352), 100, np.uint8)
    wires[21::6] = 240
    assert np.array_equal(mended(wires), wires)
    for rows in range(1, 6):
        few = np.full((rows, 8), 7, np.uint8)
        assert np.array_equal(mended(few), few)


@pytest.mark.parametrize("height", [64, 65, 66, 67])
def test_a_plane_of_any_size_is_mended_in_place(height: int):
    plane = np.full((height, 88), 50, np.uint8)[:, :80]
    plane[1::2, 24:48] = 200
    remove_combs(plane)
    assert (plane[: height - 2] == 50).all(), "the last row may have no neighbour below"


def test_only_the_columns_that_comb_lose_rows():
    plane = np.full((64, 80), 100, np.uint8)
    plane[::7] = 160
    plane[1::2, 24:48] = 200
    seen = mended(plane)
    assert np.array_equal(seen[:, :16], plane[:, :16])
    assert np.array_equal(seen[:, 56:], plane[:, 56:])
    assert (seen[1:-1:2, 24:48] < 200).all()
