"""`MainStream`: the main stream of a camera whose smaller stream is inferred.

It is received and kept for some seconds as it comes, and decoded only where a keyframe is taken of
it. Guarantees that what is kept and what is decoded is bounded, that an image of it shows the
moment that was asked for as far as arrival tells, and the same view, and that whoever asks gets the
image of the smaller stream, with the reason, where it gives none.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from camera_adapters.backoff import CameraBackoff, RetryDelays
from camera_adapters.decoder_context import DECODERS
from camera_adapters.decoding import TrackDecoder
from camera_adapters.errors import CameraFault, UnreadableFault
from camera_adapters.evidence_image import EvidenceImage, MainImageMissedError
from camera_adapters.frame import FullImage
from camera_adapters.geometry import Size
from camera_adapters.packet_ring import (
    CLIP_CODECS,
    MEGABYTE,
    ClipWindow,
    CutPackets,
    KeptPacket,
    PacketRing,
)
from camera_adapters.rtp import CLOCK_HZ, CodedImage
from camera_adapters.rtsp import RtspSource
from camera_adapters.sdp import VideoTrack
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec
from camera_adapters.state import CONNECTING

log = logging.getLogger(__name__)

KEPT: Final = ClipWindow(before_s=0.0, after_s=0.0)
"""What is kept where the camera makes no clips: as long as analysis may lag behind."""

SAME_MOMENT_S: Final = 0.2
"""An image that arrived further from the moment that is asked for shows another one."""

MOST_DECODE_S: Final = 1.0
"""Processor time that one keyframe may cost: with key frames far apart it would be any."""

MOST_DECODED_BYTES: Final = 16 * MEGABYTE
"""Encoded images that wait to be decoded for one keyframe."""

MORE_KEY_FRAMES: Final = "set the camera to a key frame every one or two seconds"

SILENT_S: Final = 3.0

MOST_TRIES: Final = 5
"""Key frames that are decoded to see what a stream shows, until one can be."""

STABLE_AFTER_S: Final = 10.0

_CODECS: Final = {name: codec for codec, name in DECODERS.items()}


@dataclass(frozen=True, slots=True)
class MainStreamStatus:
    """The main stream of a camera at one moment.

    Attributes:
        fault: Why keyframes are not of it at present, in words without secrets; empty where they
            are.
        remedy: What to do about it, where that is no part of `fault`.
        image: Size of its upright images, None before the first was decoded.
        kept_bytes: Encoded images that are kept.
        reconnects: Attempts to open it after the first.
        keyframes: Images that were taken of it.
        missed: Images that were taken of the smaller stream instead.
        cpu_s: Processor time of receiving it, seconds.
    """

    fault: str
    remedy: str
    image: Size | None
    kept_bytes: int
    reconnects: int
    keyframes: int
    missed: int
    cpu_s: float


class MainStream:
    """One per camera with two streams. Everything public is safe from any thread.

    Attributes:
        packets: What was received lately.
    """

    def __init__(
        self,
        spec: CameraSpec,
        inferred: Callable[[], Size | None] = lambda: None,
        *,
        delays: RetryDelays = RetryDelays(),  # noqa: B008 - immutable
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares it; nothing happens before `start`.

        Args:
            spec: The camera with its main stream as `source`, see `CameraSpec.main`.
            inferred: Gives the size of the images of the smaller stream, None while unknown.
            delays: How long to wait between attempts.
            clock: Monotonic seconds, those of the frames.
        """
        self._spec = spec
        self._inferred = inferred
        self._clock = clock
        self.packets = PacketRing(spec.clip or KEPT, clock)
        self._backoff = CameraBackoff(delays)
        self._stopping = threading.Event()
        self._counting = threading.Lock()
        self._fault, self._remedy = CONNECTING, ""
        self._missing = self._costly = ""
        self._tries_left = 0
        self._came_s = clock()
        self._image: Size | None = None
        self._attempts = self._keyframes = self._missed = 0
        self._cpu_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"main-{spec.id}", daemon=True)

    @property
    def status(self) -> MainStreamStatus:
        """How it is now."""
        return MainStreamStatus(
            fault=self._why_not(),
            remedy=self._remedy,
            image=self._image,
            kept_bytes=self.packets.used_bytes,
            reconnects=max(0, self._attempts - 1),
            keyframes=self._keyframes,
            missed=self._missed,
            cpu_s=self._cpu_s,
        )

    def start(self) -> None:
        """Begins to receive; once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends it; whether its thread ended within `timeout_s`."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def image(self, at_s: float, inferred: FullImage) -> EvidenceImage:
        """The image that arrived nearest to a time, as far as it came by now.

        Both streams are dated when they arrive here. Beside `SAME_MOMENT_S` the moments differ by
        what the camera and the network delay one stream more than the other.

        Args:
            at_s: Monotonic seconds.
            inferred: The image of the smaller stream at that time.
        """
        cut = self.packets.leading_to(at_s)
        why = self._refusal(cut, at_s)
        # What is refused is not held either.
        taken = partial(self._taken, None if why else cut, why, inferred.size)
        return EvidenceImage(inferred, taken)

    def _refusal(self, cut: CutPackets | None, at_s: float) -> str:
        """Why packets give no image of a time; empty where they may."""
        if cut is None:
            return self._why_not() or "nothing of it is kept that a decoder could start at"
        apart_s = abs(_at_s(cut.packets[-1]) - at_s)
        if apart_s > SAME_MOMENT_S:
            why = self._why_not() or f"its nearest image is {apart_s:.1f} s away"
            return f"it has no image of that moment: {why}"
        if sum(len(one.data) for one in cut.packets) > MOST_DECODED_BYTES:
            self._costly = (
                f"more than {MOST_DECODED_BYTES / MEGABYTE:.0f} MB came since its last key frame; "
                f"{MORE_KEY_FRAMES}"
            )
            return self._costly
        return ""

    def _taken(self, cut: CutPackets | None, why: str, inferred: Size) -> FullImage:
        """The image of packets, which is of the same shape as the one that was inferred."""
        try:
            if cut is None:
                raise MainImageMissedError(why)
            image = self._decoded(cut)
            self._image = image.size
            if different := different_shape(image.size, inferred):
                raise MainImageMissedError(different)
        except MainImageMissedError as missed:
            with self._counting:
                self._missed += 1
            facts = {"camera": self._spec.id, "reason": str(missed)}
            log.warning("main_stream_image_missed", extra=facts)
            raise
        with self._counting:
            self._keyframes += 1
        self._missing = self._costly = ""
        return image

    def _decoded(self, cut: CutPackets) -> FullImage:
        """The image of the last of some packets; with B-frames one of a few images before.

        Raises:
            MainImageMissedError: There is none, or it would cost too much.
        """
        begun_s, image = time.thread_time(), None
        try:
            decoder = self._decoder(cut)
            for number, packet in enumerate(cut.packets):
                if time.thread_time() - begun_s > MOST_DECODE_S:
                    self._costly = (
                        f"decoding {number} of the {len(cut.packets)} images since its last key "
                        f"frame took more than {MOST_DECODE_S:g} s; {MORE_KEY_FRAMES}"
                    )
                    raise MainImageMissedError(self._costly)
                for arrival in decoder.decode(_coded(packet)):
                    if not isinstance(arrival, StreamSignal):
                        image = arrival
                    elif arrival is StreamSignal.DAMAGED:
                        image = None
        except CameraFault as fault:
            raise MainImageMissedError(fault.reason) from None
        if image is None:
            self._tries_left = MOST_TRIES
            raise MainImageMissedError("its image of that moment is damaged, or cannot be decoded")
        return image

    def _decoder(self, cut: CutPackets) -> TrackDecoder:
        codec = _CODECS[cut.format.codec]
        return TrackDecoder(self._spec, VideoTrack(codec, 0, "", cut.format.sets))

    def _why_not(self) -> str:
        """Why keyframes are not of this stream at present; empty where they are."""
        fault, silent_s = self._fault, self._clock() - self._came_s
        if not fault and silent_s > SILENT_S:
            return f"nothing has come for {silent_s:.0f} s"
        inferred = self._inferred()
        if not fault and self._image is not None and inferred is not None:
            fault = different_shape(self._image, inferred)
        return fault or self._costly or self._missing

    def _run(self) -> None:
        while not self._stopping.is_set():
            slow = False
            try:
                self._attempts += 1
                self._receive()
            except CameraFault as fault:
                self._note(fault.reason, fault.remedy)
                slow = fault.slow
            except Exception as error:
                # A defect of this program must not end the evidence of a camera for ever.
                log.exception("main_stream_defect", extra={"camera": self._spec.id})
                self._note(f"the reader failed ({type(error).__name__})")
            self._stopping.wait(self._backoff.next_s(slow=slow))

    def _receive(self) -> None:
        source = RtspSource(self._spec)
        try:
            if source.codec not in CLIP_CODECS:
                known = " or ".join(CLIP_CODECS.values())
                what = f"its video is {source.codec}, and only {known} is kept"
                raise UnreadableFault(self._spec.id, what, f"set the main stream to {known}")
            source.keep_packets(self.packets)
            self._costly, self._tries_left, started = "", MOST_TRIES, False
            opened_s = self._clock()
            for images in source.received():
                if self._stopping.is_set():
                    return
                if images:
                    self._came_s = self._clock()
                if any(one.key for one in images):
                    started = True
                    self._try()
                if started:
                    self._note("")
                    if self._came_s - opened_s >= STABLE_AFTER_S:
                        self._backoff.reset()
                self._cpu_s = time.thread_time()
        finally:
            source.close()

    def _try(self) -> None:
        """Decodes the key frame that has just come, until one can be.

        So it is known what the stream shows before the first keyframe is asked for.
        """
        cut = self.packets.leading_to(self._came_s) if self._tries_left > 0 else None
        if cut is None:
            return
        left = self._tries_left - 1
        try:
            self._image = self._decoded(cut).size
            self._missing, self._tries_left = "", 0
        except MainImageMissedError as missed:
            self._missing, self._tries_left = str(missed), left

    def _note(self, fault: str, remedy: str = "") -> None:
        if fault == self._fault or self._stopping.is_set():
            return
        self._fault, self._remedy = fault, remedy
        if fault:
            facts = {"camera": self._spec.id, "reason": fault, "remedy": remedy}
            log.warning("main_stream_lost", extra=facts)
        else:
            log.info("main_stream_received", extra={"camera": self._spec.id})


def different_shape(main: Size, inferred: Size) -> str:
    """What is wrong where two streams cannot show one view; empty where they may."""
    if main.has_shape_of(inferred):
        return ""
    return (
        f"its images are {main} and those that are inferred {inferred}: boxes and zones would lie "
        "elsewhere in them; set both streams to the same ratio of width to height"
    )


def _coded(packet: KeptPacket) -> CodedImage:
    ticks = round((packet.shown_s or 0.0) * CLOCK_HZ)
    return CodedImage(bytearray(packet.data), ticks, packet.key, packet.damaged)


def _at_s(packet: KeptPacket) -> float:
    return packet.at_s or 0.0
