"""Recordings of both codecs as street cameras send them, and their decoding by the bare library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
import numpy.typing as npt
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from camera_adapters import DecoderPlace, Size

FPS: Final = 30
KEY_FRAME_EVERY: Final = 60

ENCODERS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "H.264": ("libx264", {"preset": "veryfast", "tune": "zerolatency"}),
    "H.265": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}),
}
"""Encoder and options by codec; without B-frames, as cameras send."""

NOISE: Final = 2.0
"""Standard deviation of a sensor's noise in luma; without it drawn video is all too easy."""

_PATTERNS: Final = 8


@dataclass(frozen=True, slots=True)
class RecordingSpec:
    """What the recordings are like.

    Attributes:
        size: Size of the images.
        frames: Different images.
        repeats: How often they are repeated in one file, so that none is opened again and again.
        bits_per_s: Bit rate.
    """

    size: Size = Size(1920, 1080)  # noqa: RUF009 - immutable
    frames: int = 240
    repeats: int = 40
    bits_per_s: int = 4_000_000


def write_recordings(source: Path, folder: Path, spec: RecordingSpec) -> dict[str, Path]:
    """A recording for each codec with the images of another one."""
    frames = _frames(source, spec)
    found = {}
    for codec, (encoder, options) in ENCODERS.items():
        once = folder / f"once-{encoder}.mp4"
        _encode(frames, once, encoder, options, spec)
        found[codec] = folder / f"{encoder}.mp4"
        _repeat(once, found[codec], spec)
    return found


class BareStream:
    """A stream that the library decodes on its own: packets from memory, images thrown away."""

    def __init__(self, recording: Path, place: DecoderPlace, most: int = 240) -> None:
        """Reads packets and opens a decoder.

        Args:
            recording: The file.
            place: What decodes.
            most: How many packets are decoded over and over.

        Raises:
            av.error.FFmpegError: It cannot be decoded there.
        """
        with av.open(str(recording)) as container:
            stream = container.streams.video[0]
            whole = (packet for packet in container.demux(stream) if packet.size)
            self._packets = [packet for packet, _ in zip(whole, range(most), strict=False)]
            settings = stream.codec_context
            acceleration = None
            if place == "cuda":
                acceleration = HWAccel("cuda", 0, allow_software_fallback=False, is_hw_owned=True)
            self._context = cast(
                VideoCodecContext,
                av.CodecContext.create(settings.name, "r", hwaccel=acceleration),
            )
            self._context.extradata = settings.extradata
        self._context.thread_count = 1

    def images(self) -> Iterator[VideoFrame]:
        """The images, for ever."""
        for packet in cycle(self._packets):
            yield from self._context.decode(packet)


def _frames(source: Path, spec: RecordingSpec) -> list[VideoFrame]:
    """Images of a recording in the wanted size, from its start again where it is too short."""
    scaler = VideoReformatter()
    found: list[VideoFrame] = []
    while len(found) < spec.frames:
        with av.open(str(source)) as container:
            for frame in container.decode(video=0):
                if len(found) == spec.frames:
                    break
                width, height = spec.size.width, spec.size.height
                found.append(scaler.reformat(frame, width=width, height=height, format="yuv420p"))
    return found


def _encode(
    frames: list[VideoFrame],
    target: Path,
    encoder: str,
    options: Mapping[str, str],
    spec: RecordingSpec,
) -> None:
    width, height = spec.size.width, spec.size.height
    random = np.random.default_rng(0)
    shape = (_PATTERNS, height, width)
    noise = np.rint(random.normal(0, NOISE, shape)).astype(np.int16)
    with av.open(str(target), "w") as container:
        stream = cast(VideoStream, container.add_stream(encoder, rate=FPS, options=dict(options)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = spec.bits_per_s
        stream.gop_size = KEY_FRAME_EVERY
        for number, frame in enumerate(frames):
            noisy = _with_noise(frame, noise[number % _PATTERNS])
            noisy.pts, noisy.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(noisy))
        container.mux(stream.encode(None))


def _with_noise(frame: VideoFrame, noise: npt.NDArray[np.int16]) -> VideoFrame:
    planes = frame.to_ndarray()
    height = frame.height
    planes[:height] = np.clip(planes[:height] + noise, 0, 255)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _repeat(once: Path, target: Path, spec: RecordingSpec) -> None:
    """The packets of a file again and again; every repetition begins with a key frame."""
    with av.open(str(target), "w") as container:
        made: VideoStream | None = None
        for repetition in range(spec.repeats):
            with av.open(str(once)) as source:
                stream = source.streams.video[0]
                if made is None:
                    made = container.add_stream_from_template(stream)
                step = round(1 / FPS / cast(Fraction, stream.time_base))
                for packet in source.demux(stream):
                    if packet.size and packet.pts is not None and packet.dts is not None:
                        packet.pts += repetition * spec.frames * step
                        packet.dts += repetition * spec.frames * step
                        packet.stream = made
                        container.mux(packet)
