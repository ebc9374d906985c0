"""Turns access units into RTP packets: single NAL units and fragments, once for all viewers.

H.264 follows RFC 6184 (packetization-mode 1, FU-A), H.265 follows RFC 7798 (FU, no DONL fields).
Sequence numbers never jump while one `Packetiser` lives.
"""

from __future__ import annotations

import secrets
import struct

from simulation.rtsp_server.clip import Codec, nal_type

PAYLOAD_TYPE = 96
MAX_PAYLOAD_BYTES = 1400
"""Leaves room for RTP, UDP and IP headers, and a tunnel's, in an Ethernet frame."""

RTP_HEADER_BYTES = 12
_RTP_HEADER = struct.Struct(">BBHII")
_RTP_VERSION = 0x80
_MARKER = 0x80
_FU_START, _FU_END = 0x80, 0x40
_H264_FU_A = 28
_H265_FU = 49


def payloads(codec: Codec, nal: bytes) -> list[bytes]:
    """The RTP payloads of one NAL unit: itself where it fits, fragments where it does not."""
    if len(nal) <= MAX_PAYLOAD_BYTES:
        return [nal]
    kind = nal_type(codec, nal)
    if codec == "h264":
        prefix, body = bytes([(nal[0] & 0xE0) | _H264_FU_A]), memoryview(nal)[1:]
    else:
        prefix, body = bytes([(nal[0] & 0x81) | (_H265_FU << 1), nal[1]]), memoryview(nal)[2:]
    room = MAX_PAYLOAD_BYTES - len(prefix) - 1
    fragments = []
    for at in range(0, len(body), room):
        start = _FU_START if at == 0 else 0
        end = _FU_END if at + room >= len(body) else 0
        fragments.append(prefix + bytes([start | end | kind]) + body[at : at + room])
    return fragments


class Packetiser:
    """Numbers the packets of one RTP stream; `ssrc` names the stream as long as it exists."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._sequence = secrets.randbelow(1 << 16)
        self.ssrc = secrets.randbelow(1 << 32)

    def packets(self, nals: tuple[bytes, ...], timestamp: int) -> list[bytes]:
        """RTP packets of one access unit; the last one carries the marker bit."""
        parts = [part for nal in nals for part in payloads(self._codec, nal)]
        packets = []
        for index, part in enumerate(parts):
            marker = _MARKER if index == len(parts) - 1 else 0
            header = _RTP_HEADER.pack(
                _RTP_VERSION, marker | PAYLOAD_TYPE, self._sequence, timestamp, self.ssrc
            )
            packets.append(header + part)
            self._sequence = (self._sequence + 1) & 0xFFFF
        return packets
