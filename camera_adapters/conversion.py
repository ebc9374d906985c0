"""From decoded images to arrays: upright, RGB, scaled to the content of an analysis image.

YUV planes are scaled first and turned into RGB after that, at the small size: that is several times
cheaper than the scaler's own RGB output, and closer to the exact result. Planes of 8 bits whose
size is the wanted one times a power of two are averaged by OpenCV; every other format and size goes
through FFmpeg's scaler. Any thread may convert, several images at once.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from camera_adapters.errors import UnreadableFault
from camera_adapters.frame import AnalysisImage, Image, Luma
from camera_adapters.geometry import PADDING_VALUE, Letterbox, Size, ViewSpec

Plane = npt.NDArray[np.uint8]

FULL_TURN = 360
QUARTER_TURN = 90

SCALERS_PER_THREAD = 16
"""A scaler holds up to a megabyte, so a thread that serves ever new cameras keeps the newest."""

_PROBE = 16
"""Side of the image that shows whether a format can be converted, in pixels."""

_FINGERPRINT_ROWS = 8

_HD_ROWS = 720
"""From this height on, untagged video is BT.709; below it is BT.601. So says broadcast practice."""

_BT709, _BT601 = 1, 6

_SCALER_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""FFmpeg's scaler's names of the same matrices."""

_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""Weights of red and blue in the luma, by the codes of ITU-T H.273; others are not trusted."""

PLANAR_FORMATS = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
"""Formats with three planes of 8 bits, chroma at the size of the luma or half of it."""

SEMI_PLANAR_FORMATS = frozenset({"nv12", "nv21"})
"""Formats whose first plane is the luma of 8 bits too."""

YUV_COMPONENTS = 3
"""What has fewer, such as grey, holds no colour to be scaled apart."""

_FULL_RANGE: Final = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
"""Luma of the limited range (16..235) → 0..255."""

# Images of several cameras are converted at once, each on the thread that asks for it.
cv2.setNumThreads(1)

_size = lru_cache(maxsize=64)(Size)
"""Sizes are checked when they are new, and images of a camera seldom have a new one."""


@lru_cache(maxsize=256)
def _placement(spec: ViewSpec, full: Size) -> Letterbox:
    return spec.place(full)


class _ThreadScalers(threading.local):
    """FFmpeg's scalers of one thread; each is set up for one format and pair of sizes."""

    def __init__(self) -> None:
        self.scaler = lru_cache(maxsize=SCALERS_PER_THREAD)(lambda *_: VideoReformatter())


_scalers = _ThreadScalers()


class VideoImage:
    """A decoded image without known damage, in the decoder's own memory: a `DecodedImage`.

    Attributes:
        size: Size of the upright image in pixels.
        media_s: See `DecodedImage`; set by sources that have a timeline.
        cut: See `DecodedImage`.
        still_s: See `DecodedImage`; set for live sources.
    """

    __slots__ = (
        "_camera",
        "_frame",
        "_lock",
        "_quarter_turns",
        "cut",
        "media_s",
        "size",
        "still_s",
    )

    def __init__(self, camera: str, frame: VideoFrame) -> None:
        """Holds a decoded frame of a camera; the decoder shares its memory and only reads it."""
        self._camera = camera
        self._frame = frame
        # PyAV writes to the frame's colour tags while FFmpeg's scaler runs.
        self._lock = threading.Lock()
        # Counter-clockwise, to make it upright.
        self._quarter_turns = round(frame.rotation / QUARTER_TURN) % (FULL_TURN // QUARTER_TURN)
        self.size = (
            _size(frame.height, frame.width)
            if self._quarter_turns % 2
            else _size(frame.width, frame.height)
        )
        self.media_s = 0.0
        self.cut = False
        self.still_s = 0.0

    @property
    def pts_s(self) -> float | None:
        """What the stream says of its time, in seconds; None where it says nothing."""
        pts, time_base = self._frame.pts, self._frame.time_base
        return None if pts is None or time_base is None else float(pts * time_base)

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the format."""
        return self._frame.format.name

    def views(self, specs: Iterable[ViewSpec]) -> Mapping[ViewSpec, AnalysisImage]:
        """See `DecodedImage.views`."""
        views = {}
        for spec in specs:
            letterbox = _placement(spec, self.size)
            image = np.empty((spec.size.height, spec.size.width, 3), np.uint8)
            top, left, content = letterbox.top, letterbox.left, letterbox.content
            bottom, right = top + content.height, left + content.width
            image[:top] = image[bottom:] = PADDING_VALUE
            if content.width < letterbox.analysis.width:
                image[top:bottom, :left] = image[top:bottom, right:] = PADDING_VALUE
            self._write(image[top:bottom, left:right])
            views[spec] = AnalysisImage(image, letterbox)
        return views

    def rgb(self) -> Image:
        """The upright image as (H, W, 3) uint8 RGB; converts on every call, from any thread.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        image = np.empty((self.size.height, self.size.width, 3), np.uint8)
        self._write(image)
        return image

    def luma(self, size: Size) -> Luma:
        """See `SourceImage.luma`: the first plane alone, so that no colour is converted."""
        frame, turns = self._frame, self._quarter_turns
        stored = _size(size.height, size.width) if turns % 2 else size
        luma = np.empty((stored.height, stored.width), np.uint8)
        if frame.format.is_rgb or len(frame.format.components) < YUV_COMPONENTS:
            cv2.cvtColor(_rgb_array(self._scaled(stored, "rgb24")), cv2.COLOR_RGB2GRAY, dst=luma)
        else:
            is_plane = frame.format.name in PLANAR_FORMATS | SEMI_PLANAR_FORMATS
            source = frame if is_plane else self._scaled(stored, "yuv444p")
            _average(_first_plane(source), luma)
            if _colours(frame)[1] is not ColorRange.JPEG:
                cv2.LUT(luma, _FULL_RANGE, dst=luma)
        return np.ascontiguousarray(np.rot90(luma, turns)) if turns else luma

    def fingerprint(self) -> int:
        """A checksum of every eighth row of the first plane: equal for equal images.

        Rows are compared whole, so that a clock in the image always counts.
        """
        rows = _first_plane(self._frame)[::_FINGERPRINT_ROWS]
        return zlib.crc32(np.ascontiguousarray(rows).data)

    def check(self) -> None:
        """Converts a small copy, where FFmpeg's scaler is needed, to see whether it can be done.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        if self.pixel_format not in PLANAR_FORMATS:
            self._write(np.empty((_PROBE, _PROBE, 3), np.uint8))

    def _write(self, target: Image) -> None:
        """Scales the upright image to the size of `target` (H, W, 3); rows may be strided."""
        frame, turns = self._frame, self._quarter_turns
        height, width = target.shape[:2]
        # The size of the same before it is turned upright, as the decoder stores it.
        size = _size(height, width) if turns % 2 else _size(width, height)
        stored = np.empty((size.height, size.width, 3), np.uint8) if turns else target
        factor = frame.width // size.width
        halves_exactly = (
            factor.bit_count() == 1
            and (frame.width, frame.height) == (size.width * factor, size.height * factor)
            and frame.format.name in PLANAR_FORMATS
        )
        if not halves_exactly and (
            frame.format.is_rgb or len(frame.format.components) < YUV_COMPONENTS
        ):
            stored[:] = _rgb_array(self._scaled(size, "rgb24"))
        else:
            source = frame if halves_exactly else self._scaled(size, "yuv444p")
            planes = [_halved(plane, size) for plane in source.planes]
            cv2.transform(cv2.merge(planes), _to_rgb(*_colours(frame)), dst=stored)
        if turns:
            target[:] = np.rot90(stored, turns)

    def _scaled(self, size: Size, pixel_format: str) -> VideoFrame:
        """The stored image at `size`; matrix and range stay as they are, except in RGB."""
        frame = self._frame
        code, color_range = _colours(frame)
        matrix = None if frame.format.is_rgb else _SCALER_MATRICES[code]
        to_rgb = pixel_format == "rgb24"
        scaler = _scalers.scaler(frame.format.name, frame.width, frame.height, size)
        try:
            with self._lock:
                scaled = scaler.reformat(
                    frame,
                    width=size.width,
                    height=size.height,
                    format=pixel_format,
                    src_colorspace=matrix,
                    dst_colorspace=None if to_rgb else matrix,
                    src_color_range=color_range,
                    dst_color_range=ColorRange.JPEG if to_rgb else color_range,
                    interpolation=Interpolation.AREA,
                    threads=1,
                )
        except (av.FFmpegError, ValueError):
            scaled = None
        if scaled is None:
            raise UnreadableFault(
                self._camera,
                f"images of format {frame.format.name} cannot be converted",
                "set the camera to H.264 or H.265 with 8 bits per colour",
            )
        return scaled


def _first_plane(frame: VideoFrame) -> Plane:
    """The first plane of 8 bits as (H, W): a view of memory that it keeps alive."""
    plane = frame.planes[0]
    return np.ndarray(
        (plane.height, plane.width),
        np.uint8,
        buffer=plane,  # type: ignore[arg-type]
        strides=(plane.line_size, 1),
    )


def _average(array: Plane, target: Plane) -> None:
    """Writes an image (H, W) at the size of `target`; halves cost a fraction of other steps."""
    height, width = target.shape
    while array.shape[0] >= 2 * height and array.shape[1] >= 2 * width:
        half = np.empty((array.shape[0] // 2, array.shape[1] // 2), np.uint8)
        even = array[: 2 * half.shape[0], : 2 * half.shape[1]]
        cv2.resize(even, half.shape[::-1], dst=half, interpolation=cv2.INTER_AREA)
        array = half
    cv2.resize(array, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)


def _halved(plane: VideoPlane, size: Size) -> Plane:
    """A plane of 8 bits as (H, W), brought to `size` by averages of 2x2, perhaps not even once.

    Chroma may need fewer steps than luma, or be stretched. Without a step the result is a view of
    memory that it keeps alive.
    """
    array: Plane = np.ndarray(
        (plane.height, plane.width),
        np.uint8,
        buffer=plane,  # type: ignore[arg-type]
        strides=(plane.line_size, 1),
    )
    while array.shape != (size.height, size.width):
        height, width = array.shape[0] // 2, array.shape[1] // 2
        method = cv2.INTER_AREA
        if height < size.height or width < size.width:
            height, width = size.height, size.width
            method = cv2.INTER_LINEAR
        resized = np.empty((height, width), np.uint8)
        cv2.resize(array, (width, height), dst=resized, interpolation=method)
        array = resized
    return array


def _rgb_array(frame: VideoFrame) -> Image:
    """An rgb24 frame as (H, W, 3); a view of memory that it keeps alive."""
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, 3),
        np.uint8,
        buffer=plane,  # type: ignore[arg-type]
        strides=(plane.line_size, 3, 1),
    )


def _colours(frame: VideoFrame) -> tuple[int, ColorRange]:
    """Code of the matrix and the range: as tagged, or what video of its kind usually has."""
    code = int(frame.colorspace)
    if code not in _LUMA_WEIGHTS:
        code = _BT709 if frame.height >= _HD_ROWS else _BT601
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return code, ColorRange(frame.color_range)
    full_range = frame.format.is_rgb or frame.format.name.startswith("yuvj")
    return code, ColorRange.JPEG if full_range else ColorRange.MPEG


@lru_cache(maxsize=64)
def _to_rgb(code: int, color_range: ColorRange) -> npt.NDArray[np.float64]:
    """(3, 4): Y, Cb, Cr and 1 in 8 bits → R, G, B in 0..255, by ITU-T H.273."""
    red, blue = _LUMA_WEIGHTS[code]
    green = 1 - red - blue
    from_red, from_blue = 2 * (1 - red), 2 * (1 - blue)
    weights = np.array(
        [
            [1.0, 0.0, from_red],
            [1.0, -blue * from_blue / green, -red * from_red / green],
            [1.0, from_blue, 0.0],
        ]
    )
    zero = np.array([0.0, 128.0, 128.0])
    if color_range is ColorRange.MPEG:
        zero[0] = 16.0
        weights *= np.array([255 / 219, 255 / 224, 255 / 224])
    return np.column_stack((weights, -weights @ zero))
