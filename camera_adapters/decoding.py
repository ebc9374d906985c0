"""Decoding: from encoded images to clean ones; FFmpeg's exceptions end here.

Guarantees that no image is passed on that is damaged, depends on a damaged one, or is larger than
allowed. FFmpeg opens nothing here but local files; it never sees an address, a login or a socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import av.logging
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from camera_adapters.announced_size import UnreadableSetError, announced_sizes
from camera_adapters.conversion import VideoImage, stamp_of
from camera_adapters.decoder_context import CALL_ERRORS, stream_context, track_context
from camera_adapters.errors import CameraFault, UnreadableFault
from camera_adapters.geometry import Size
from camera_adapters.gpu_decoding import GpuStream
from camera_adapters.packet_ring import KeptPacket, PacketRing
from camera_adapters.recording_time import SHORTEST_STEP_S, RecordingTimeline, Stamp
from camera_adapters.remuxing import packet_format
from camera_adapters.rtp import CLOCK_HZ, CodedImage
from camera_adapters.sdp import VideoTrack
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec
from camera_adapters.upright import shown_size

MOST_OVERSIZED = 2
"""How many images in a row may be announced as larger than allowed before that is a fault."""

DEFAULT_FPS = 25.0

_RTP_TIME_BASE = Fraction(1, CLOCK_HZ)


class NoVideoError(Exception):
    """What was opened has no video stream in it, or none of a known codec."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What FFmpeg said, without the rest of its exception, which names the file in many places.

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


class VideoDecoder:
    """Decodes the packets of one video stream: one thread, no delay."""

    def __init__(
        self,
        spec: CameraSpec,
        context: VideoCodecContext,
        clock: Callable[[], float] = time.monotonic,
        pixel_aspect: Fraction | None = None,
        gpu: GpuStream | None = None,
    ) -> None:
        """Decodes with a context that `decoder_context` prepared, that of `gpu` where there is one.

        `pixel_aspect` is the width of a pixel over its height where a container says it; it goes
        before what the stream says.
        """
        self._camera = spec.id
        self._max_pixels = spec.max_pixels
        self._said_aspect = self._aspect = pixel_aspect
        self._context = context
        self._gpu = gpu
        # The longest wait for a key frame after damage; then images pass again.
        self._hold_s = spec.read_timeout_s / 2
        self._clock = clock
        self._awaits_key_frame = True
        self._waits_since_s: float | None = None
        self._damaged = False
        self._pixel_format = ""

    def decode(
        self, packet: Packet[VideoStream], *, damaged: bool = False
    ) -> list[VideoImage | StreamSignal]:
        """The images that a packet completes, clean ones only, or a signal for want of any.

        Args:
            packet: One encoded image.
            damaged: Whether something of it is known to be missing.

        Raises:
            UnreadableFault: Images of its pixel format cannot be converted, or a GPU that is to
                decode them refuses them.
        """
        damaged = damaged or packet.is_corrupt
        if damaged:
            self._await_key_frame(damaged=True)
        frames: list[VideoFrame] | None = None
        began_s = time.perf_counter()
        with suppress(*CALL_ERRORS):
            frames = self._context.decode(packet)
        if self._gpu is not None and (frames or (packet.is_keyframe and not damaged)):
            self._gpu.note(refused=frames is None)
        if frames is None:
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
                arrivals.append(StreamSignal.DAMAGED if self._damaged else StreamSignal.NO_IMAGE)
            else:
                self._awaits_key_frame = self._damaged = False
                self._waits_since_s = None
                image = VideoImage(self._camera, frame, self._shown(frame))
                image.decode_s = time.perf_counter() - began_s
                if frame.format.name != self._pixel_format:
                    # Here, because a fault of the camera has to end the attempt to read it;
                    # images are converted later and elsewhere.
                    image.check()
                    self._pixel_format = frame.format.name
                arrivals.append(image)
        return arrivals or [StreamSignal.NO_IMAGE]

    def leave_out(self) -> list[VideoImage | StreamSignal]:
        """What comes of an encoded image that must not be decoded."""
        self._await_key_frame(damaged=True)
        return [StreamSignal.DAMAGED]

    def _shown(self, frame: VideoFrame) -> Size | None:
        """The size of a frame with square pixels; None where its pixels are square."""
        context = self._context
        # A decoder may still give images of before the stream announced another size.
        announced = frame.width == context.width and frame.height == context.height
        if self._said_aspect is None and announced:
            self._aspect = context.sample_aspect_ratio
        if not self._aspect or self._aspect == 1:
            return None
        return shown_size(Size(frame.width, frame.height), self._aspect, self._max_pixels)

    def _await_key_frame(self, *, damaged: bool) -> None:
        self._awaits_key_frame = True
        self._damaged = damaged
        if self._waits_since_s is None:
            self._waits_since_s = self._clock()

    def _waited_long_enough(self) -> bool:
        # Some encoders never send another key frame and refresh the image in stripes instead.
        since_s = self._waits_since_s
        return since_s is not None and self._clock() - since_s > self._hold_s


class TrackDecoder:
    """Decodes the coded images of a camera's track."""

    def __init__(self, spec: CameraSpec, track: VideoTrack) -> None:
        """Prepares a decoder with the parameter sets of the description, if there are any.

        Raises:
            UnreadableFault: They announce images that are larger than allowed, or there is no GPU
                that is to decode them.
        """
        # FFmpeg's log lines go to standard error and help nobody there.
        av.logging.set_level(None)
        self._spec = spec
        self._codec = track.codec
        self._oversized = MOST_OVERSIZED
        sets = track.parameter_sets
        usable = self._may_decode(sets)
        self._oversized = 0
        context, gpu = track_context(track, spec, sets if usable else b"")
        self._decoder = VideoDecoder(spec, context, gpu=gpu)

    def decode(self, coded: CodedImage) -> list[VideoImage | StreamSignal]:
        """See `VideoDecoder.decode`.

        Raises:
            UnreadableFault: Images are larger than allowed, or cannot be converted.
        """
        if not self._may_decode(coded.data):
            return self._decoder.leave_out()
        # The decoder reads beyond the end, so the data needs FFmpeg's own padding.
        packet = cast("Packet[VideoStream]", Packet(len(coded.data)))
        packet.update(coded.data)  # type: ignore[arg-type]
        packet.pts = coded.ticks
        packet.time_base = _RTP_TIME_BASE
        packet.is_keyframe = coded.key
        return self._decoder.decode(packet, damaged=coded.damaged)

    def _may_decode(self, data: bytes | bytearray) -> bool:
        """Whether all images that data announces are understood, and as small as they must be."""
        try:
            for size in announced_sizes(data, self._codec):
                if size.width * size.height > self._spec.max_pixels:
                    self._note_oversized(size)
                    return False
                self._oversized = 0
        except UnreadableSetError:
            return False
        return True

    def _note_oversized(self, size: Size) -> None:
        """Once or twice it may be damage; then it is what the camera sends."""
        self._oversized += 1
        if self._oversized > MOST_OVERSIZED:
            raise UnreadableFault(
                self._spec.id,
                f"its images are coded with {size.width} x {size.height} pixels, more than the "
                f"{self._spec.max_pixels} of `max_pixels`",
                "set the camera to smaller images, or allow them",
            )


@dataclass(slots=True)
class _Position:
    """Where in a recording its packets are; apart, so that a decoder holds no container.

    The two would keep each other, and a decoder of a GPU, until garbage is collected.
    """

    step_s: float
    read: int = 0

    def passed_s(self) -> float:
        # About how much was read: what comes of damage must not depend on the speed of reading.
        return self.read * self.step_s


class VideoContainer:
    """The first video stream of an open file that can be decoded; it owns the file."""

    def __init__(self, spec: CameraSpec, container: InputContainer) -> None:
        """Called by `open_container`.

        Raises:
            NoVideoError: The container has no video that can be decoded.
            UnreadableFault: There is no GPU that is to decode it.
        """
        self._container = container
        self._stream = _video_of(container)
        context, gpu = stream_context(self._stream, spec)
        said = self._stream.sample_aspect_ratio
        # Where both say the same, it is the stream that may change it.
        in_stream = self._stream.codec_context.sample_aspect_ratio
        said_here = said if said and said != in_stream else None
        self._position = _Position(self.step_s)
        self._ring: PacketRing | None = None
        clock = self._position.passed_s
        self._decoder = VideoDecoder(spec, context, clock, pixel_aspect=said_here, gpu=gpu)
        self._packets = container.demux(self._stream)

    @property
    def step_s(self) -> float:
        """Seconds from image to image as the container states them."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate and 1 / rate >= SHORTEST_STEP_S else 1 / DEFAULT_FPS

    @property
    def stated_s(self) -> float:
        """Length in seconds as the header states it, 0 where it does not; it may be wrong."""
        own, base = self._stream.duration, self._stream.time_base
        seconds = float(own * base) if own is not None and base is not None else 0.0
        if not seconds and len(self._container.streams) == 1:
            seconds = (self._container.duration or 0) / av.time_base
        return max(seconds, self._stream.frames * self.step_s)

    def length_s(self) -> float:
        """Length in seconds as its packets say, from here up to where it can be read.

        What a header says of it may be missing, and may be wrong by hours: recorders write it last,
        and die before. Takes about 15 µs per image.
        """
        timeline = RecordingTimeline[None](self.step_s)
        last_s = 0.0
        with suppress(*CALL_ERRORS):
            while (packet := self.read()) is not None:
                if not packet.size:
                    continue
                stamp = stamp_of(packet)
                # Packets come in the order of decoding, and the time of that may be missing.
                said_s = stamp.decoded_s if stamp.shown_s is None else stamp.shown_s
                for placed in timeline.place(None, Stamp(said_s, None, stamp.lasts_s)):
                    last_s = placed.media_s
        return max([last_s, *(placed.media_s for placed in timeline.finish())]) + self.step_s

    def images(
        self, fault: Callable[[Failure], CameraFault]
    ) -> Iterator[VideoImage | StreamSignal]:
        """What every packet makes, in order, up to the end of the file.

        Args:
            fault: Says what a failure to read means; it is raised.

        Raises:
            CameraFault: The file cannot be read any more.
            UnreadableFault: Images of its pixel format cannot be converted.
        """
        while True:
            packet = failure = None
            try:
                packet = self.read()
            except CALL_ERRORS as error:
                failure = Failure.of(error)
            if failure is not None:
                # Outside of the handler, so that the exception has no context.
                raise fault(failure)
            if packet is None:
                return
            self._keep(packet)
            yield from self._decoder.decode(packet)

    def keep_packets(self, ring: PacketRing, why: str) -> None:
        """See `VideoSource.keep_packets`; `why` as in `PacketRing.begin`."""
        ring.begin(packet_format(self._stream), why)
        self._ring = ring

    def _keep(self, packet: Packet[VideoStream]) -> None:
        if self._ring is not None and packet.size:
            key, damaged = packet.is_keyframe, packet.is_corrupt
            self._ring.put(KeptPacket(bytes(packet), stamp_of(packet).shown_s, key, damaged))

    def read(self) -> Packet[VideoStream] | None:
        """The next packet, None at the end; raises what PyAV raises."""
        packet = next(self._packets, None)
        self._position.read += packet is not None
        return packet

    def close(self) -> None:
        """Closes the file; never raises."""
        with suppress(*CALL_ERRORS):
            self._container.close()


def open_container(spec: CameraSpec, path: Path) -> VideoContainer | Failure:
    """Opens a video file, within the camera's times; never raises what FFmpeg raises.

    Returns:
        The container, or why there is none: `NoVideoError` where it has no video.

    Raises:
        UnreadableFault: There is no GPU that is to decode it.
    """
    av.logging.set_level(None)
    try:
        container = av.open(
            # "file:" in front keeps FFmpeg from reading a protocol into the name of the file.
            f"file:{path}",
            mode="r",
            options={"protocol_whitelist": "file", "max_pixels": str(spec.max_pixels)},
            timeout=(spec.open_timeout_s, spec.read_timeout_s),
            metadata_errors="replace",
        )
    except CALL_ERRORS as error:
        return Failure.of(error)
    try:
        return VideoContainer(spec, container)
    except NoVideoError as error:
        failure = Failure.of(error)
    except CameraFault:
        container.close()
        raise
    container.close()
    return failure


def _video_of(container: InputContainer) -> VideoStream:
    """The first video stream that there is a decoder for; `NoVideoError` where there is none."""
    for stream in container.streams.video:
        # PyAV knows of no context where there is no decoder.
        if cast("VideoCodecContext | None", stream.codec_context) is not None:
            return stream
    raise NoVideoError


def ffmpeg_version() -> str:
    """The version of the FFmpeg that decodes."""
    return str(av.ffmpeg_version_info)
