"""Interlaced images: two fields of two moments in alternate rows, like combs where things move.

Only where they comb, the rows of the second field are made anew from those of the first. What does
not move keeps all its rows, which a single field would halve; a filter that follows motion over
time would need every image, and here most are never converted.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

LEAST_DIFFERENCE = 10
"""By so many levels, 0 to 255, a row lies outside of its neighbours where it is another moment."""

_TALL = np.ones((3, 1), np.uint8)
"""A comb has several teeth. One row that differs is a wire, a kerb or noise."""

_AROUND = np.ones((5, 9), np.uint8)
"""Beside the teeth, rows differ by less; they are of another moment too."""


def remove_combs(plane: Plane) -> None:
    """Makes rows of the second field anew from those of the first one, in place, where it combs.

    Args:
        plane: Luma or chroma as (H, W), rows may be strided. A last row without a neighbour below
            stays as it is.
    """
    # All three are views: rows of the second field, and those above and below them.
    second = plane[1:-1:2]
    above, below = plane[:-2:2][: len(second)], plane[2::2]
    if not len(second):
        return
    over = cv2.subtract(second, cv2.max(above, below))
    under = cv2.subtract(cv2.min(above, below), second)
    _, teeth = cv2.threshold(cv2.max(over, under), LEAST_DIFFERENCE, 255, cv2.THRESH_BINARY)
    # Whatever lies outside of the image does not count as teeth.
    teeth = cv2.erode(teeth, _TALL, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if cv2.countNonZero(teeth):
        between = cv2.addWeighted(above, 0.5, below, 0.5, 0)
        cv2.copyTo(between, cv2.dilate(teeth, _AROUND), second)
