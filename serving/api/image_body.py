"""One image from a request body: decoded, and brought to the size and fit of a model."""

from __future__ import annotations

import cv2
import numpy as np
from fastapi import HTTPException

from camera_adapters import PADDING_VALUE, Image, Letterbox, Size, ViewSpec

MAX_IMAGE_BYTES = 16 * 1024 * 1024
MAX_IMAGE_PIXELS = 8192 * 8192
SKIPPING_FACTOR = 3.0
"""From this reduction on, bilinear interpolation leaves out a third of a row or more."""


def decode(image: bytes) -> Image:
    """(H, W, 3) uint8 RGB of a JPEG or PNG.

    Raises:
        HTTPException: 422 for what is no image, 413 for one that is too large.
    """
    data = np.frombuffer(image, np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    if decoded is None:
        raise HTTPException(422, "the body is not a readable image; send one JPEG or PNG")
    if decoded.shape[0] * decoded.shape[1] > MAX_IMAGE_PIXELS:
        raise HTTPException(413, "the image is too large; 8192 x 8192 pixels at most")
    return np.asarray(decoded, np.uint8)


def fitted(full: Image, view: ViewSpec) -> tuple[Image, Letterbox]:
    """The analysis image, (1, H, W, 3) uint8 RGB, and where the full image lies in it."""
    letterbox = view.place(Size(full.shape[1], full.shape[0]))
    content, analysis = letterbox.content, view.size
    batch = np.full((1, analysis.height, analysis.width, 3), PADDING_VALUE, np.uint8)
    rows = slice(letterbox.top, letterbox.top + content.height)
    columns = slice(letterbox.left, letterbox.left + content.width)
    batch[0, rows, columns] = cv2.resize(
        full, (content.width, content.height), interpolation=_interpolation(letterbox, view)
    )
    return batch, letterbox


def _interpolation(letterbox: Letterbox, view: ViewSpec) -> int:
    """Averages what a letterbox reduces; stretches bilinearly, as a plain run of a network does.

    OpenCV's averaging copies pixels instead of blending them where an axis is enlarged.
    """
    full, content = letterbox.full, letterbox.content
    factors = full.width / content.width, full.height / content.height
    least = SKIPPING_FACTOR if view.fit == "stretch" else 1.0
    averages = min(factors) >= 1.0 and max(factors) >= least
    return cv2.INTER_AREA if averages else cv2.INTER_LINEAR
