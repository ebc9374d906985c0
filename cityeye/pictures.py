"""Pictures for models from a folder, as a camera adapter would have handed them over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters.geometry import Letterbox, Size
from cityeye.errors import CommandError
from serving.picture_body import letterboxed

ENDINGS: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})

Pictures = npt.NDArray[np.uint8]


def pictures_in(folder: Path, size: Size, most: int) -> Pictures:
    """(K, H, W, 3) uint8 RGB: pictures of a folder, evenly picked in the order of their names.

    Raises:
        CommandError: There is no picture, or one cannot be read.
    """
    if not folder.is_dir():
        raise CommandError(f"there is no folder {folder}; give one with pictures in it")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        raise CommandError(f"{folder} holds no picture ({', '.join(sorted(ENDINGS))})")
    step = max(1.0, len(paths) / most)
    chosen = [paths[int(index * step)] for index in range(min(most, len(paths)))]
    return np.concatenate([_picture(path, size) for path in chosen])


def _picture(path: Path, size: Size) -> Pictures:
    read = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if read is None:
        raise CommandError(f"{path} is not a readable picture; remove it or convert it")
    full = np.asarray(read, np.uint8)
    return letterboxed(full, Letterbox.fit(Size(full.shape[1], full.shape[0]), size))
