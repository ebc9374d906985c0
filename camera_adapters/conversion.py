"""From decoded images to arrays: as people see them, RGB, scaled to the content of a view.

YUV planes are scaled first and turned into RGB after that, at the small size: that is several times
cheaper than the scaler's own RGB output, and closer to the exact result. Planes of 8 bits whose
size is the wanted one times a power of two are averaged by OpenCV; every other format and size goes
through FFmpeg's scaler. What is in the memory of a GPU is scaled there. Any thread may convert,
several images at once.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import av
import cv2
import numpy as np
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from camera_adapters.colours import SCALER_MATRICES, colours_of, to_rgb
from camera_adapters.errors import UnreadableFault
from camera_adapters.frame import AnalysisImage, Image, Luma
from camera_adapters.geometry import PADDING_VALUE, Letterbox, Size, ViewSpec
from camera_adapters.gpu_decoding import NO_GPU
from camera_adapters.gpu_scaling import SCALED_FORMATS, GpuScalingError, gpu_scaler
from camera_adapters.interlacing import Plane, remove_combs
from camera_adapters.recording_time import Stamp
from camera_adapters.reduction import average
from camera_adapters.upright import AS_STORED, MATRIX_VALUES, Orientation

_TURNS = {90: (0, -1, 0, 1, 0), 180: (-1, 0, 0, 0, -1), 270: (0, 1, 0, -1, 0)}
"""Display matrices by what they turn, in degrees counter-clockwise."""

SCALERS_PER_THREAD = 16
"""A scaler holds up to a megabyte, so a thread that serves ever new cameras keeps the newest."""

_PROBE = 16
"""Side of the image that shows whether a format can be converted, in pixels."""

_FINGERPRINT_ROWS = 8

PLANAR_FORMATS = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
"""Formats with three planes of 8 bits, chroma at the size of the luma or half of it."""

SEMI_PLANAR_FORMATS = frozenset({"nv12", "nv21"})
"""Formats whose first plane is the luma of 8 bits too."""

GPU_FORMAT = "cuda"
"""What FFmpeg calls an image in the memory of a GPU; none of its pixels can be read there."""

YUV_COMPONENTS = 3
"""What has fewer, such as grey, holds no colour to be scaled apart."""

DEINTERLACED = PLANAR_FORMATS | {GPU_FORMAT}
"""Formats of which interlaced images are made whole."""

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

    What is in the memory of a GPU stays there until somebody wants its pixels.

    Attributes:
        size: Size of the upright image in square pixels.
        media_s: See `DecodedImage`; set by sources that have a timeline.
        cut: See `DecodedImage`.
        still_s: See `DecodedImage`; set for live sources.
        decode_s: See `DecodedImage`; set by the decoder.
    """

    __slots__ = (
        "_camera",
        "_frame",
        "_interlaced",
        "_lock",
        "_orientation",
        "cut",
        "decode_s",
        "media_s",
        "size",
        "still_s",
    )

    def __init__(self, camera: str, frame: VideoFrame, shown: Size | None = None) -> None:
        """Holds a decoded frame of a camera; the decoder shares its memory and only reads it.

        `shown` is its size with square pixels, as it is stored; None where that is its own.
        """
        self._camera = camera
        self._frame = frame
        # PyAV writes to the frame's colour tags while FFmpeg's scaler runs.
        self._lock = threading.Lock()
        self._orientation = _orientation(frame)
        self._interlaced = frame.interlaced_frame and frame.format.name in DEINTERLACED
        size = shown or _size(frame.width, frame.height)
        self.size = _size(size.height, size.width) if self._orientation.transposed else size
        self.media_s = 0.0
        self.cut = False
        self.still_s = 0.0
        self.decode_s = 0.0

    @property
    def stamp(self) -> Stamp:
        """What the stream says of its time."""
        return stamp_of(self._frame)

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
        frame, orientation = self._fetched(), self._orientation
        stored = _size(size.height, size.width) if orientation.transposed else size
        luma = np.empty((stored.height, stored.width), np.uint8)
        if frame.format.is_rgb or len(frame.format.components) < YUV_COMPONENTS:
            cv2.cvtColor(_rgb_array(self._scaled(stored, "rgb24")), cv2.COLOR_RGB2GRAY, dst=luma)
        else:
            is_plane = frame.format.name in PLANAR_FORMATS | SEMI_PLANAR_FORMATS
            source = frame if is_plane else self._scaled(stored, "yuv444p")
            average(_plane_array(source.planes[0]), luma)
            if colours_of(frame)[1] is not ColorRange.JPEG:
                cv2.LUT(luma, _FULL_RANGE, dst=luma)
        if orientation == AS_STORED:
            return luma
        upright = np.empty((size.height, size.width), np.uint8)
        orientation.apply(luma, upright)
        return upright

    def fingerprint(self) -> int:
        """A checksum of every eighth row of the first plane: equal for equal images.

        Rows are compared whole, so that a clock in the image always counts.
        """
        rows = _plane_array(self._fetched().planes[0])[::_FINGERPRINT_ROWS]
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
        orientation = self._orientation
        height, width = target.shape[:2]
        # The size of the same before it is put upright, as the decoder stores it.
        size = _size(height, width) if orientation.transposed else _size(width, height)
        if self._frame.format.name == GPU_FORMAT:
            if (image := self._scaled_there(size)) is not None:
                orientation.apply(image, target)
                return
            self._fetched()
        # In this order: another thread replaces the frame first, and calls it whole after that.
        frame = self._remove_combs() if self._interlaced else self._frame
        upright = orientation == AS_STORED
        stored = target if upright else np.empty((size.height, size.width, 3), np.uint8)
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
            cv2.transform(cv2.merge(planes), to_rgb(*colours_of(frame)), dst=stored)
        if not upright:
            orientation.apply(stored, target)

    def _scaled_there(self, size: Size) -> Image | None:
        """The stored image at `size`, RGB, scaled on the GPU; None where it has to be fetched."""
        if self._interlaced:
            return None
        # After that, as another thread may have fetched it and made it whole meanwhile.
        frame = self._frame
        if size.width >= frame.width or size.height >= frame.height:
            return None
        if _layout_there(frame) not in SCALED_FORMATS:
            return None
        try:
            return gpu_scaler().rgb(frame, size, to_rgb(*colours_of(frame)))
        except GpuScalingError as error:
            failure = str(error)
        reason = f"its images cannot be scaled on the GPU ({failure})"
        raise UnreadableFault(self._camera, reason, NO_GPU)

    def _fetched(self) -> VideoFrame:
        """The frame in this computer's memory, fetched from a GPU by whoever needs it first."""
        with self._lock:
            there = self._frame
            if there.format.name == GPU_FORMAT:
                self._frame = self._rescaled(_size(there.width, there.height), "yuv420p")
                tags = there.colorspace, there.color_range
                self._frame.colorspace, self._frame.color_range = tags
            return self._frame

    def _remove_combs(self) -> VideoFrame:
        """Makes one moment of an interlaced image; once, by whoever converts it first."""
        with self._lock:
            if self._interlaced:
                self._frame = _progressive(self._frame)
                self._interlaced = False
            return self._frame

    def _scaled(self, size: Size, pixel_format: str) -> VideoFrame:
        """The stored image at `size`; matrix and range stay as they are, except in RGB."""
        with self._lock:
            return self._rescaled(size, pixel_format)

    def _rescaled(self, size: Size, pixel_format: str) -> VideoFrame:
        """See `_scaled`; the caller holds the lock."""
        frame = self._frame
        code, color_range = colours_of(frame)
        matrix = None if frame.format.is_rgb else SCALER_MATRICES[code]
        is_rgb = pixel_format == "rgb24"
        scaler = _scalers.scaler(frame.format.name, frame.width, frame.height, size)
        try:
            scaled = scaler.reformat(
                frame,
                width=size.width,
                height=size.height,
                format=pixel_format,
                src_colorspace=matrix,
                dst_colorspace=None if is_rgb else matrix,
                src_color_range=color_range,
                dst_color_range=ColorRange.JPEG if is_rgb else color_range,
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


def _layout_there(frame: VideoFrame) -> str:
    """FFmpeg's name of the format that an image has in the memory of a GPU; empty if not there."""
    return "" if frame.sw_format is None else frame.sw_format.name


def _orientation(frame: VideoFrame) -> Orientation:
    """How a frame is put upright, as its container or its stream says."""
    try:
        # Not `frame.side_data`, which would keep the frame's memory until garbage is collected.
        said = SideDataContainer(frame)  # type: ignore[call-arg]
        if not said or SideDataType.DISPLAYMATRIX not in said:
            return AS_STORED
        matrix = struct.unpack(f"={MATRIX_VALUES}i", bytes(said[SideDataType.DISPLAYMATRIX]))
    except ValueError:
        # PyAV gives none of them where it does not know one; the angle it has.
        matrix = _TURNS.get(round(frame.rotation / 90) * 90 % 360, ())
    return Orientation.of_matrix(matrix) if matrix else AS_STORED


def stamp_of(coded: VideoFrame | Packet[VideoStream]) -> Stamp:
    """What a stream says of the time of a frame or of a packet."""
    base = coded.time_base
    if base is None:
        return Stamp(None)
    # Whole numbers, because a product with a fraction takes longer than all else about a frame.
    over, under = base.numerator, base.denominator
    return Stamp(
        None if coded.pts is None else coded.pts * over / under,
        None if coded.dts is None else coded.dts * over / under,
        coded.duration * over / under if coded.duration else None,
    )


def _progressive(frame: VideoFrame) -> VideoFrame:
    """An interlaced frame of `PLANAR_FORMATS` as one moment.

    A copy, because the decoder still reads what it shares, and because FFmpeg's scaler would scale
    each field of what is called interlaced by itself.
    """
    copy = VideoFrame(frame.width, frame.height, frame.format.name)
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    for plane, original in zip(copy.planes, frame.planes, strict=True):
        rows = _plane_array(plane)
        rows[:] = _plane_array(original)
        remove_combs(rows)
    return copy


def _halved(plane: VideoPlane, size: Size) -> Plane:
    """A plane of 8 bits as (H, W), brought to `size` by averages of 2x2, perhaps not even once.

    Chroma may need fewer steps than luma, or be stretched. Without a step the result is a view of
    memory that it keeps alive.
    """
    array = _plane_array(plane)
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


def _plane_array(plane: VideoPlane) -> Plane:
    """A plane of 8 bits as (H, W); a view of memory that it keeps alive."""
    return np.ndarray(
        (plane.height, plane.width),
        np.uint8,
        buffer=plane,  # type: ignore[arg-type]
        strides=(plane.line_size, 1),
    )


def _rgb_array(frame: VideoFrame) -> Image:
    """An rgb24 frame as (H, W, 3); a view of memory that it keeps alive."""
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, 3),
        np.uint8,
        buffer=plane,  # type: ignore[arg-type]
        strides=(plane.line_size, 3, 1),
    )
