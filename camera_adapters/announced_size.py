"""How large the images are that a camera announces, before FFmpeg takes memory for them.

FFmpeg's own limit counts what cropping leaves of an image, and its memory is taken for what is
coded: with a wide margin that is cropped, 16,384 x 16,384 pixels pass as 320 x 180. So sequence
parameter sets are read here first, wherever in a byte stream FFmpeg would find one. One that is
not understood counts as damaged. A JPEG image is never cropped; FFmpeg's limit does for it.

Sources: ITU-T H.264, 7.3.2.1.1; ITU-T H.265, 7.3.2.2.1 and 7.3.3; and FFmpeg's readers of both.
"""

from __future__ import annotations

from camera_adapters.geometry import Size
from camera_adapters.sdp import VideoCodec

MAX_SETS = 8
"""Sequence parameter sets in one access unit; cameras send one."""

MAX_SET_BYTES = 512
"""Of each, that much is read; the size stands at its beginning."""

MAX_ORDER_CYCLE = 255

_START = b"\0\0\1"
_H264_SPS, _H265_SPS = (0x1F, 7), (0x7E, 33 << 1)
"""Bits of the first byte of a NAL unit, and what they are for a sequence parameter set."""

_H264_PLAIN = frozenset({66, 77, 88})
_H264_HIGH = frozenset({44, 100, 110, 122, 244})
_CHROMA_444 = 3
_SMALL_LIST, _SMALL_LISTS, _LARGE_LIST = 16, 6, 64
_LEAST_BYTES = 4
_LONGEST_CODE = 32


class UnreadableSetError(Exception):
    """A sequence parameter set is damaged, or of a kind that no camera sends."""


def announced_sizes(data: bytes | bytearray, codec: VideoCodec) -> list[Size]:
    """The coded size of every sequence parameter set in a byte stream with start codes.

    Raises:
        UnreadableSetError: One is not understood, or there are too many.
    """
    sizes: list[Size] = []
    if codec is VideoCodec.JPEG:
        return sizes
    read = _h264_size if codec is VideoCodec.H264 else _h265_size
    bits, kind = _H264_SPS if codec is VideoCodec.H264 else _H265_SPS
    at = data.find(_START)
    while at >= 0:
        start, at = at + len(_START), data.find(_START, at + len(_START))
        if start >= len(data) or data[start] & bits != kind:
            continue
        if len(sizes) == MAX_SETS:
            raise UnreadableSetError
        end = min(at if at >= 0 else len(data), start + MAX_SET_BYTES)
        try:
            sizes.append(read(bytes(data[start:end]).replace(b"\0\0\3", b"\0\0")))
        except (IndexError, ValueError):
            raise UnreadableSetError from None
    return sizes


class _Bits:
    """Reads fields of bits; `IndexError` where they end, `ValueError` where there is no code."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def skip(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise IndexError

    def u(self, count: int = 1) -> int:
        """An unsigned number."""
        self.skip(count)
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """An unsigned Exp-Golomb code."""
        zeros = 0
        while not self.u():
            zeros += 1
            if zeros >= _LONGEST_CODE:
                raise ValueError
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed one."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _h264_size(unit: bytes) -> Size:
    bits = _Bits(unit[1:])
    profile = bits.u(8)
    bits.skip(16)
    bits.ue()
    if profile in _H264_HIGH:
        _skip_h264_format(bits)
    elif profile not in _H264_PLAIN:
        raise ValueError
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        for _ in range(_at_most(MAX_ORDER_CYCLE, bits.ue())):
            bits.se()
    bits.ue()
    bits.skip(1)
    width, height = bits.ue() + 1, bits.ue() + 1
    # An image of fields has twice as many rows.
    return Size(width * 16, height * 16 * (2 - bits.u()))


def _at_most(limit: int, value: int) -> int:
    if value > limit:
        raise ValueError
    return value


def _skip_h264_format(bits: _Bits) -> None:
    chroma = bits.ue()
    if chroma == _CHROMA_444:
        bits.skip(1)
    bits.ue()
    bits.ue()
    bits.skip(1)
    if not bits.u():
        return
    for number in range(12 if chroma == _CHROMA_444 else 8):
        if bits.u():
            last = following = 8
            for _ in range(_SMALL_LIST if number < _SMALL_LISTS else _LARGE_LIST):
                if following:
                    following = (last + bits.se()) % 256
                last = following or last


def _h265_size(unit: bytes) -> Size:
    if len(unit) < _LEAST_BYTES or unit[0] & 1 or unit[1] >> 3:
        raise ValueError  # It belongs to another layer than the only one of a camera.
    bits = _Bits(unit[2:])
    bits.skip(4)
    sub_layers = bits.u(3)
    bits.skip(1 + 96)
    present = [(bits.u(), bits.u()) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)
    bits.ue()
    if bits.ue() == _CHROMA_444:
        bits.skip(1)
    return Size(bits.ue(), bits.ue())
