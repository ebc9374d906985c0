"""RTP packets carry every NAL unit whole, in order, within a network frame."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.rtsp_server.clip import Codec
from simulation.rtsp_server.packetiser import MAX_PAYLOAD_BYTES, Packetiser, payloads
from tests.levels import scaled
from tests.simulation.rtsp_server.client import Rtp

_H264_HEADERS = st.integers(1, 23).map(lambda kind: bytes([0x60 | kind]))
_H265_HEADERS = st.tuples(st.integers(0, 40), st.integers(1, 7)).map(
    lambda header: bytes([header[0] << 1, header[1]])
)


def reassemble(codec: Codec, parts: list[bytes]) -> list[bytes]:
    """A receiver after RFC 6184, 5.8, and RFC 7798, 4.4.3."""
    nals: list[bytes] = []
    for part in parts:
        if codec == "h264" and part[0] & 0x1F == 28:
            header, fu, body = bytes([(part[0] & 0xE0) | (part[1] & 0x1F)]), part[1], part[2:]
        elif codec == "h265" and (part[0] >> 1) & 0x3F == 49:
            header, fu, body = (
                bytes([(part[0] & 0x81) | (part[2] & 0x3F) << 1, part[1]]),
                part[2],
                part[3:],
            )
        else:
            nals.append(part)
            continue
        if fu & 0x80:
            nals.append(header)
        nals[-1] += body
    return nals


@pytest.mark.scaled
@pytest.mark.parametrize(("codec", "headers"), [("h264", _H264_HEADERS), ("h265", _H265_HEADERS)])
def test_every_nal_unit_arrives_whole(codec: Codec, headers: st.SearchStrategy[bytes]) -> None:
    @settings(max_examples=scaled(40))
    @given(st.lists(st.tuples(headers, st.integers(0, 6000)), min_size=1, max_size=4))
    def check(shapes: list[tuple[bytes, int]]) -> None:
        nals = [header + bytes(n % 251 for n in range(size)) for header, size in shapes]
        parts = [part for nal in nals for part in payloads(codec, nal)]
        assert reassemble(codec, parts) == nals
        assert max(map(len, parts)) <= MAX_PAYLOAD_BYTES

    check()


@pytest.mark.parametrize("size", [MAX_PAYLOAD_BYTES - 1, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1])
def test_only_what_does_not_fit_is_fragmented(size: int) -> None:
    parts = payloads("h264", b"\x65" + bytes(size - 1))
    assert len(parts) == (1 if size <= MAX_PAYLOAD_BYTES else 2)
    if len(parts) == 2:
        assert [part[1] & 0xC0 for part in parts] == [0x80, 0x40]


def test_packets_are_numbered_and_the_last_one_is_marked() -> None:
    packetiser = Packetiser("h264")
    packets = [
        Rtp.parse(packet)
        for timestamp in (7200, 14400)
        for packet in packetiser.packets((b"\x67sps", b"\x65" + bytes(4000)), timestamp)
    ]
    first = packets[0].sequence
    assert [packet.sequence for packet in packets] == [(first + n) % 65536 for n in range(8)]
    assert [packet.marker for packet in packets] == [False, False, False, True] * 2
    assert [packet.timestamp for packet in packets] == [7200] * 4 + [14400] * 4
    assert {packet.ssrc for packet in packets} == {packetiser.ssrc}
