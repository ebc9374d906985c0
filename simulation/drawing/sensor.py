"""What a real camera does to an image: soft optics, noise, odd colours, compression.

Applied to training images so that a detector also works on decoded H.264.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.solid import Canvas

_NOISE_PX = 1024


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.int8]:
    """Return a large tile of unit noise times 16, to be cut at random offsets."""
    tile = np.random.default_rng(0).standard_normal((_NOISE_PX, _NOISE_PX * 3)) * 16
    return np.clip(tile, -127, 127).astype(np.int8)


def _toned(image: Canvas, rng: np.random.Generator) -> Canvas:
    """Apply gamma, gain and a colour cast through one table per channel."""
    gamma, gain = float(rng.uniform(0.78, 1.28)), float(rng.uniform(0.85, 1.15))
    levels = np.linspace(0, 1, 256) ** gamma * gain
    cast = rng.uniform(0.93, 1.07, 3)
    table = np.clip(levels[:, None] * cast * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _greyed(image: Canvas, rng: np.random.Generator) -> Canvas:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    share = float(rng.uniform(0.2, 0.7))
    return np.asarray(cv2.addWeighted(image, 1 - share, grey, share, 0), np.uint8)


def _grainy(image: Canvas, rng: np.random.Generator) -> Canvas:
    height, width = image.shape[:2]
    top = int(rng.integers(max(_NOISE_PX - height, 1)))
    left = 3 * int(rng.integers(max(_NOISE_PX - width, 1)))
    tile = _noise()[top : top + height, left : left + 3 * width]
    if tile.shape != (height, 3 * width):
        return image
    grain = tile.astype(np.float32) * (float(rng.uniform(0.5, 5.0)) / 16)
    return np.asarray(np.clip(image + grain.reshape(image.shape), 0, 255), np.uint8)


def _compressed(image: Canvas, rng: np.random.Generator) -> Canvas:
    quality = int(rng.integers(35, 91))
    done, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("cv2 could not encode an image as JPEG: its build lacks the codec")
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def through_camera(image: Canvas, rng: np.random.Generator) -> Canvas:
    """Return the image (H, W, 3) uint8 RGB as some ordinary camera would deliver it."""
    if rng.random() < 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.9))), np.uint8)
    if rng.random() < 0.8:
        image = _toned(image, rng)
    if rng.random() < 0.12:
        image = _greyed(image, rng)
    if rng.random() < 0.5:
        image = _grainy(image, rng)
    if rng.random() < 0.8:
        image = _compressed(image, rng)
    return image
