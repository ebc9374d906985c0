"""Blocks of a small luma image: what is true of most blocks is true of the view, not of an object.

What is decided by the share of blocks holds while people and vehicles move through some of them.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import Luma

Float32Map = npt.NDArray[np.float32]

PixelMask = npt.NDArray[np.bool_]
"""(H, W) bool."""

COLUMNS: Final = 16
ROWS: Final = 9

_FLAT: Final = 1e-3
"""Variance below which a block has no pattern, whatever its scale."""


def shrunk(image: Luma, size: tuple[int, int]) -> Luma:
    """The image at a smaller size, width and height, by averages."""
    target = np.empty(size[::-1], np.uint8)
    cv2.resize(image, size, dst=target, interpolation=cv2.INTER_AREA)
    return target


def block_means(image: Luma | Float32Map) -> Float32Map:
    """The mean of each block of an image (H, W): (ROWS, COLUMNS) float32."""
    target = np.empty((ROWS, COLUMNS), np.float32)
    size = (COLUMNS, ROWS)
    cv2.resize(image.astype(np.float32), size, dst=target, interpolation=cv2.INTER_AREA)
    return target


def block_deviations(image: Luma | Float32Map) -> Float32Map:
    """The standard deviation inside each block: (ROWS, COLUMNS) float32."""
    values = image.astype(np.float32)
    means = block_means(values)
    variances = block_means(values * values) - means * means
    return np.sqrt(np.maximum(variances, np.float32(0)))


def block_correlations(first: Float32Map, second: Float32Map) -> Float32Map:
    """Correlation, -1 to 1, of two images in each block; 0 where one of them has no pattern."""
    mean_1, mean_2 = block_means(first), block_means(second)
    variance_1 = block_means(first * first) - mean_1 * mean_1
    variance_2 = block_means(second * second) - mean_2 * mean_2
    covariance = block_means(first * second) - mean_1 * mean_2
    has_pattern = (variance_1 > _FLAT) & (variance_2 > _FLAT)
    scale = np.sqrt(np.where(has_pattern, variance_1 * variance_2, np.float32(1)))
    return np.where(has_pattern, covariance / scale, np.float32(0))


def correlation(first: Float32Map, second: Float32Map) -> float:
    """Correlation, -1 to 1, of two arrays of one shape.

    It is 0 where one of them is constant or empty.
    """
    if not first.size:
        return 0.0
    one, two = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((one * one).sum() * (two * two).sum()))
    return float((one * two).sum()) / scale if scale > _FLAT else 0.0


def edge_strength(image: Luma) -> Float32Map:
    """How steep brightness is at each pixel: (H, W) float32.

    It is spread out a little, so that a trembling camera does not count.
    """
    across = cv2.convertScaleAbs(cv2.Sobel(image, cv2.CV_16S, 1, 0))
    down = cv2.convertScaleAbs(cv2.Sobel(image, cv2.CV_16S, 0, 1))
    return cv2.blur(cv2.add(across, down), (3, 3)).astype(np.float32)
