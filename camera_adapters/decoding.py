"""Decoding: from an open container to clean images; FFmpeg's exceptions end here.

Guarantees that no image is passed on that is damaged, rests on a damaged one, or is larger than
allowed, and that nothing leaves this module which carries the address that was opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import av
import av.error
import av.logging
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from camera_adapters.conversion import AnalysisConverter, HeldImage
from camera_adapters.frame import AnalysisImage
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.key_frames import KeyFrameWatch
from camera_adapters.source import Sign

MAX_PIXELS = 8192 * 4320
"""8K. The decoder refuses anything larger before it takes memory for it: a stream may claim any
size it likes. What is refused comes as damage, and never as an image."""

CALL_ERRORS = (av.FFmpegError, OSError, ValueError, RuntimeError, LookupError)
"""What PyAV raises for reasons that lie outside of this program."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What FFmpeg said, without the address, which its exceptions carry in many places.

    Attributes:
        error: The class of the exception.
        text: FFmpeg's fixed sentence for the error code, or the name of the class.
    """

    error: type[Exception]
    text: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The facts of an exception. Drop the exception itself, its context included."""
        text = error.strerror if isinstance(error, av.FFmpegError) else None
        return cls(type(error), str(text or type(error).__name__))


@dataclass(frozen=True, slots=True)
class Opened:
    """A container that opened; its `repr` shows no address."""

    container: InputContainer

    def __repr__(self) -> str:
        return "Opened()"


def open_container(
    address: str, options: Mapping[str, str], open_timeout_s: float, read_timeout_s: float
) -> Opened | Failure:
    """Opens what FFmpeg can open, within the time; never raises what FFmpeg raises.

    Args:
        address: What to open; may carry a login.
        options: FFmpeg's options.
        open_timeout_s: Seconds for each of the two halves of opening.
        read_timeout_s: Seconds for each later read.
    """
    # FFmpeg's own log lines may carry the address.
    av.logging.set_level(None)
    try:
        container = av.open(
            address,
            mode="r",
            options={**options, "max_pixels": str(MAX_PIXELS)},
            timeout=(open_timeout_s, read_timeout_s),
            metadata_errors="replace",
        )
    except CALL_ERRORS as error:
        return Failure.of(error)
    return Opened(container)


class CleanImage:
    """A decoded image without known damage."""

    def __init__(
        self, frame: VideoFrame, converter: AnalysisConverter, camera: str, pts_s: float | None
    ) -> None:
        """Wraps a frame.

        Args:
            frame: The decoded frame.
            converter: The converter of the decoding thread.
            camera: Camera id.
            pts_s: What the stream says of its time, in seconds.
        """
        self._frame = frame
        self._converter = converter
        self.full = HeldImage(camera, frame)
        self.pts_s = pts_s
        self.media_s = 0.0
        self.cut = False

    @property
    def size(self) -> Size:
        """Size of the upright image in pixels."""
        return self.full.size

    def views(self, specs: Iterable[ViewSpec]) -> Mapping[ViewSpec, AnalysisImage]:
        """Upright analysis images by size and fit."""
        return self._converter.views(self._frame, specs)


class Decoder:
    """Decodes the first video stream of a container."""

    def __init__(
        self,
        camera: str,
        container: InputContainer,
        stream: VideoStream,
        converter: AnalysisConverter,
        *,
        hold_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares the decoder: one thread, no delay.

        Args:
            camera: Camera id.
            container: The open container.
            stream: Its video stream.
            converter: The converter of the thread that will decode.
            hold_s: Longest wait for a key frame after damage; then images pass again.
            clock: Monotonic seconds.
        """
        self._camera = camera
        self._container = container
        self._stream = stream
        self._converter = converter
        self._hold_s = hold_s
        self._clock = clock
        self._key_frames: KeyFrameWatch | None = None
        self._awaits_key_frame = True
        self._waits_since_s: float | None = None
        self._damaged = False
        context = stream.codec_context
        # One thread per stream: more of them add whole frames of delay.
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}

    def tune_for_live(self, wanted_fps: float) -> None:
        """Passes images on at once, and decodes key frames alone where they are all it takes.

        Args:
            wanted_fps: Highest wanted rate in frames per second.
        """
        self._stream.codec_context.flags |= Flags.low_delay
        self._key_frames = KeyFrameWatch(wanted_fps, longest_s=self._hold_s)

    def steps(self) -> Iterator[CleanImage | Sign | Failure]:
        """What every packet makes, in order. A failure is the last step."""
        for packet in _packets(self._container, self._stream):
            if isinstance(packet, Failure):
                yield packet
                return
            self._choose_what_to_skip(packet)
            yield from self._decode(packet)

    def _choose_what_to_skip(self, packet: Packet[VideoStream]) -> None:
        if self._key_frames is None or not packet.is_keyframe or packet.pts is None:
            return
        enough = self._key_frames.is_enough(float(packet.pts * packet.time_base))
        self._stream.codec_context.skip_frame = "NONKEY" if enough else "DEFAULT"

    def _decode(self, packet: Packet[VideoStream]) -> Iterator[CleanImage | Sign]:
        if packet.is_corrupt:
            self._await_key_frame(damaged=True)
        frames: list[VideoFrame] | None
        try:
            frames = packet.decode()
        except CALL_ERRORS:
            # Damaged payload; the decoder itself goes on.
            frames = None
        if frames is None:
            self._await_key_frame(damaged=True)
            yield Sign.DAMAGE
        elif not frames:
            yield Sign.LIFE
        else:
            for frame in frames:
                yield self._judge(frame)

    def _judge(self, frame: VideoFrame) -> CleanImage | Sign:
        if frame.is_corrupt:
            self._await_key_frame(damaged=True)
            return Sign.DAMAGE
        if self._awaits_key_frame and not frame.key_frame and not self._waited_long_enough():
            self._await_key_frame(damaged=self._damaged)
            return Sign.DAMAGE if self._damaged else Sign.LIFE
        self._awaits_key_frame = self._damaged = False
        self._waits_since_s = None
        pts_s = None
        if frame.pts is not None and frame.time_base is not None:
            pts_s = float(frame.pts * frame.time_base)
        return CleanImage(frame, self._converter, self._camera, pts_s)

    def _await_key_frame(self, *, damaged: bool) -> None:
        self._awaits_key_frame = True
        self._damaged = damaged
        if self._waits_since_s is None:
            self._waits_since_s = self._clock()

    def _waited_long_enough(self) -> bool:
        # Some encoders never send another key frame and refresh the image in stripes instead.
        since_s = self._waits_since_s
        return since_s is not None and self._clock() - since_s > self._hold_s


def _packets(
    container: InputContainer, stream: VideoStream
) -> Iterator[Packet[VideoStream] | Failure]:
    packets = container.demux(stream)
    failure = None
    while failure is None:
        packet = None
        try:
            packet = next(packets, None)
        except CALL_ERRORS as error:
            failure = Failure.of(error)
        if packet is None:
            break
        yield packet
    if failure is not None:
        yield failure
