"""Images for models from a folder, brought to the size and fit of a model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from camera_adapters import Image, ViewSpec
from cityeye.errors import CommandError
from model_tools.evaluation import IMAGE_ENDINGS
from serving.api import fitted


def images_in(folder: Path, view: ViewSpec, most: int) -> Image:
    """(K, H, W, 3) uint8 RGB: images of a folder, evenly picked in the order of their names.

    Raises:
        CommandError: There is no image, or one cannot be read.
    """
    if not folder.is_dir():
        raise CommandError(f"there is no folder {folder}; give one with images in it")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
    if not paths:
        raise CommandError(f"{folder} holds no image ({', '.join(sorted(IMAGE_ENDINGS))})")
    step = max(1.0, len(paths) / most)
    chosen = [paths[int(index * step)] for index in range(min(most, len(paths)))]
    return np.concatenate([fitted(read_image(path), view)[0] for path in chosen])


def read_image(path: Path) -> Image:
    """(H, W, 3) uint8 RGB, upright.

    Raises:
        CommandError: It is not readable.
    """
    read = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if read is None:
        raise CommandError(f"{path} is not a readable image; remove it or convert it")
    return np.asarray(read, np.uint8)
