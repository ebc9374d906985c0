"""From images as they are stored to images as people see them: upright, with square pixels.

Recorders store half of the columns, or of the rows, and say how wide a pixel is; cameras that hang
from a ceiling or look into a mirror say how the image is to be turned. Normalised coordinates mean
the same place whatever is said: zones are drawn on what people see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np

from camera_adapters.frame import Image
from camera_adapters.geometry import Size

MAX_STRETCH = 8
"""Pixels that are said to be further from a square are a defect; half D1 in 16:9 has 2.9."""

MATRIX_VALUES = 9
"""A display matrix is a b u, c d v, x y w: (x, y) of the stored image is shown at
(a * x + c * y, b * x + d * y), with y downwards. Source: FFmpeg's `libavutil/display.h`."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to put an image upright.

    Attributes:
        transposed: Rows become columns, first of all.
        mirrored: Left and right are exchanged then.
        upended: Top and bottom are exchanged then.
    """

    transposed: bool = False
    mirrored: bool = False
    upended: bool = False

    @classmethod
    def of_matrix(cls, matrix: Sequence[int]) -> Orientation:
        """The nearest one to a display matrix; as stored where it makes no image."""
        a, b, _, c, d, *_ = matrix
        if a * d == b * c:
            return AS_STORED
        if abs(a * d) >= abs(b * c):
            return cls(mirrored=a < 0, upended=d < 0)
        return cls(transposed=True, mirrored=c < 0, upended=b < 0)

    def apply(self, stored: Image, target: Image) -> None:
        """Writes a stored image (H, W, 3) upright into `target`, whose rows may be strided."""
        if self.transposed:
            # Mirroring rows that were columns is the same as upending them before.
            if self.mirrored or self.upended:
                turned = np.empty_like(stored)
                cv2.flip(stored, _FLIPS[self.upended, self.mirrored], dst=turned)
                stored = turned
            cv2.transpose(stored, dst=target)
        elif self.mirrored or self.upended:
            cv2.flip(stored, _FLIPS[self.mirrored, self.upended], dst=target)
        else:
            target[:] = stored


_FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}
"""OpenCV's codes, by whether left and right, and top and bottom, are exchanged."""

AS_STORED = Orientation()


@lru_cache(maxsize=64)
def shown_size(stored: Size, pixel_aspect: Fraction | None, max_pixels: int) -> Size:
    """The size at which a stored image has square pixels.

    It is stretched in the direction that lacks pixels, so that nothing that was stored is lost; and
    compressed in the other one where it would have more than `max_pixels`.

    Args:
        stored: Columns and rows of the image.
        pixel_aspect: Width of a pixel over its height; None or 0 where it is not known.
        max_pixels: The largest image that is wanted.
    """
    aspect = float(pixel_aspect or 1.0)
    if not 1 / MAX_STRETCH <= aspect <= MAX_STRETCH:
        return stored
    wider, taller = max(1.0, aspect), max(1.0, 1 / aspect)
    if stored.width * wider * stored.height * taller > max_pixels:
        wider, taller = 1 / taller, 1 / wider
    return Size(max(1, round(stored.width * wider)), max(1, round(stored.height * taller)))
