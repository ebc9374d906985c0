"""Decoding: from an address to clean images; FFmpeg's exceptions end here.

Guarantees that no image is passed on that is damaged, depends on a damaged one, or is larger than
allowed, and that nothing leaves this module which carries the address that was opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import av
import av.error
import av.logging
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from camera_adapters.conversion import VideoImage
from camera_adapters.errors import CameraFault
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec

MAX_PIXELS = 8192 * 4320
"""8K. The decoder refuses anything larger before it takes memory for it: a stream may claim any
size it likes. What is refused counts as damaged, and never becomes an image."""

CALL_ERRORS = (av.FFmpegError, OSError, ValueError, RuntimeError, LookupError)
"""What PyAV raises for reasons that lie outside of this program."""

DEFAULT_FPS = 25.0
MAX_FPS = 1000.0

KEY_FRAME_MARGIN = 1.05
"""Key frames may be this much further apart than wanted images and still be called enough."""

MIN_REGULAR = 2
"""Intervals in a row that must be short enough before anything is skipped."""


class NoVideoError(Exception):
    """What was opened has no video stream in it."""


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


class KeyFrameWatch:
    """Measures how far apart the key frames of a stream are.

    A task that wants one image in a few seconds need not pay for decoding 25 images a second.
    """

    def __init__(self, wanted_fps: float, longest_s: float) -> None:
        """Starts without knowing anything, so nothing is skipped.

        Key frames further apart than `longest_s` are never enough, because so long a pause could
        not be told apart from a stream that died. `wanted_fps` is 0 where nothing is wanted.
        """
        longest_wanted_s = KEY_FRAME_MARGIN / wanted_fps if wanted_fps > 0 else longest_s
        self._longest_s = min(longest_s, longest_wanted_s)
        self._last_s: float | None = None
        self._regular = 0

    def is_enough(self, at_s: float) -> bool:
        """Notes a key frame at `at_s` on the stream's own clock; whether they are enough now."""
        if self._last_s is not None:
            near = 0 < at_s - self._last_s <= self._longest_s
            self._regular = self._regular + 1 if near else 0
        self._last_s = at_s
        return self._regular >= MIN_REGULAR


class VideoDecoder:
    """Decodes the first video stream of an open container, which it owns: one thread, no delay."""

    def __init__(
        self,
        spec: CameraSpec,
        container: InputContainer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares the decoder; called by `open_decoder` for a container with a video stream."""
        self._camera = spec.id
        self._container = container
        self._stream = container.streams.video[0]
        # The longest wait for a key frame after damage; then images pass again.
        self._hold_s = spec.read_timeout_s / 2
        self._clock = clock
        self._key_frames: KeyFrameWatch | None = None
        self._awaits_key_frame = True
        self._waits_since_s: float | None = None
        self._damaged = False
        self._pixel_format = ""
        context = self._stream.codec_context
        # One thread per stream: more of them add whole frames of delay.
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}

    @property
    def duration_s(self) -> float:
        """Length of a recording in seconds, 0 where unknown or endless."""
        return self._container.duration / av.time_base if self._container.duration else 0.0

    @property
    def nominal_fps(self) -> float:
        """Frames per second as the container states them."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return min(float(rate), MAX_FPS) if rate else DEFAULT_FPS

    def tune_for_live(self, wanted_fps: float) -> None:
        """Passes images on at once, and decodes key frames alone where `wanted_fps` allows it."""
        self._stream.codec_context.flags |= Flags.low_delay
        self._key_frames = KeyFrameWatch(wanted_fps, longest_s=self._hold_s)

    def images(
        self, fault: Callable[[Failure], CameraFault], at_end: CameraFault | None = None
    ) -> Iterator[VideoImage | StreamSignal]:
        """What every packet makes, in order.

        Args:
            fault: Says what a failure to read means for this kind of camera; it is raised.
            at_end: Raised at the end of the stream; None where an end is proper.

        Raises:
            CameraFault: The stream cannot be read any more.
            UnreadableFault: Images of its pixel format cannot be converted.
        """
        packets = self._container.demux(self._stream)
        while True:
            packet = failure = None
            try:
                packet = next(packets, None)
            except CALL_ERRORS as error:
                failure = Failure.of(error)
            if failure is not None:
                # Outside of the handler: the exception's context carries the address.
                raise fault(failure)
            if packet is None:
                break
            if self._key_frames and packet.is_keyframe and packet.pts is not None:
                enough = self._key_frames.is_enough(float(packet.pts * packet.time_base))
                self._stream.codec_context.skip_frame = "NONKEY" if enough else "DEFAULT"
            yield from self._decode(packet)
        if at_end is not None:
            raise at_end

    def close(self) -> None:
        """Closes the container; never raises."""
        with suppress(*CALL_ERRORS):
            self._container.close()

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoImage | StreamSignal]:
        """The images that a packet completes, clean ones only, or a signal for want of any."""
        if packet.is_corrupt:
            self._await_key_frame(damaged=True)
        try:
            frames = packet.decode()
        except CALL_ERRORS:
            # Damaged payload; the decoder itself goes on.
            self._await_key_frame(damaged=True)
            return [StreamSignal.DAMAGED]
        arrivals: list[VideoImage | StreamSignal] = []
        for frame in frames:
            if frame.is_corrupt:
                self._await_key_frame(damaged=True)
                arrivals.append(StreamSignal.DAMAGED)
            elif self._awaits_key_frame and not frame.key_frame and not self._waited_long_enough():
                self._await_key_frame(damaged=self._damaged)
                signal = StreamSignal.DAMAGED if self._damaged else StreamSignal.NO_IMAGE
                arrivals.append(signal)
            else:
                self._awaits_key_frame = self._damaged = False
                self._waits_since_s = None
                image = VideoImage(self._camera, frame)
                if frame.format.name != self._pixel_format:
                    # Here, because a fault of the camera has to end the attempt to read it;
                    # images are converted later and elsewhere.
                    image.check()
                    self._pixel_format = frame.format.name
                arrivals.append(image)
        return arrivals or [StreamSignal.NO_IMAGE]

    def _await_key_frame(self, *, damaged: bool) -> None:
        self._awaits_key_frame = True
        self._damaged = damaged
        if self._waits_since_s is None:
            self._waits_since_s = self._clock()

    def _waited_long_enough(self) -> bool:
        # Some encoders never send another key frame and refresh the image in stripes instead.
        since_s = self._waits_since_s
        return since_s is not None and self._clock() - since_s > self._hold_s


def open_decoder(
    spec: CameraSpec, address: str, options: Mapping[str, str], *, container_format: str = ""
) -> VideoDecoder | Failure:
    """Opens what FFmpeg can open, within the camera's times; never raises what FFmpeg raises.

    The address may carry a login. `container_format` is FFmpeg's name of the demuxer; it is empty
    where the content tells.

    Returns:
        The decoder, or why there is none: `NoVideoError` where the container has no video.
    """
    # FFmpeg's own log lines may carry the address.
    av.logging.set_level(None)
    try:
        container = av.open(
            address,
            mode="r",
            format=container_format or None,
            options={**options, "max_pixels": str(MAX_PIXELS)},
            timeout=(spec.open_timeout_s, spec.read_timeout_s),
            metadata_errors="replace",
        )
    except CALL_ERRORS as error:
        return Failure.of(error)
    if container.streams.video:
        return VideoDecoder(spec, container)
    container.close()
    return Failure.of(NoVideoError())


def ffmpeg_version() -> str:
    """The version of the FFmpeg that decodes."""
    return str(av.ffmpeg_version_info)
