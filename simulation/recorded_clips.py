"""Recordings as clips that an RTSP camera can send: any images with their times, encoded anew.

Cameras send H.264 in order and with a key frame every few seconds; recordings hold whatever their
maker chose.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

MOST_WIDTH: Final = 1280
_CLOCK_HZ: Final = 90_000
_GOP: Final = 25
_RATE: Final = Fraction(25)
_OPTIONS: Final = {"preset": "veryfast", "crf": "23", "bf": "0", "threads": "1"}

Picture = tuple[float, npt.NDArray[np.uint8]]
"""Seconds from the beginning, growing, and (H, W, 3) uint8 RGB."""


def write_clip(clip: Path, images: Iterable[Picture]) -> int:
    """Encodes images into an MP4 file, which appears when it is complete.

    Wide images are reduced to `MOST_WIDTH` columns. An image of another size than the first is
    brought to that.

    Returns:
        How many images there were; without any there is no file.

    Raises:
        av.error.FFmpegError: The encoder refused; PyAV needs to be built with libx264.
    """
    clip.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=clip.parent) as folder:
        made = Path(folder) / clip.name
        count = _encode(made, images)
        if count:
            os.replace(made, clip)
    return count


def _encode(made: Path, images: Iterable[Picture]) -> int:
    count, last = 0, -1
    with av.open(str(made), "w", format="mp4") as container:
        stream: VideoStream | None = None
        for seconds, image in images:
            if stream is None:
                stream = container.add_stream("libx264", rate=_RATE, options=_OPTIONS)
                stream.width, stream.height = _size(image.shape[1], image.shape[0])
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)
                stream.codec_context.gop_size = _GOP
            size = stream.width, stream.height
            fits = image.shape[1::-1] == size
            shown = image if fits else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(shown, np.uint8), format="rgb24"
            )
            last = max(last + 1, round(seconds * _CLOCK_HZ))
            frame.pts, frame.time_base = last, Fraction(1, _CLOCK_HZ)
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def _size(width: int, height: int) -> tuple[int, int]:
    """Even sides, as chroma has half of them."""
    scale = min(1.0, MOST_WIDTH / width)
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)
