"""Pixels that are not square, and images that are turned or mirrored: shown as people see them."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_adapters.conversion import VideoImage
from camera_adapters.decoding import TrackDecoder
from camera_adapters.file import FileSource
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.rtp import CodedImage
from camera_adapters.sdp import VideoCodec, VideoTrack
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec
from pipelines.keyframe import encode
from simulation.rtsp_server.clip import load_clip
from tests.camera_adapters.clips import Image, write_clip
from tests.camera_adapters.parameter_sets import Bits
from tests.camera_adapters.readers import camera, watching
from tests.camera_adapters.recordings import write_images

VIEW = ViewSpec(Size(640, 384))
CODE = b"\0\0\0\1"
RGB = {"R": (200, 30, 30), "G": (30, 200, 30), "B": (30, 30, 200), "W": (200, 200, 200)}


def quarters(width: int = 320, height: int = 176) -> Image:
    """As stored: red and green above, blue and white below."""
    image = np.empty((height, width, 3), np.uint8)
    for place, (row, column) in zip("RGBW", itertools.product((0, 1), (0, 1)), strict=True):
        rows = slice(row * height // 2, (row + 1) * height // 2)
        image[rows, column * width // 2 : (column + 1) * width // 2] = RGB[place]
    return image


def corners(image: Image) -> str:
    """The quarters of an image, by row."""
    height, width = image.shape[:2]
    seen = ""
    for y, x in itertools.product((height // 4, 3 * height // 4), (width // 4, 3 * width // 4)):
        lit = tuple(int(one > 120) for one in image[y, x])
        seen += next(name for name, one in RGB.items() if tuple(int(v > 120) for v in one) == lit)
    return seen


def content(image: VideoImage, spec: ViewSpec = VIEW) -> Image:
    view = image.views([spec])[spec]
    box = view.letterbox
    rows = slice(box.top, box.top + box.content.height)
    return view.image[rows, box.left : box.left + box.content.width]


def first_image(path: Path, max_pixels: int = 8192 * 4320) -> VideoImage:
    source = FileSource(CameraSpec("gate-1", str(path), max_pixels=max_pixels))
    image = next(one for one in source.arrivals() if not isinstance(one, StreamSignal))
    assert isinstance(image, VideoImage)
    return image


# a b c d of the matrix, and what every player shows of it.
MATRICES = {
    (1, 0, 0, 1): "RGBW",
    (0, 1, -1, 0): "BRWG",
    (-1, 0, 0, -1): "WBGR",
    (0, -1, 1, 0): "GWRB",
    (-1, 0, 0, 1): "GRWB",
    (1, 0, 0, -1): "BWRG",
    (0, 1, 1, 0): "RBGW",
    (0, -1, -1, 0): "WGBR",
    # None of these makes an image.
    (0, 0, 0, 0): "RGBW",
    (1, 1, 1, 1): "RGBW",
    (-1, 0, 0, 0): "RGBW",
}


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_every_orientation_of_a_recording_is_shown_as_players_do(tmp_path: Path, matrix, fit):
    image = first_image(write_images(tmp_path / "clip.mp4", [quarters()] * 2, matrix=matrix))
    turned = bool(matrix[1]) and not matrix[0]
    assert image.size == (Size(176, 320) if turned else Size(320, 176))
    assert corners(image.rgb()) == MATRICES[matrix]
    assert image.rgb().shape == (image.size.height, image.size.width, 3)
    for size in (Size(640, 384), Size(64, 352), Size(160, 88), Size(88, 160)):
        assert corners(content(image, ViewSpec(size, fit))) == MATRICES[matrix]


def orientation_unit(codec: VideoCodec, flips: tuple[int, int], turn: int) -> bytes:
    """A message of display orientation (H.264, D.1.27; H.265, D.2.17), `turn` in quarters."""
    bits = Bits().u(0).u(flips[0]).u(flips[1]).u(turn << 14, 16)
    bits = bits.ue(1).u(0) if codec is VideoCodec.H264 else bits.u(1)
    payload = bits.unit(b"")
    header = b"\x06" if codec is VideoCodec.H264 else b"\x4e\x01"
    return header + bytes([47, len(payload)]) + payload + b"\x80"


@pytest.fixture(scope="module", params=[("libx264", VideoCodec.H264), ("libx265", VideoCodec.H265)])
def stored_clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    codec, name = request.param
    path = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", codec=codec, frames=3).path
    return name, load_clip(path), first_image(path).rgb()


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("flips", list(itertools.product((0, 1), (0, 1))))
def test_a_camera_may_say_how_its_images_are_turned(stored_clip, flips, turn):
    codec, clip, stored = stored_clip
    decoder = TrackDecoder(CameraSpec("gate-1", "rtsp://unused/"), VideoTrack(codec, 96, "", b""))
    message = orientation_unit(codec, flips, turn)
    units = (*clip.parameter_sets, message, *clip.units[0].nals)
    coded = CodedImage(bytearray(b"".join(CODE + one for one in units)), 0, True, False)
    (image,) = decoder.decode(coded)
    assert isinstance(image, VideoImage)
    expected = stored[:, ::-1] if flips[0] else stored
    expected = expected[::-1] if flips[1] else expected
    # First the flips, then the turn, counter-clockwise.
    assert np.array_equal(image.rgb(), np.rot90(expected, turn))


@pytest.mark.parametrize(("code", "shown"), [(1, "RGBW"), (3, "WBGR"), (6, "BRWG"), (8, "GWRB")])
def test_a_jpeg_may_say_by_which_angle_it_is_turned(code: int, shown: str):
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(quarters(), cv2.COLOR_RGB2BGR))
    tags = struct.pack("<HHHII", 1, 0x112, 3, 1, code)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + tags + bytes(4)
    data = bytes(encoded)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    decoder = TrackDecoder(
        CameraSpec("gate-1", "rtsp://unused/"), VideoTrack(VideoCodec.JPEG, 26, "", b"")
    )
    (image,) = decoder.decode(CodedImage(bytearray(data), 0, True, False))
    assert isinstance(image, VideoImage)
    assert corners(image.rgb()) == shown


def circle(width: int, height: int, shown: tuple[int, int]) -> Image:
    """A circle in a scene of 768 x 576 or the like, stored in so many columns and rows."""
    scene = np.full((shown[1], shown[0], 3), 60, np.uint8)
    cv2.circle(scene, (shown[0] * 3 // 4, shown[1] // 2), shown[1] // 6, (230,) * 3, -1)
    return cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def extent(image: Image) -> tuple[float, float, float, float]:
    """x1 y1 x2 y2 of what is bright."""
    ys, xs = np.where(image.mean(axis=2) > 150)
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)


HALF_D1 = (352, 576, Fraction(24, 11), (768, 576))
PIXELS = [
    HALF_D1,
    (704, 576, Fraction(12, 11), (768, 576)),
    (704, 288, Fraction(6, 11), (704, 528)),
    (352, 576, Fraction(32, 11), (1024, 576)),
    (480, 480, Fraction(4, 3), (640, 480)),
    (960, 576, Fraction(4, 5), (960, 720)),
    (360, 270, Fraction(4, 3), (480, 270)),
    (640, 360, Fraction(1), (640, 360)),
]


@pytest.mark.parametrize(("width", "height", "aspect", "shown"), PIXELS)
@pytest.mark.parametrize("matrix", [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, 1)])
def test_a_circle_stays_a_circle(tmp_path: Path, width, height, aspect, shown, matrix):
    path = write_images(
        tmp_path / "clip.mp4",
        [circle(width, height, shown)] * 2,
        pixel_aspect=aspect,
        matrix=matrix,
    )
    image = first_image(path)
    assert image.size == (Size(shown[1], shown[0]) if matrix[1] else Size(*shown))
    for array in (image.rgb(), content(image)):
        left, top, right, bottom = extent(array)
        assert (right - left) / (bottom - top) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("width", "height", "aspect", "shown"), PIXELS)
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_normalised_coordinates_mean_the_same_place(tmp_path, width, height, aspect, shown, fit):
    stored = circle(width, height, shown)
    path = write_images(tmp_path / "clip.mp4", [stored] * 2, pixel_aspect=aspect)
    image = first_image(path)
    left, top, right, bottom = extent(stored)
    expected = [left / width, top / height, right / width, bottom / height]
    spec = ViewSpec(VIEW.size, fit)
    view = image.views([spec])[spec]
    bright = np.array([extent(np.where(view.image > 150, view.image, 0))], np.float32)
    assert view.letterbox.to_normalised(bright)[0] == pytest.approx(expected, abs=0.01)
    keyframe = encode(image)
    assert (keyframe.width, keyframe.height) == shown
    decoded = cv2.imdecode(np.frombuffer(keyframe.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    seen = np.array(extent(decoded.astype(np.uint8))) / [*shown, *shown]
    assert seen == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video", "mpeg4"])
def test_the_shape_of_pixels_is_read_from_any_stream(tmp_path: Path, codec: str):
    width, height, aspect, shown = HALF_D1
    path = write_images(
        tmp_path / "clip.ts",
        [circle(width, height, shown)] * 3,
        codec=codec,
        pixel_aspect=aspect,
    )
    assert first_image(path).size == Size(*shown)


def test_a_camera_says_it_in_its_stream(tmp_path: Path):
    width, height, aspect, shown = HALF_D1
    path = write_images(
        tmp_path / "clip.mp4", [circle(width, height, shown)] * 2, pixel_aspect=aspect
    )
    clip = load_clip(path)
    spec = CameraSpec("gate-1", "rtsp://unused/")
    sets = b"".join(CODE + one for one in clip.parameter_sets)
    decoder = TrackDecoder(spec, VideoTrack(VideoCodec.H264, 96, "", sets))
    unit = b"".join(CODE + one for one in clip.units[0].nals)
    (image,) = decoder.decode(CodedImage(bytearray(unit), 0, True, False))
    assert isinstance(image, VideoImage)
    assert image.size == Size(*shown)


@pytest.mark.parametrize(
    ("said", "size"),
    [((1, 1), (352, 576)), ((12, 11), (384, 576)), ((0, 0), (768, 576)), ((1, 0), (768, 576))],
)
def test_what_the_container_says_goes_before_what_the_stream_says(tmp_path, said, size):
    width, height, aspect, shown = HALF_D1
    path = write_images(
        tmp_path / "clip.mp4", [circle(width, height, shown)] * 2, pixel_aspect=aspect
    )
    data = bytearray(path.read_bytes())
    struct.pack_into(">II", data, data.index(b"pasp") + 4, *said)
    path.write_bytes(data)
    assert first_image(path).size == Size(*size)


def test_what_cannot_be_is_not_believed(tmp_path: Path):
    for aspect in (Fraction(40, 1), Fraction(1, 40), Fraction(65535, 3)):
        path = write_images(tmp_path / "clip.mp4", [quarters()] * 2, pixel_aspect=aspect)
        assert first_image(path).size == Size(320, 176)


def test_no_image_becomes_larger_than_allowed(tmp_path: Path):
    width, height, aspect, shown = HALF_D1
    path = write_images(
        tmp_path / "clip.mp4", [circle(width, height, shown)] * 2, pixel_aspect=aspect
    )
    image = first_image(path, max_pixels=768 * 576)
    assert image.size == Size(768, 576)
    image = first_image(path, max_pixels=768 * 576 - 1)
    assert image.size == Size(352, 264), "columns are as they were, and rows are compressed"
    left, top, right, bottom = extent(image.rgb())
    assert (right - left) / (bottom - top) == pytest.approx(1, abs=0.04)


def test_pixels_that_change_their_shape_are_a_change_of_size(tmp_path: Path):
    data = b""
    for number, aspect in enumerate((Fraction(12, 11), Fraction(16, 11))):
        path = tmp_path / f"{number}.ts"
        write_images(path, [quarters(352, 288)] * 12, pixel_aspect=aspect)
        data += path.read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(data)
    with watching(camera(str(both), {"traffic": 100.0})) as watched:
        frames = watched.frames_to_end()
        assert watched.reader.counters.size_changes == 1
    assert {frame.full.size for frame in frames} == {Size(384, 288), Size(512, 288)}
    assert frames[-1].stream_restarts == frames[0].stream_restarts + 1
