"""NAL units from RTP payloads: H.264 (RFC 6184) and H.265 (RFC 7798), both in decoding order.

Single units, aggregates and fragments are written into one byte stream with start codes, as a
decoder takes it.
"""

from __future__ import annotations

from camera_adapters.sdp import START_CODE

MAX_DESCRIPTION_BYTES = 64 * 1024
"""Parameter sets and messages that come without an image are kept up to here."""

_FIRST, _LAST = 0x80, 0x40
_LENGTH_BYTES = 2
_H264_HEADER_BYTES, _H264_FU_BYTES = 1, 2
_H265_HEADER_BYTES, _H265_FU_BYTES = 2, 3
_H264_STAP_A, _H264_FU_A = 24, 28
_H264_SLICES = range(1, 6)
_H264_WITH_FIRST_BIT = (1, 5)
_H264_KEY = 5
_H264_UNITS = range(1, 24)
_H265_AP, _H265_FU = 48, 49
_H265_SLICES = range(32)
_H265_KEYS = range(16, 22)


class NalAssembler:
    """What both formats have in common; see `Assembler`."""

    def __init__(self) -> None:
        """Starts with nothing."""
        self.data = bytearray()
        self.has_image = False
        self.key = False
        self.damaged = False
        self.continued = False
        self._in_fragment = False

    def finish(self) -> bytearray:
        """See `Assembler`."""
        data, self.data = self.data, bytearray()
        self.has_image = self.key = self.damaged = self.continued = self._in_fragment = False
        return data

    def drop(self) -> None:
        """See `Assembler`."""
        self.data = bytearray()
        self.has_image = self.key = self.continued = self._in_fragment = False

    def _add_aggregate(self, packet: bytearray, start: int, end: int, least: int) -> None:
        """Units with their lengths before them; what is shorter than `least` bytes is left out."""
        while start + _LENGTH_BYTES < end:
            unit = start + _LENGTH_BYTES
            stop = unit + (packet[start] << 8) + packet[start + 1]
            if stop > end:
                self.damaged = True
                return
            if stop - unit >= least:
                self._add_unit(packet, unit, stop)
            start = stop

    def _add_unit(self, packet: bytearray, start: int, end: int) -> None:
        """A whole unit with its header."""
        raise NotImplementedError

    def _note_slice(self, packet: bytearray, at: int, *, key: bool) -> None:
        """A slice begins whose first byte behind the NAL header is at a position."""
        if not self.has_image:
            self.has_image = True
            # Set where the slice is the first of its image, in either format.
            self.continued = not packet[at] & 0x80
        self.key = self.key or key

    def _note_other(self) -> None:
        if not self.has_image and len(self.data) > MAX_DESCRIPTION_BYTES:
            self.drop()


class H264Assembler(NalAssembler):
    """H.264, packetization modes 0 and 1."""

    def add(self, packet: bytearray, start: int, end: int) -> None:
        """See `Assembler`."""
        kind = packet[start] & 0x1F
        if kind == _H264_FU_A:
            # Most packets of a stream are the middle of a fragment, and take the short way.
            if self._in_fragment and end - start > _H264_FU_BYTES and packet[start + 1] < _LAST:
                self.data += packet[start + _H264_FU_BYTES : end]
            else:
                self._add_fragment(packet, start, end)
        elif kind in _H264_UNITS:
            self._add_unit(packet, start, end)
        elif kind == _H264_STAP_A:
            self._add_aggregate(packet, start + _H264_HEADER_BYTES, end, _H264_HEADER_BYTES)
        else:
            self.damaged = True

    def _add_fragment(self, packet: bytearray, start: int, end: int) -> None:
        if end - start <= _H264_FU_BYTES:
            self.damaged = True
            return
        header = packet[start + 1]
        if header & _FIRST:
            kind = header & 0x1F
            self._note(kind, packet, start + 2, end)
            self.data += START_CODE
            self.data.append((packet[start] & 0xE0) | kind)
            self._in_fragment = True
        elif not self._in_fragment:
            self.damaged = True
            return
        self.data += packet[start + 2 : end]
        if header & _LAST:
            self._in_fragment = False

    def _add_unit(self, packet: bytearray, start: int, end: int) -> None:
        self._note(packet[start] & 0x1F, packet, start + 1, end)
        self.data += START_CODE
        self.data += packet[start:end]

    def _note(self, kind: int, packet: bytearray, at: int, end: int) -> None:
        self._in_fragment = False
        if kind not in _H264_SLICES:
            self._note_other()
        elif at >= end:
            self.damaged = True
        elif kind in _H264_WITH_FIRST_BIT:
            self._note_slice(packet, at, key=kind == _H264_KEY)


class H265Assembler(NalAssembler):
    """H.265 without decoding order numbers."""

    def add(self, packet: bytearray, start: int, end: int) -> None:
        """See `Assembler`."""
        if end - start <= _H265_HEADER_BYTES:
            self.damaged = True
            return
        kind = (packet[start] >> 1) & 0x3F
        if kind == _H265_FU:
            # Most packets of a stream are the middle of a fragment, and take the short way.
            if self._in_fragment and end - start > _H265_FU_BYTES and packet[start + 2] < _LAST:
                self.data += packet[start + _H265_FU_BYTES : end]
            else:
                self._add_fragment(packet, start, end)
        elif kind < _H265_AP:
            self._add_unit(packet, start, end)
        elif kind == _H265_AP:
            self._add_aggregate(packet, start + _H265_HEADER_BYTES, end, _H265_HEADER_BYTES + 1)
        else:
            self.damaged = True

    def _add_fragment(self, packet: bytearray, start: int, end: int) -> None:
        if end - start <= _H265_FU_BYTES:
            self.damaged = True
            return
        header = packet[start + 2]
        if header & _FIRST:
            kind = header & 0x3F
            self._note(kind, packet, start + 3)
            self.data += START_CODE
            self.data.append((packet[start] & 0x81) | (kind << 1))
            self.data.append(packet[start + 1])
            self._in_fragment = True
        elif not self._in_fragment:
            self.damaged = True
            return
        self.data += packet[start + 3 : end]
        if header & _LAST:
            self._in_fragment = False

    def _add_unit(self, packet: bytearray, start: int, end: int) -> None:
        self._note((packet[start] >> 1) & 0x3F, packet, start + 2)
        self.data += START_CODE
        self.data += packet[start:end]

    def _note(self, kind: int, packet: bytearray, at: int) -> None:
        self._in_fragment = False
        if kind in _H265_SLICES:
            self._note_slice(packet, at, key=kind in _H265_KEYS)
        else:
            self._note_other()
