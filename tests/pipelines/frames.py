"""Frames for tests, without a camera."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from camera_adapters.frame import AnalysisPicture, Frame, Picture
from camera_adapters.geometry import PADDING_VALUE, Letterbox, Size

FULL = Size(1280, 720)
SIZE = Size(64, 48)


@dataclass(frozen=True, slots=True, eq=False)
class PlainPicture:
    """A full picture that is already RGB."""

    pixels: Picture

    @property
    def size(self) -> Size:
        return Size(self.pixels.shape[1], self.pixels.shape[0])

    def rgb(self) -> Picture:
        return self.pixels


def make_frame(
    camera: str = "gate",
    tasks: tuple[str, ...] = ("traffic",),
    *,
    sizes: tuple[Size, ...] = (SIZE,),
    index: int = 0,
    epoch: int = 0,
    at_s: float | None = None,
    value: int = 0,
) -> Frame:
    """A frame whose analysis pictures are filled with `value` inside the letterbox."""
    at_s = time.monotonic() if at_s is None else at_s
    views = {}
    for size in sizes:
        letterbox = Letterbox.fit(FULL, size)
        picture = np.full((size.height, size.width, 3), PADDING_VALUE, np.uint8)
        rows = slice(letterbox.top, letterbox.top + letterbox.content.height)
        columns = slice(letterbox.left, letterbox.left + letterbox.content.width)
        picture[rows, columns] = value
        views[size] = AnalysisPicture(picture, letterbox)
    return Frame(
        camera=camera,
        index=index,
        epoch=epoch,
        captured_at=datetime.now(UTC),
        captured_mono_s=at_s,
        arrived_mono_s=at_s,
        tasks=frozenset(tasks),
        views=views,
        full=PlainPicture(np.full((FULL.height, FULL.width, 3), value, np.uint8)),
    )
