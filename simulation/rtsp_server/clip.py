"""Loads an encoded clip into memory, ready to be sent: access units with exact 90 kHz times.

The only module of the server that touches `av`. A loaded `Clip` can be looped for ever: it starts
with a key frame, and its duration covers its last frame, so times continue over the seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.packet import Packet
from av.video.stream import VideoStream

from simulation.rtsp_server.errors import ClipError

CLOCK_HZ = 90_000
"""RTP clock rate of every video payload format used here (RFC 6184, RFC 7798)."""

MAX_CLIP_BYTES = 512 * 1024 * 1024
"""Clips are held in memory, so a longer one is refused rather than swapped."""

Codec = Literal["h264", "h265"]

_CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "h265"}
H264_SPS = 7
_H264_IDR = 5
_H265_IRAP, _H265_SPS = range(16, 22), 33


@dataclass(frozen=True, slots=True, eq=False)
class AccessUnit:
    """One encoded image.

    Attributes:
        nals: Its NAL units without start code or length prefix.
        send_ticks: When to send it after the clip's start, in 1/90000 s; grows with every unit.
        shown_ticks: When it is shown after the first shown one, in 1/90000 s.
        key: A decoder can start here.
    """

    nals: tuple[bytes, ...]
    send_ticks: int
    shown_ticks: int
    key: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of all NAL units."""
        return sum(map(len, self.nals))


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A whole clip in memory, in decoding order.

    Attributes:
        codec: `h264` or `h265`.
        parameter_sets: SPS and PPS (before them VPS for H.265), from the container.
        units: Access units; the first is a key frame.
        duration_ticks: Length of one round in 1/90000 s, the last frame's own time included.
        reorder_ticks: The longest time a unit is sent before it is shown (0 without B-frames).
        fps: Average frames per second.
    """

    codec: Codec
    parameter_sets: tuple[bytes, ...]
    units: tuple[AccessUnit, ...]
    duration_ticks: int
    reorder_ticks: int
    fps: float

    @property
    def duration_s(self) -> float:
        """Length of one round in seconds."""
        return self.duration_ticks / CLOCK_HZ

    @property
    def bits_per_s(self) -> int:
        """Average bit rate of the elementary stream."""
        total = sum(unit.size_bytes for unit in self.units)
        return total * 8 * CLOCK_HZ // self.duration_ticks


def nal_type(codec: Codec, nal: bytes) -> int:
    """The type field of a NAL unit's header."""
    return nal[0] & 0x1F if codec == "h264" else (nal[0] >> 1) & 0x3F


def load_clip(path: Path) -> Clip:
    """Read a clip whose first video stream is H.264 or H.265 in MP4, MOV or Matroska.

    Raises:
        ClipError: The file is missing, too large, broken, or of another codec or container.
    """
    try:
        if path.stat().st_size > MAX_CLIP_BYTES:
            raise ClipError(path, f"larger than {MAX_CLIP_BYTES} bytes; cut it")
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ClipError(path, "it has no video stream")
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
            return _clip_from(path, stream, packets)
    except (OSError, av.error.FFmpegError) as error:
        raise ClipError(path, error.strerror or type(error).__name__) from error


def _clip_from(path: Path, stream: VideoStream, packets: list[Packet[VideoStream]]) -> Clip:
    codec = _CODECS.get(stream.codec_context.name)
    if codec is None:
        raise ClipError(path, f"codec {stream.codec_context.name} is not H.264 or H.265")
    extradata = bytes(stream.codec_context.extradata or b"")
    if not packets or extradata[:1] != b"\x01" or stream.time_base is None:
        raise ClipError(path, "no frames or no parameter sets in the container; remux into MP4")
    try:
        length_bytes, parameter_sets = (_parse_avcc if codec == "h264" else _parse_hvcc)(extradata)
        units = _access_units(codec, packets, length_bytes, stream.time_base)
    except (IndexError, ValueError, TypeError) as error:
        raise ClipError(path, f"the stream is damaged ({error})") from error
    if not parameter_sets or not units[0].key:
        raise ClipError(path, "it has to begin with a key frame and its parameter sets")
    fps = float(stream.average_rate or Fraction(25))
    return Clip(
        codec=codec,
        parameter_sets=parameter_sets,
        units=units,
        duration_ticks=_duration_ticks(units, fps),
        reorder_ticks=max(0, *(unit.shown_ticks - unit.send_ticks for unit in units)),
        fps=fps,
    )


def _duration_ticks(units: tuple[AccessUnit, ...], fps: float) -> int:
    """One round, the last image being shown as long as the image before it."""
    shown = sorted(unit.shown_ticks for unit in units)
    last_ticks = shown[-1] - shown[-2] if len(shown) > 1 else round(CLOCK_HZ / fps)
    return max(shown[-1], units[-1].send_ticks) + max(1, last_ticks)


def _access_units(
    codec: Codec, packets: list[Packet[VideoStream]], length_bytes: int, time_base: Fraction
) -> tuple[AccessUnit, ...]:
    scale = time_base * CLOCK_HZ
    first_sent = min(_time(packet.dts) for packet in packets)
    first_shown = min(_time(packet.pts) for packet in packets)
    units = []
    for packet in packets:
        nals = _split(bytes(packet), length_bytes)
        units.append(
            AccessUnit(
                nals=nals,
                send_ticks=round((_time(packet.dts) - first_sent) * scale),
                shown_ticks=round((_time(packet.pts) - first_shown) * scale),
                key=any(_starts_decoding(codec, nal_type(codec, nal)) for nal in nals),
            )
        )
    return tuple(units)


def _time(value: int | None) -> int:
    if value is None:
        raise ValueError("a frame has no time stamp")
    return value


def _starts_decoding(codec: Codec, kind: int) -> bool:
    return kind == _H264_IDR if codec == "h264" else kind in _H265_IRAP


def carries_parameter_sets(codec: Codec, nals: tuple[bytes, ...]) -> bool:
    """Whether an access unit brings its own SPS."""
    sps = H264_SPS if codec == "h264" else _H265_SPS
    return any(nal_type(codec, nal) == sps for nal in nals)


def _split(data: bytes, length_bytes: int) -> tuple[bytes, ...]:
    """Cut length-prefixed NAL units apart (ISO/IEC 14496-15)."""
    nals = []
    at = 0
    while at < len(data):
        end = at + length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
        if end > len(data):
            raise ValueError("a NAL unit is cut off")
        nal = data[at + length_bytes : end]
        if nal:
            nals.append(nal)
        at = end
    return tuple(nals)


def _parse_avcc(box: bytes) -> tuple[int, tuple[bytes, ...]]:
    """Length-field size and parameter sets of an `avcC` box (ISO/IEC 14496-15, 5.3.3)."""
    nals: list[bytes] = []
    at = _take_sets(box, 6, box[5] & 0x1F, nals)
    _take_sets(box, at + 1, box[at], nals)
    return (box[4] & 3) + 1, tuple(nals)


def _parse_hvcc(box: bytes) -> tuple[int, tuple[bytes, ...]]:
    """Length-field size and parameter sets of an `hvcC` box (ISO/IEC 14496-15, 8.3.3)."""
    by_type: dict[int, list[bytes]] = {}
    at = 23
    for _ in range(box[22]):
        kind = box[at] & 0x3F
        count = int.from_bytes(box[at + 1 : at + 3], "big")
        at = _take_sets(box, at + 3, count, by_type.setdefault(kind, []))
    sets = [nal for kind in (32, 33, 34) for nal in by_type.get(kind, [])]
    return (box[21] & 3) + 1, tuple(sets)


def _take_sets(box: bytes, at: int, count: int, nals: list[bytes]) -> int:
    for _ in range(count):
        size = int.from_bytes(box[at : at + 2], "big")
        nal = box[at + 2 : at + 2 + size]
        if len(nal) != size or not nal:
            raise ValueError("a parameter set is cut off")
        nals.append(nal)
        at += 2 + size
    return at
