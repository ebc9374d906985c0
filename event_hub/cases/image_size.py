"""The size of a JPEG image, read from its header: the hub decodes no images."""

from __future__ import annotations

from typing import Final

START: Final = b"\xff\xd8"
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a start of frame (ITU-T T.81, table B.1), which has the size."""


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where it is no JPEG."""
    at = len(START)
    if not data.startswith(START):
        return None
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return width, height
        at += 2 + length
    return None
