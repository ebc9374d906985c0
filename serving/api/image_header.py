"""`image_size`: how large an image says that it is, read from its first bytes without decoding it.

PNG as in its third edition, sections 5.2 and 11.2.1; JPEG as in ITU-T T.81, annex B.
"""

from __future__ import annotations

import struct

from camera_adapters import Size

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_HEADER_BYTES = 24
JPEG_START = b"\xff\xd8"
MARKER = 0xFF
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame, of every kind of JPEG; the three others are tables."""
ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length."""
SCAN = 0xDA
SEGMENT_BYTES = 9
"""Marker, length, precision, height and width of a start of frame."""


def image_size(image: bytes) -> Size | None:
    """The size of a PNG or JPEG; None for everything else, and for one without pixels."""
    if image.startswith(PNG_START):
        size = _png(image)
    elif image.startswith(JPEG_START):
        size = _jpeg(image)
    else:
        return None
    return size if size and size.width and size.height else None


def _png(image: bytes) -> Size | None:
    if len(image) < PNG_HEADER_BYTES or image[12:16] != b"IHDR":
        return None
    return Size(*struct.unpack(">II", image[16:24]))


def _jpeg(image: bytes) -> Size | None:
    at = len(JPEG_START)
    while at + SEGMENT_BYTES <= len(image):
        if image[at] != MARKER:
            return None
        marker = image[at + 1]
        if marker == MARKER:
            at += 1
        elif marker in ALONE:
            at += 2
        elif marker in FRAME_MARKERS:
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            return Size(width, height)
        elif marker == SCAN:
            return None
        else:
            at += 2 + int.from_bytes(image[at + 2 : at + 4], "big")
    return None
