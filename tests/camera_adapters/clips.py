"""Small clips whose frames show their own number, for every test that needs video."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType
from av.video.stream import VideoStream

Image = npt.NDArray[np.uint8]

CODE_BITS = 8
_BLACK, _WHITE, _GREY = 16, 235, 126
_MIDDLE = 126


@dataclass(frozen=True)
class TinyClip:
    """An encoded clip; frame i shows i as a row of black and white blocks across the top half.

    Attributes:
        path: The MP4 file.
        width, height: Image size in pixels.
        fps: Frames per second.
        frames: Number of frames, numbered from 0.
        gop: Distance of key frames in frames.
    """

    path: Path
    width: int
    height: int
    fps: float
    frames: int
    gop: int

    @property
    def duration_s(self) -> float:
        """Length of one round in seconds."""
        return self.frames / self.fps


def paint(number: int, width: int, height: int) -> Image:
    """Frame `number` as (H, W, 3) RGB: its bits in the top half, a moving bar in the lower."""
    image = np.full((height, width, 3), _GREY, np.uint8)
    block = width // CODE_BITS
    for bit in range(CODE_BITS):
        level = _WHITE if number >> bit & 1 else _BLACK
        image[: height // 2, bit * block : (bit + 1) * block] = level
    left = number * 8 % (width - 16)
    image[height * 3 // 4 :, left : left + 16] = (200, 40, 40)
    return image


def read_number(image: npt.NDArray[Any]) -> int:
    """The number of a decoded frame, (H, W, 3) in RGB or BGR, at any scale without borders."""
    height, width = image.shape[:2]
    block = width / CODE_BITS
    row = image[height // 8 : height * 3 // 8].mean(axis=(0, 2))
    return sum(
        1 << bit
        for bit in range(CODE_BITS)
        if row[int((bit + 0.25) * block) : int((bit + 0.75) * block)].mean() > _MIDDLE
    )


def write_clip(
    path: Path,
    *,
    width: int = 320,
    height: int = 180,
    fps: Fraction = Fraction(25, 2),
    frames: int = 36,
    gop: int = 12,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    noise: bool = False,
    key_frames: Collection[int] = (),
) -> TinyClip:
    """Encode a numbered clip, without B-frames unless asked for; `noise` makes frames large.

    `key_frames` are the numbers of key frames after the first, in place of regular ones.
    """
    random = np.random.default_rng(7)
    codec_options = {
        "libx264": {"preset": "ultrafast", "crf": "20", "bf": "0", "sc_threshold": "0"},
        "libx265": {"preset": "ultrafast", "x265-params": "bframes=0:scenecut=0:log-level=none"},
    }[codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=codec_options | (options or {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = frames + 1 if key_frames else gop
        for number in range(frames):
            image = paint(number, width, height)
            if noise:
                lower = image[height // 2 :]
                lower[:] = random.integers(0, 256, lower.shape, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            if number in key_frames:
                frame.pict_type = PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return TinyClip(path, width, height, float(fps), frames, gop)
