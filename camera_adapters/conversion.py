"""From decoded images to arrays: upright, RGB, in one pass of the scaler per size and fit.

Scaling and colour conversion happen together and straight to the size of the content, for the tasks
that are due and for nothing else. Every scaler is explicit and owned by one thread: the scaler that
PyAV makes behind `frame.reformat` stays allocated as long as the frame lives.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from camera_adapters.errors import UnreadableFault
from camera_adapters.frame import AnalysisImage, Image
from camera_adapters.geometry import PADDING_VALUE, Letterbox, Size, ViewSpec

FULL_TURN = 360
QUARTER_TURN = 90

_HD_ROWS = 720
"""From this height on, untagged video is BT.709; below it is BT.601. So says broadcast practice."""

_COLORSPACES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""Matrix coefficients of ITU-T H.273 by code, as the scaler knows them; others are not trusted."""


def quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise quarter turns, 0 to 3, that make the image upright."""
    return round(frame.rotation / QUARTER_TURN) % (FULL_TURN // QUARTER_TURN)


def upright_size(frame: VideoFrame) -> Size:
    """Size of the image in pixels once it is upright."""
    size = Size(frame.width, frame.height)
    return _turned(size) if quarter_turns(frame) % 2 else size


class AnalysisConverter:
    """Makes analysis images; belongs to one thread."""

    def __init__(self, camera: str) -> None:
        """Starts without scalers.

        Args:
            camera: Camera id, for faults.
        """
        self._camera = camera
        self._scalers: dict[ViewSpec, VideoReformatter] = {}
        self._letterboxes: dict[tuple[Size, ViewSpec], Letterbox] = {}

    def views(
        self, frame: VideoFrame, specs: Iterable[ViewSpec]
    ) -> Mapping[ViewSpec, AnalysisImage]:
        """Upright analysis images of one frame, each scaled once from the decoded image.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        return {spec: self._view(frame, spec) for spec in specs}

    def _view(self, frame: VideoFrame, spec: ViewSpec) -> AnalysisImage:
        letterbox = self._letterbox(upright_size(frame), spec)
        turns = quarter_turns(frame)
        stored = _turned(letterbox.content) if turns % 2 else letterbox.content
        scaler = self._scalers.setdefault(spec, VideoReformatter())
        content = np.rot90(_scaled_rgb(scaler, frame, stored, self._camera), turns)
        canvas = np.full((spec.size.height, spec.size.width, 3), PADDING_VALUE, np.uint8)
        bottom = letterbox.top + letterbox.content.height
        right = letterbox.left + letterbox.content.width
        canvas[letterbox.top : bottom, letterbox.left : right] = content
        return AnalysisImage(canvas, letterbox)

    def _letterbox(self, full: Size, spec: ViewSpec) -> Letterbox:
        key = (full, spec)
        if key not in self._letterboxes:
            # A camera that changes its image size does so for good; old ones are not needed.
            self._letterboxes = {
                known: box for known, box in self._letterboxes.items() if known[0] == full
            }
            self._letterboxes[key] = spec.place(full)
        return self._letterboxes[key]


class HeldImage:
    """A full-resolution image in the decoder's own memory, converted when somebody asks."""

    def __init__(self, camera: str, frame: VideoFrame) -> None:
        """Holds a frame.

        Args:
            camera: Camera id, for faults.
            frame: The decoded frame; its memory is shared with the decoder, which only reads it.
        """
        self._camera = camera
        self._frame = frame
        self._size = upright_size(frame)
        # PyAV writes to the frame's colour tags while it converts.
        self._lock = threading.Lock()

    @property
    def size(self) -> Size:
        """Size of the upright image in pixels."""
        return self._size

    def rgb(self) -> Image:
        """The upright image as (H, W, 3) uint8 RGB; converts on every call, from any thread.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        stored = Size(self._frame.width, self._frame.height)
        with self._lock:
            image = _scaled_rgb(VideoReformatter(), self._frame, stored, self._camera)
        return np.ascontiguousarray(np.rot90(image, quarter_turns(self._frame)))


def _scaled_rgb(scaler: VideoReformatter, frame: VideoFrame, size: Size, camera: str) -> Image:
    """The stored image at `size` as (H, W, 3) RGB; a view of memory that it keeps alive."""
    try:
        scaled = scaler.reformat(
            frame,
            width=size.width,
            height=size.height,
            format="rgb24",
            src_colorspace=_colorspace(frame),
            src_color_range=_color_range(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
    except (av.FFmpegError, ValueError):
        scaled = None
    if scaled is None:
        raise UnreadableFault(
            camera,
            f"images of format {frame.format.name} cannot be converted",
            "set the camera to H.264 or H.265 with 8 bits per colour",
        )
    plane = scaled.planes[0]
    return np.ndarray(
        (size.height, size.width, 3),
        np.uint8,
        buffer=plane,  # type: ignore[arg-type]
        strides=(plane.line_size, 3, 1),
    )


def _colorspace(frame: VideoFrame) -> Colorspace | None:
    if frame.format.is_rgb:
        return None
    untagged = Colorspace.ITU709 if frame.height >= _HD_ROWS else Colorspace.ITU601
    return _COLORSPACES.get(frame.colorspace, untagged)


def _color_range(frame: VideoFrame) -> ColorRange:
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return ColorRange(frame.color_range)
    full = frame.format.is_rgb or frame.format.name.startswith("yuvj")
    return ColorRange.JPEG if full else ColorRange.MPEG


def _turned(size: Size) -> Size:
    return Size(size.height, size.width)
