"""RTP (RFC 3550): from packets to coded images, each complete with the packet that ends it.

The marker bit ends an image, so none is held back until the next one begins. A gap in the sequence
makes the image damaged that it falls into or that comes after it.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

CLOCK_HZ = 90_000
"""The RTP clock of every video format that is read here."""

MAX_IMAGE_BYTES = 16 * 1024 * 1024
"""The largest coded image that is taken together; a key frame of 8K has a few megabytes."""

RTP_HEADER_BYTES = 12
_HEADER = struct.Struct(">BBHII")
_VERSION_2 = 0x80
_PADDING, _EXTENSION, _SOURCES = 0x20, 0x10, 0x0F
_MARKER = 0x80

_HALF, _FULL = 1 << 31, 1 << 32

MAX_MISORDER = 64
"""A packet that is so many behind came late; one further behind begins a new count."""


@dataclass(frozen=True, slots=True, eq=False)
class CodedImage:
    """One encoded image: an access unit, or a JPEG file.

    Attributes:
        data: H.264 and H.265 with start codes.
        ticks: When it is shown, in 1/90000 s on a time line that does not wrap.
        key: Whether a decoder can start here.
        damaged: Whether something of it, or of an image before it, is missing.
    """

    data: bytearray = field(repr=False)
    ticks: int
    key: bool
    damaged: bool


class Assembler(Protocol):
    """Takes the payloads of one format together.

    Attributes:
        data: What was taken together so far.
        has_image: Whether that includes an image, not only what describes one.
        key: Whether a decoder can start with it.
        damaged: Whether something is missing in it.
        continued: Whether it begins in the middle of an image.
    """

    data: bytearray
    has_image: bool
    key: bool
    damaged: bool
    continued: bool

    def add(self, packet: bytearray, start: int, end: int) -> None:
        """Takes the payload between two positions of a buffer; whatever is in it, never raises."""
        ...

    def finish(self) -> bytearray:
        """What was taken together; the next image begins."""
        ...

    def drop(self) -> None:
        """Forgets what was taken together."""
        ...


class RtpReceiver:
    """Turns the packets of one track, in order, into coded images.

    Attributes:
        ready: Images that are complete; whoever reads takes them out.
    """

    def __init__(self, payload_type: int, assembler: Assembler) -> None:
        """Takes packets of one payload type; all others are ignored."""
        self.ready: deque[CodedImage] = deque()
        self._payload_type = payload_type
        self._assembler = assembler
        self._expected = -1
        self._source = -1
        self._timestamp = -1
        self._ticks = 0
        self._finished = -1
        self._gap = False
        # A camera may set the marker wrongly; then the next time stamp ends an image.
        self._trusts_marker = True

    def push(self, packet: bytearray, start: int, end: int) -> None:
        """Takes the packet between two positions of a buffer; whatever is in it, never raises."""
        if end - start < RTP_HEADER_BYTES:
            return
        first, second, sequence, timestamp, source = _HEADER.unpack_from(packet, start)
        if second & 0x7F != self._payload_type:
            return
        start += RTP_HEADER_BYTES
        if first != _VERSION_2:
            start, end = _payload_within(packet, first, start, end)
        if (sequence != self._expected or source != self._source) and not self._jump(
            sequence, source
        ):
            return
        self._expected = (sequence + 1) & 0xFFFF
        if timestamp != self._timestamp:
            self._begin(timestamp)
        assembler = self._assembler
        # Packets without a payload count in the sequence; some cameras pad with them.
        if start < end:
            assembler.add(packet, start, end)
            if assembler.continued:
                self._note_continuation()
            if len(assembler.data) > MAX_IMAGE_BYTES:
                assembler.drop()
                self._gap = True
        if second & _MARKER and self._trusts_marker and assembler.has_image:
            self._finish()

    def _jump(self, sequence: int, source: int) -> bool:
        """Notes a packet that is not the next one; whether it is to be used."""
        if self._expected >= 0 and source == self._source:
            missing = (sequence - self._expected) & 0xFFFF
            if missing > 0xFFFF - MAX_MISORDER:
                return False
        if self._expected >= 0:
            self._gap = True
            self._assembler.damaged = True
        self._source = source
        return True

    def _begin(self, timestamp: int) -> None:
        if self._assembler.has_image:
            self._finish()
        if self._timestamp >= 0:
            self._ticks += ((timestamp - self._timestamp + _HALF) % _FULL) - _HALF
        self._timestamp = timestamp

    def _note_continuation(self) -> None:
        assembler = self._assembler
        assembler.continued = False
        assembler.damaged = True
        if self._timestamp == self._finished and not self._gap:
            self._trusts_marker = False

    def _finish(self) -> None:
        assembler = self._assembler
        damaged, key = assembler.damaged or self._gap, assembler.key
        self.ready.append(CodedImage(assembler.finish(), self._ticks, key, damaged))
        self._finished = self._timestamp
        self._gap = False


def _payload_within(packet: bytearray, first: int, start: int, end: int) -> tuple[int, int]:
    """Where the payload lies behind the fixed header; nothing where the packet makes no sense."""
    if first & 0xC0 != _VERSION_2:
        return end, end
    if first & _PADDING:
        end -= packet[end - 1]
    start += 4 * (first & _SOURCES)
    if first & _EXTENSION:
        if start + 4 > end:
            return end, end
        start += 4 + 4 * ((packet[start + 2] << 8) | packet[start + 3])
    return start, end
