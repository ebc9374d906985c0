"""Colours of decoded video: its matrix and range as tagged, and the way to RGB."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

_HD_ROWS = 720
"""From this height on, untagged video is BT.709; below it is BT.601. So says broadcast practice."""

_BT709, _BT601 = 1, 6

SCALER_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""FFmpeg's scaler's names of the same matrices."""

_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""Weights of red and blue in the luma, by the codes of ITU-T H.273; others are not trusted."""


def colours_of(frame: VideoFrame) -> tuple[int, ColorRange]:
    """Code of the matrix and the range: as tagged, or what video of its kind usually has."""
    code = int(frame.colorspace)
    if code not in _LUMA_WEIGHTS:
        code = _BT709 if frame.height >= _HD_ROWS else _BT601
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return code, ColorRange(frame.color_range)
    full_range = frame.format.is_rgb or frame.format.name.startswith("yuvj")
    return code, ColorRange.JPEG if full_range else ColorRange.MPEG


@lru_cache(maxsize=64)
def to_rgb(code: int, color_range: ColorRange) -> npt.NDArray[np.float64]:
    """(3, 4): Y, Cb, Cr and 1 in 8 bits → R, G, B in 0..255, by ITU-T H.273."""
    red, blue = _LUMA_WEIGHTS[code]
    green = 1 - red - blue
    from_red, from_blue = 2 * (1 - red), 2 * (1 - blue)
    weights = np.array(
        [
            [1.0, 0.0, from_red],
            [1.0, -blue * from_blue / green, -red * from_red / green],
            [1.0, from_blue, 0.0],
        ]
    )
    zero = np.array([0.0, 128.0, 128.0])
    if color_range is ColorRange.MPEG:
        zero[0] = 16.0
        weights *= np.array([255 / 219, 255 / 224, 255 / 224])
    return np.column_stack((weights, -weights @ zero))
