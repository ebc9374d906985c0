"""From decoded images to arrays: upright, RGB, in one pass of the scaler per size and fit.

Scaling and colour conversion happen together and straight to the size of the content, for the tasks
that are due and for nothing else. Every scaler is explicit and owned by one thread: the scaler that
PyAV makes behind `frame.reformat` stays allocated as long as the frame lives.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

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


_size = lru_cache(maxsize=64)(Size)
"""Sizes are checked when they are new, and images of a camera seldom have a new one."""


class AnalysisScalers:
    """The scalers of one decoding thread and the placements that it computed last, by view."""

    def __init__(self) -> None:
        self.scalers: defaultdict[ViewSpec, VideoReformatter] = defaultdict(VideoReformatter)
        self.letterboxes: dict[ViewSpec, Letterbox] = {}


class VideoImage:
    """A decoded image without known damage, in the decoder's own memory: a `DecodedImage`.

    Attributes:
        size: Size of the upright image in pixels.
        pts_s: What the stream says of its time, in seconds; None where it says nothing.
        media_s: See `DecodedImage`; set by sources that have a timeline.
        cut: See `DecodedImage`.
    """

    def __init__(self, camera: str, frame: VideoFrame, scalers: AnalysisScalers) -> None:
        """Holds a decoded frame of a camera; the decoder shares its memory and only reads it."""
        self._camera = camera
        self._frame = frame
        self._scalers = scalers
        # PyAV writes to the frame's colour tags while it converts.
        self._lock = threading.Lock()
        # Counter-clockwise, to make it upright.
        self._quarter_turns = round(frame.rotation / QUARTER_TURN) % (FULL_TURN // QUARTER_TURN)
        sides = frame.width, frame.height
        self.size = _size(*(reversed(sides) if self._quarter_turns % 2 else sides))
        self.pts_s: float | None = None
        if frame.pts is not None and frame.time_base is not None:
            self.pts_s = float(frame.pts * frame.time_base)
        self.media_s = 0.0
        self.cut = False

    def views(self, specs: Iterable[ViewSpec]) -> Mapping[ViewSpec, AnalysisImage]:
        """See `DecodedImage.views`."""
        views = {}
        for spec in specs:
            letterbox = self._scalers.letterboxes.get(spec)
            if letterbox is None or letterbox.full != self.size:
                letterbox = self._scalers.letterboxes[spec] = spec.place(self.size)
            content = letterbox.content
            turned = self._quarter_turns % 2
            stored = _size(content.height, content.width) if turned else content
            scaled = _scaled_rgb(self._scalers.scalers[spec], self._frame, stored, self._camera)
            image = np.full((spec.size.height, spec.size.width, 3), PADDING_VALUE, np.uint8)
            rows = slice(letterbox.top, letterbox.top + content.height)
            columns = slice(letterbox.left, letterbox.left + content.width)
            image[rows, columns] = np.rot90(scaled, self._quarter_turns)
            views[spec] = AnalysisImage(image, letterbox)
        return views

    def rgb(self) -> Image:
        """The upright image as (H, W, 3) uint8 RGB; converts on every call, from any thread.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        stored = _size(self._frame.width, self._frame.height)
        with self._lock:
            image = _scaled_rgb(VideoReformatter(), self._frame, stored, self._camera)
        return np.ascontiguousarray(np.rot90(image, self._quarter_turns))


def _scaled_rgb(scaler: VideoReformatter, frame: VideoFrame, size: Size, camera: str) -> Image:
    """The stored image at `size` as (H, W, 3) RGB; a view of memory that it keeps alive."""
    # Matrix and range as tagged, or what video of its kind usually has.
    is_rgb = frame.format.is_rgb
    untagged = Colorspace.ITU709 if frame.height >= _HD_ROWS else Colorspace.ITU601
    full_range = is_rgb or frame.format.name.startswith("yuvj")
    color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        color_range = ColorRange(frame.color_range)
    try:
        scaled = scaler.reformat(
            frame,
            width=size.width,
            height=size.height,
            format="rgb24",
            src_colorspace=None if is_rgb else _COLORSPACES.get(frame.colorspace, untagged),
            src_color_range=color_range,
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
