"""RTCP packets (RFC 3550): sender reports that tie RTP time to wall-clock time, and goodbyes."""

from __future__ import annotations

import struct

_NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900, where NTP time starts, to 1970, where POSIX time starts."""

_VERSION = 0x80
_SENDER_REPORT, _SOURCE_DESCRIPTION, _GOODBYE = 200, 202, 203
_CNAME = 1


def sender_report(ssrc: int, wall_s: float, rtp_timestamp: int, packets: int, octets: int) -> bytes:
    """A sender report with its source description.

    Args:
        ssrc: The stream.
        wall_s: POSIX time of this report.
        rtp_timestamp: RTP time of an image taken at `wall_s`.
        packets: RTP packets sent so far.
        octets: Payload bytes sent so far.
    """
    ntp = round((wall_s + _NTP_EPOCH_OFFSET_S) * (1 << 32)) & ((1 << 64) - 1)
    report = struct.pack(
        ">BBHIQIII",
        _VERSION,
        _SENDER_REPORT,
        6,
        ssrc,
        ntp,
        rtp_timestamp & 0xFFFF_FFFF,
        packets & 0xFFFF_FFFF,
        octets & 0xFFFF_FFFF,
    )
    return report + _source_description(ssrc)


def goodbye(ssrc: int) -> bytes:
    """The end of a stream: an empty receiver report, as a compound packet needs one, and BYE."""
    empty_report = struct.pack(">BBHI", _VERSION, 201, 1, ssrc)
    return empty_report + struct.pack(">BBHI", _VERSION | 1, _GOODBYE, 1, ssrc)


def _source_description(ssrc: int) -> bytes:
    name = f"{ssrc:08x}@cityeye".encode()
    chunk = struct.pack(">IBB", ssrc, _CNAME, len(name)) + name
    chunk += b"\0" * (4 - len(chunk) % 4)  # at least one zero ends the item list
    return struct.pack(">BBH", _VERSION | 1, _SOURCE_DESCRIPTION, len(chunk) // 4) + chunk
