"""Alignment: undoes what wind and passing lorries do to the aim of a camera."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.block_grid import shrunk

SIZE: Final = (160, 90)
"""Width and height of the images that are aligned, in pixels."""

MOST_SHIFT: Final = 0.03
"""Share of the width; what is shifted by more is another view."""

LEAST_SHIFT_PX: Final = 0.35
"""Shifts below are left: the background has room for a pixel."""

BETTER: Final = 0.97
"""Share of the difference that is left, at most, once a true shift is undone."""

_WINDOW: Final = cv2.createHanningWindow(SIZE, cv2.CV_32F)


def aligned(luma: Luma, expected: Luma) -> Luma:
    """The image (H, W) uint8 as if the camera had the aim of the background.

    It is the very image where no small shift makes it more like the background.
    """
    small, known = shrunk(luma, SIZE), shrunk(expected, SIZE)
    (across, down), _ = cv2.phaseCorrelate(
        known.astype(np.float32), small.astype(np.float32), _WINDOW
    )
    height, width = luma.shape
    scale = width / SIZE[0]
    across, down = across * scale, down * scale
    away = max(abs(across), abs(down))
    if not LEAST_SHIFT_PX <= away <= MOST_SHIFT * width:
        return luma
    back = np.array([[1, 0, across], [0, 1, down]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    undone = np.empty_like(luma)
    border = cv2.BORDER_REFLECT
    cv2.warpAffine(luma, back, (width, height), dst=undone, flags=flags, borderMode=border)
    before, after = cv2.norm(luma, expected, cv2.NORM_L1), cv2.norm(undone, expected, cv2.NORM_L1)
    return undone if after <= BETTER * before else luma
