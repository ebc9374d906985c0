"""Remuxing: packets become an MP4 file, each byte for byte as the camera encoded it.

Nothing is decoded and nothing is encoded. Between units of a byte stream there are start codes, in
MP4 there are lengths; that is the only difference. Time stamps are those of the camera where they
agree with the time that passed, else those of arrival: the length of a clip is true either way.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Final, cast

import av
import av.logging
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from camera_adapters.decoder_context import CALL_ERRORS
from camera_adapters.packet_ring import CLIP_CODECS, CutPackets, KeptPacket, PacketFormat

MP4: Final = "video/mp4"
TICKS_HZ: Final = 90_000
USUAL_STEP_S: Final = 0.04
MOST_REORDERED: Final = 16
"""The largest number of pictures that a decoder of H.264 or H.265 holds back."""

LENGTHS: Final = b"\1"
"""How `avcC` and `hvcC` begin: with the number of their version."""

WRONG_BY_S: Final = 1.0
WRONG_BY_SHARE: Final = 0.1
"""Stamps that differ by both from the time that passed are not believed."""


class RemuxError(Exception):
    """Packets cannot be made into a clip; the text says why."""


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A clip.

    Attributes:
        data: An MP4 file.
        begins_s: When its first image was captured, monotonic seconds.
        duration_s: Seconds.
        packets: Number of its encoded images.
        damaged: Of these, how many are known to be damaged.
        shortened: See `CutPackets.shortened`.
    """

    data: bytes = field(repr=False)
    begins_s: float
    duration_s: float
    width: int
    height: int
    packets: int
    damaged: int
    shortened: str = ""


@dataclass(frozen=True, slots=True)
class _Times:
    """Stamps in ticks, by packet in the order of decoding."""

    shown: Sequence[int]
    decoded: Sequence[int]
    step: int

    @property
    def length(self) -> int:
        return max(self.shown) - min(self.shown) + self.step


def remux(cut: CutPackets) -> ClipFile:
    """An MP4 file of packets.

    Raises:
        RemuxError: FFmpeg does not take them.
    """
    av.logging.set_level(None)
    times = _times(cut.packets)
    failure = ""
    try:
        data, width, height = _written(cut, times)
    except CALL_ERRORS as error:
        failure = type(error).__name__
    if failure:
        # Outside of the handler, so that the exception has no context.
        raise RemuxError(f"its packets cannot be put into an MP4 file ({failure})")
    return ClipFile(
        data,
        begins_s=cut.packets[0].at_s or 0.0,
        duration_s=round(times.length / TICKS_HZ, 3),
        width=width,
        height=height,
        packets=len(cut.packets),
        damaged=sum(one.damaged for one in cut.packets),
        shortened=cut.shortened,
    )


def packet_format(stream: VideoStream) -> PacketFormat:
    """What the packets of a file's stream are made of."""
    codec, sets = stream.codec_context.name, stream.codec_context.extradata or b""
    if codec not in CLIP_CODECS or sets[:1] != LENGTHS:
        return PacketFormat(codec, sets)
    try:
        return PacketFormat(codec, header=_description(stream))
    except CALL_ERRORS:
        return PacketFormat(f"{codec} of a kind that MP4 does not take")


def _description(stream: VideoStream) -> bytes:
    """A file without packets that describes a stream whose packets have lengths before units."""
    file = io.BytesIO()
    # Without packets, only a file that says that fragments follow names its streams.
    options = {"movflags": "empty_moov"}
    with av.open(file, "w", format="mp4", options=options) as container:
        container.add_stream_from_template(stream)
        container.start_encoding()
    return file.getvalue()


def _written(cut: CutPackets, times: _Times) -> tuple[bytes, int, int]:
    file = io.BytesIO()
    base = Fraction(1, TICKS_HZ)
    with ExitStack() as stack:
        template = _template(cut)
        stack.callback(template.close)
        described = template.streams.video[0]
        if not described.codec_context.extradata:
            raise RemuxError("its stream brings no parameter sets")
        target = av.open(file, "w", format="mp4")
        stack.callback(target.close)
        stream = target.add_stream_from_template(described)
        stream.time_base = base
        width, height = described.width, described.height
        for packet, shown, decoded in zip(cut.packets, times.shown, times.decoded, strict=True):
            coded = cast("Packet[VideoStream]", Packet(len(packet.data)))
            coded.update(packet.data)  # type: ignore[arg-type]
            coded.pts, coded.dts, coded.duration = shown, decoded, times.step
            coded.time_base, coded.stream, coded.is_keyframe = base, stream, packet.key
            target.mux_one(coded)
    # Complete only now that it is closed.
    return file.getvalue(), width, height


def _template(cut: CutPackets) -> InputContainer:
    """A file whose stream has the format of the packets."""
    if cut.format.header:
        return av.open(io.BytesIO(cut.format.header), "r", format="mp4")
    begin = cut.format.sets + bytes(cut.packets[0].data)
    return av.open(io.BytesIO(begin), "r", format=cut.format.codec)


def _times(packets: Sequence[KeptPacket]) -> _Times:
    """The camera's own stamps where they can be believed, else those of arrival."""
    passed_s = [(one.at_s or 0.0) - (packets[0].at_s or 0.0) for one in packets]
    shown_s = [one.shown_s for one in packets if one.shown_s is not None]
    if len(shown_s) == len(packets):
        shown = [round((one - min(shown_s)) * TICKS_HZ) for one in shown_s]
        decoded = _decoding_order(packets, shown)
        length_s = max(shown) / TICKS_HZ
        wrong_s = abs(length_s - passed_s[-1])
        if decoded and wrong_s <= max(WRONG_BY_S, WRONG_BY_SHARE * passed_s[-1]):
            return _Times(shown, decoded, _step(shown))
    arrived: list[int] = []
    for one in passed_s:
        # Packets that came together follow each other by the least there is.
        arrived.append(max(round(one * TICKS_HZ), arrived[-1] + 1 if arrived else 0))
    return _Times(arrived, arrived, _step(arrived))


def _decoding_order(packets: Sequence[KeptPacket], shown: Sequence[int]) -> Sequence[int]:
    """Times of decoding for times of display; empty where those cannot be true."""
    ordered = sorted(shown)
    if len(set(ordered)) < len(ordered):
        return ()
    place = {ticks: number for number, ticks in enumerate(ordered)}
    latest = -1
    for number, (packet, ticks) in enumerate(zip(packets, shown, strict=True)):
        if (packet.key and ticks < latest) or abs(place[ticks] - number) > MOST_REORDERED:
            return ()
        latest = max(latest, ticks)
    late = max(decoded - ticks for decoded, ticks in zip(ordered, shown, strict=True))
    return [decoded - late for decoded in ordered]


def _step(ticks: Sequence[int]) -> int:
    """How long the last image is shown: as long as images usually are."""
    ordered = sorted(ticks)
    steps = [later - sooner for sooner, later in pairwise(ordered)]
    return max(1, round(statistics.median(steps))) if steps else round(USUAL_STEP_S * TICKS_HZ)
