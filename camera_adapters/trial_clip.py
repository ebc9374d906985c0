"""Clips to measure decoding with: drawn images, encoded by this machine's own encoder.

They are what street cameras send, as far as decoding depends on it: a still background, some things
that move, a key frame at the beginning, no B-frames; with a sensor's noise, or without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from camera_adapters.conversion import VideoImage
from camera_adapters.frame import Luma
from camera_adapters.geometry import Size
from camera_adapters.rtp import CLOCK_HZ, CodedImage
from camera_adapters.sdp import VideoCodec

FPS: Final = 12.5
IMAGES: Final = 16
"""The first one is a key frame; cameras send one in one to four seconds."""

ENCODERS: Final[Mapping[VideoCodec, tuple[str, Mapping[str, str]]]] = {
    VideoCodec.H264: ("libx264", {"preset": "veryfast", "bf": "0"}),
    VideoCodec.H265: (
        "libx265",
        {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"},
    ),
}
"""Encoder and its options by codec."""

QUALITIES: Final = {VideoCodec.H264: ("24", "21"), VideoCodec.H265: ("26", "21")}
"""`crf` of clips without noise and with it, so that one has many times the bits of the other."""

_NOISE: Final = 3.0
"""Standard deviation of a sensor's noise in luma."""

_NOISE_IMAGES: Final = 5
_CELL: Final = 16
_THINGS: Final = 8
_GREY: Final = 128


@dataclass(frozen=True, slots=True)
class TrialClip:
    """An encoded clip.

    Attributes:
        codec: How it is encoded.
        size: Size of its images.
        path: The MP4 file, which plays at `FPS`.
        coded: Its images as a camera sends them, with start codes.
        sets: SPS, PPS and VPS as a byte stream with start codes.
    """

    codec: VideoCodec
    size: Size
    path: Path
    coded: tuple[CodedImage, ...] = field(repr=False)
    sets: bytes = field(repr=False)

    @property
    def megabits(self) -> float:
        """Megabits per image, in the mean."""
        return sum(len(one.data) for one in self.coded) * 8 / 1e6 / len(self.coded)


def write_trial_clip(codec: VideoCodec, size: Size, path: Path, *, noisy: bool) -> TrialClip:
    """Draws and encodes a clip into an MP4 file.

    Raises:
        av.error.FFmpegError: The encoder refused; PyAV needs to be built with it.
    """
    encoder, common = ENCODERS[codec]
    options = {**common, "crf": QUALITIES[codec][noisy]}
    coded: list[CodedImage] = []
    rate = Fraction(FPS)
    with av.open(str(path), "w", format="mp4") as container:
        stream = cast(VideoStream, container.add_stream(encoder, rate=rate, options=options))
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
        stream.codec_context.gop_size = IMAGES
        frames = [_frame(luma, index, rate) for index, luma in enumerate(_images(size, noisy))]
        for frame in (*frames, None):
            for packet in stream.encode(frame):
                sets = bytes(stream.codec_context.extradata or b"") if packet.is_keyframe else b""
                data = bytearray(sets + bytes(packet))
                ticks = round(len(coded) * CLOCK_HZ / FPS)
                coded.append(CodedImage(data, ticks, packet.is_keyframe, damaged=False))
                container.mux(packet)
        sets = bytes(stream.codec_context.extradata or b"")
    return TrialClip(codec, size, path, tuple(coded), sets)


def blank_image(size: Size) -> VideoImage:
    """A decoded image without anything on it; to convert it costs what every other image costs."""
    frame = av.VideoFrame(size.width, size.height, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return VideoImage("trial", frame)


def _frame(luma: Luma, index: int, rate: Fraction) -> av.VideoFrame:
    height, width = luma.shape
    planes = np.full((height * 3 // 2, width), _GREY, np.uint8)
    planes[:height] = luma
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = index, 1 / rate
    return frame


def _images(size: Size, noisy: bool) -> Iterator[Luma]:
    """(H, W) uint8 brightness of each image."""
    random = np.random.default_rng(0)
    cells = (size.height // _CELL, size.width // _CELL)
    coarse = random.integers(40, 200, cells, np.uint8)
    place = cv2.resize(coarse, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    noise = random.normal(0, _NOISE if noisy else 0.0, (_NOISE_IMAGES, *place.shape))
    tops = random.integers(0, size.height * 3 // 4, _THINGS)
    lefts = random.integers(0, size.width, _THINGS)
    side = size.height // 8
    for index in range(IMAGES):
        image = place + noise[index % _NOISE_IMAGES]
        for number, (top, left) in enumerate(zip(tops, lefts, strict=True)):
            begin = (left + index * (2 + number)) % (size.width - 2 * side)
            image[top : top + side, begin : begin + 2 * side] = 30 * number
        yield np.clip(image, 0, 255).astype(np.uint8)
