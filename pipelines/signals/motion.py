"""Motion: which part of the image changes from one frame to the next, whatever moves there."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.block_grid import shrunk
from pipelines.signals.signal import Motion

SIZE: Final = (160, 90)
"""Width and height of the mask, in pixels."""

THRESHOLD: Final = 12.0
"""Change of brightness that counts, in levels; more where the image is noisy."""

NOISE_FACTOR: Final = 5.0

_KERNEL: Final = np.ones((3, 3), np.uint8)


class MotionWatch:
    """The motion in the images of one camera. Not thread-safe."""

    def __init__(self) -> None:
        """Starts without an image."""
        self._before: Luma | None = None

    def observe(self, luma: Luma) -> Motion | None:
        """Takes an image (180, 320) uint8; None for the first one.

        Brightness that changes everywhere by the same amount is light, and no motion.
        """
        small = shrunk(luma, SIZE)
        before, self._before = self._before, small
        if before is None:
            return None
        change = cv2.subtract(small, before, dtype=cv2.CV_16S)
        # Rows and columns apart by three are enough to know what most pixels do.
        sample = change[::3, ::3]
        light = float(np.median(sample))
        noise = float(np.median(np.abs(sample - light)))
        moved = np.abs(change - np.int16(round(light))) > max(THRESHOLD, NOISE_FACTOR * noise)
        mask = cv2.morphologyEx(moved.view(np.uint8), cv2.MORPH_OPEN, _KERNEL) > 0
        return Motion(share=np.count_nonzero(mask) / mask.size, mask=mask)
