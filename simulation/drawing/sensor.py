"""What a real camera does to a picture: soft optics, noise, odd colours, compression.

Applied to training pictures so that a detector also works on decoded H.264.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_NOISE_PX = 1024


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.int8]:
    """Return a large tile of unit noise times 16, to be cut at random offsets."""
    tile = np.random.default_rng(0).standard_normal((_NOISE_PX, _NOISE_PX * 3)) * 16
    return np.clip(tile, -127, 127).astype(np.int8)


def _toned(picture: Picture, rng: np.random.Generator) -> Picture:
    """Apply gamma, gain and a colour cast through one table per channel."""
    gamma, gain = float(rng.uniform(0.78, 1.28)), float(rng.uniform(0.85, 1.15))
    levels = np.linspace(0, 1, 256) ** gamma * gain
    cast = rng.uniform(0.93, 1.07, 3)
    table = np.clip(levels[:, None] * cast * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table[None]), np.uint8)


def _greyed(picture: Picture, rng: np.random.Generator) -> Picture:
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    share = float(rng.uniform(0.2, 0.7))
    return np.asarray(cv2.addWeighted(picture, 1 - share, grey, share, 0), np.uint8)


def _grainy(picture: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    top = int(rng.integers(max(_NOISE_PX - height, 1)))
    left = 3 * int(rng.integers(max(_NOISE_PX - width, 1)))
    tile = _noise()[top : top + height, left : left + 3 * width]
    if tile.shape != (height, 3 * width):
        return picture
    grain = tile.astype(np.float32) * (float(rng.uniform(0.5, 5.0)) / 16)
    return np.asarray(np.clip(picture + grain.reshape(picture.shape), 0, 255), np.uint8)


def _compressed(picture: Picture, rng: np.random.Generator) -> Picture:
    quality = int(rng.integers(35, 91))
    done, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("cv2 could not encode a picture as JPEG: its build lacks the codec")
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def through_camera(picture: Picture, rng: np.random.Generator) -> Picture:
    """Return the picture (H, W, 3) uint8 RGB as some ordinary camera would deliver it."""
    if rng.random() < 0.35:
        picture = np.asarray(
            cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 0.9))), np.uint8
        )
    if rng.random() < 0.8:
        picture = _toned(picture, rng)
    if rng.random() < 0.12:
        picture = _greyed(picture, rng)
    if rng.random() < 0.5:
        picture = _grainy(picture, rng)
    if rng.random() < 0.8:
        picture = _compressed(picture, rng)
    return picture
