"""Images to verify a network on where nobody gives any: drawn street scenes, shipped as a file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

FILE = Path(__file__).with_name("golden_images.npz")
"""JPEG files as byte arrays, in the order in which they are used: the places in turn."""

COUNT = 16


def golden_images(count: int = COUNT) -> list[npt.NDArray[np.uint8]]:
    """The first `count` images, (540, 960, 3) uint8 RGB each.

    Raises:
        ValueError: More are asked for than there are.
    """
    if count > COUNT:
        raise ValueError(f"{FILE.name} holds {COUNT} images, not {count}")
    with np.load(FILE, allow_pickle=False) as stored:
        encoded = [stored[name] for name in sorted(stored.files)[:count]]
    return [np.asarray(cv2.imdecode(one, cv2.IMREAD_COLOR_RGB), np.uint8) for one in encoded]
