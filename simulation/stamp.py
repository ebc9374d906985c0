"""The frame number as black and white cells in an image's bottom left corner, with a check code.

Whoever gets the image, at any size, reads which frame it is. The cells are so large that they
survive H.264 and an analysis image of 320 pixels width; a damaged stamp is not read wrongly but
not at all, as its check code does not match or a cell is grey.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from camera_adapters import Image, Letterbox, Size

NUMBER_BITS: Final = 16
MAX_NUMBER: Final = (1 << NUMBER_BITS) - 1
"""The largest frame number that a stamp can carry."""

_CHECK_BITS: Final = 8
_CHECK_POLYNOMIAL: Final = 0x07
_ROWS: Final = 2
_COLUMNS: Final = 13
_CELLS_ACROSS: Final = 40
"""An image is this many cells wide; at 1280 pixels a cell is two macroblocks wide and high."""

_LEAST_CONTRAST: Final = 80
_GREY_ZONE: Final = 0.25
"""How far, as a share of the contrast, a cell may lie from its black or white."""

_WEIGHTS: Final = 1 << np.arange(NUMBER_BITS + _CHECK_BITS)[::-1]
_Points = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def draw_stamp(image: Image, number: int) -> None:
    """Draws the stamp of a frame number into a full image (H, W, 3) uint8, in place.

    Raises:
        ValueError: The number does not fit, or the image is too small.
    """
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"a stamp carries numbers from 0 to {MAX_NUMBER}, not {number}")
    height, width = image.shape[:2]
    side = _cell_side(Size(width, height))
    value = number << _CHECK_BITS | _check_code(number)
    bits = [1, 0, *(value >> bit & 1 for bit in reversed(range(NUMBER_BITS + _CHECK_BITS)))]
    for index, bit in enumerate(bits):
        row, column = divmod(index, _COLUMNS)
        top = height - (_ROWS - row) * side
        image[top : top + side, column * side : (column + 1) * side] = 255 * bit


def read_stamp(image: Image, letterbox: Letterbox) -> int | None:
    """The frame number that an image shows; None where no stamp can be read.

    Args:
        image: (H, W, 3) uint8, RGB or BGR.
        letterbox: Where the full image lies in it.
    """
    levels = image[(*_cell_centres(letterbox), 1)].astype(np.int32)
    white, black = int(levels[0]), int(levels[1])
    if white - black < _LEAST_CONTRAST:
        return None
    shares = (levels[2:] - black) / (white - black)
    bits = shares > 0.5
    if np.abs(shares - bits).max() > _GREY_ZONE:
        return None
    number, check = divmod(int(bits @ _WEIGHTS), 1 << _CHECK_BITS)
    return number if check == _check_code(number) else None


@lru_cache(maxsize=64)
def _cell_centres(letterbox: Letterbox) -> _Points:
    """Rows and columns of the cells' centres in an analysis image."""
    full, content = letterbox.full, letterbox.content
    side = _cell_side(full)
    index = np.arange(_ROWS * _COLUMNS)
    x = (index % _COLUMNS + 0.5) * side / full.width
    y = 1 - (_ROWS - index // _COLUMNS - 0.5) * side / full.height
    rows = (letterbox.top + y * content.height).astype(np.intp)
    columns = (letterbox.left + x * content.width).astype(np.intp)
    return rows, columns


def _cell_side(full: Size) -> int:
    """Side of a cell in pixels of the full image.

    Raises:
        ValueError: The image is too small.
    """
    side = full.width // _CELLS_ACROSS
    if side < 4 or _ROWS * side > full.height:
        raise ValueError(f"an image of {full} is too small for a stamp")
    return side


@lru_cache(maxsize=4096)
def _check_code(number: int) -> int:
    """CRC-8 of the 16 bits of a number."""
    code = number << _CHECK_BITS
    for bit in reversed(range(_CHECK_BITS, NUMBER_BITS + _CHECK_BITS)):
        if code >> bit & 1:
            code ^= (1 << _CHECK_BITS | _CHECK_POLYNOMIAL) << (bit - _CHECK_BITS)
    return code
