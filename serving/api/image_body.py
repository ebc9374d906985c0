"""One image from a request body: measured, decoded, and brought to the size and fit of a model.

A small file may hold a huge image, so its size is read from its header first, and only two images
at a time are decoded in a process.
"""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
from fastapi import HTTPException

from camera_adapters import PADDING_VALUE, Image, Letterbox, Size, ViewSpec
from serving.api.image_header import image_size

MAX_IMAGE_PIXELS = 8192 * 8192
DECODES_AT_ONCE = 2
WAITING_MAX = 8
SKIPPING_FACTOR = 3.0
"""From this reduction on, bilinear interpolation leaves out a third of a row or more."""


class ImageDecoding:
    """Decodes the images of requests, few at a time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(DECODES_AT_ONCE)
        self._present = 0

    async def fitted(self, image: bytes, view: ViewSpec) -> tuple[Image, Letterbox]:
        """What `fitted` makes of a JPEG or PNG.

        Raises:
            HTTPException: 422 for what is no image, 413 for one that is too large, 503 where
                enough others wait already.
        """
        if self._present >= DECODES_AT_ONCE + WAITING_MAX:
            retry = {"Retry-After": "2"}
            raise HTTPException(503, "too many images at once; try again", headers=retry)
        self._present += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(lambda: fitted(decode(image), view))
        finally:
            self._present -= 1


def decode(image: bytes) -> Image:
    """(H, W, 3) uint8 RGB of a JPEG or PNG.

    Raises:
        HTTPException: 422 for what is no image, 413 for one that is too large.
    """
    size = image_size(image)
    if size is not None and size.width * size.height > MAX_IMAGE_PIXELS:
        raise HTTPException(413, "the image is too large; 8192 x 8192 pixels at most")
    decoded = None
    if size is not None:
        decoded = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None:
        raise HTTPException(422, "the body is not a readable image; send one JPEG or PNG")
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
