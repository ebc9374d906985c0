"""Frames for tests, without a camera."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from camera_adapters.frame import AnalysisImage, Frame, Image, Luma
from camera_adapters.geometry import PADDING_VALUE, Size, ViewSpec

FULL = Size(1280, 720)
SIZE = Size(64, 48)


@dataclass(frozen=True, slots=True, eq=False)
class PlainImage:
    """A full image that is already RGB."""

    pixels: Image

    @property
    def size(self) -> Size:
        return Size(self.pixels.shape[1], self.pixels.shape[0])

    def rgb(self) -> Image:
        return self.pixels

    def luma(self, size: Size) -> Luma:
        return np.full((size.height, size.width), self.pixels[0, 0, 0], np.uint8)

    def views(self, specs: Iterable[ViewSpec]) -> Mapping[ViewSpec, AnalysisImage]:
        return {spec: _view(spec, int(self.pixels[0, 0, 0])) for spec in specs}


def _view(spec: ViewSpec, value: int) -> AnalysisImage:
    size, letterbox = spec.size, spec.place(FULL)
    image = np.full((size.height, size.width, 3), PADDING_VALUE, np.uint8)
    rows = slice(letterbox.top, letterbox.top + letterbox.content.height)
    columns = slice(letterbox.left, letterbox.left + letterbox.content.width)
    image[rows, columns] = value
    return AnalysisImage(image, letterbox)


def make_frame(
    camera: str = "gate",
    tasks: tuple[str, ...] = ("traffic",),
    *,
    sizes: tuple[Size, ...] = (SIZE,),
    stretched: tuple[Size, ...] = (),
    index: int = 0,
    stream_restarts: int = 0,
    at_s: float | None = None,
    value: int = 0,
    captured_at: datetime | None = None,
) -> Frame:
    """A frame whose analysis images are filled with `value` inside the letterbox."""
    at_s = time.monotonic() if at_s is None else at_s
    specs = [*map(ViewSpec, sizes), *(ViewSpec(size, "stretch") for size in stretched)]
    views = {spec: _view(spec, value) for spec in specs}
    return Frame(
        camera=camera,
        index=index,
        stream_restarts=stream_restarts,
        captured_at=captured_at or datetime.now(UTC),
        captured_mono_s=at_s,
        arrived_mono_s=at_s,
        tasks=frozenset(tasks),
        views=views,
        full=PlainImage(np.full((FULL.height, FULL.width, 3), value, np.uint8)),
    )
