"""Parameter sets of H.264 and H.265 in a byte stream with start codes.

Sources: ITU-T H.264, table 7-1; ITU-T H.265, table 7-1.
"""

from __future__ import annotations

from typing import Final

_START: Final = b"\0\0\1"
_START_CODE: Final = b"\0\0\0\1"
_MOST_UNITS: Final = 64
_H264_SETS: Final = frozenset({7, 8, 13})
_H264_SLICES: Final = range(1, 6)
_H265_SETS: Final = range(32, 35)
_H265_SLICES: Final = range(32)


def parameter_sets(data: bytes | bytearray, codec: str) -> bytes:
    """The parameter sets before the first slice, each once, with start codes; empty for none.

    Args:
        data: An access unit.
        codec: `h264` or `hevc`.
    """
    found: dict[bytes, None] = {}
    at = data.find(_START)
    for _ in range(_MOST_UNITS):
        start = at + len(_START)
        if at < 0 or start >= len(data):
            break
        at = data.find(_START, start)
        kind = data[start] & 0x1F if codec == "h264" else (data[start] >> 1) & 0x3F
        if kind in (_H264_SLICES if codec == "h264" else _H265_SLICES):
            break
        if kind in (_H264_SETS if codec == "h264" else _H265_SETS):
            # The byte before a longer start code belongs to that.
            unit = bytes(data[start : at if at >= 0 else len(data)]).rstrip(b"\0")
            found[unit] = None
    return b"".join(_START_CODE + unit for unit in found)
