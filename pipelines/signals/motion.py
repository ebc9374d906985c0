"""Motion: which part of the image changes from one frame to the next, whatever moves there."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import Luma
from pipelines.signals.block_grid import shrunk
from pipelines.signals.signal import Motion

SIZE: Final = (160, 90)
"""Width and height of the mask, in pixels."""

THRESHOLD: Final = 12.0
"""Change of brightness that counts, in levels; more where the image is noisy."""

NOISE_FACTOR: Final = 5.0

SAMPLED: Final = 3
"""Rows and columns so far apart are enough to know what most pixels do."""

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
        moved, _ = moved_pixels(before, small, THRESHOLD, NOISE_FACTOR, SAMPLED)
        mask = cv2.morphologyEx(moved.view(np.uint8), cv2.MORPH_OPEN, _KERNEL) > 0
        return Motion(share=np.count_nonzero(mask) / mask.size, mask=mask)


def moved_pixels(
    before: Luma, now: Luma, least: float, noise_factor: float, sampled: int
) -> tuple[npt.NDArray[np.bool_], float]:
    """Where an image differs from another one by more than light and noise.

    Args:
        before: (H, W) uint8.
        now: The same.
        least: Change of brightness that counts where there is no noise, in levels.
        noise_factor: How many times the median change of all pixels counts.
        sampled: Light and noise are those of every so many rows and columns.

    Returns:
        (H, W) whether a pixel has changed, and by how many levels all of them became brighter.
    """
    change = cv2.subtract(now, before, dtype=cv2.CV_16S)
    sample = change[::sampled, ::sampled]
    light = float(np.median(sample))
    noise = float(np.median(np.abs(sample - light)))
    level = max(least, noise_factor * noise)
    return np.abs(change - np.int16(round(light))) > level, light
