"""Parts of the image that are in another light than the rest: shadows of clouds, lamps, head lamps.

Light multiplies what it falls on, over parts that are larger than a thing that somebody leaves. So
the multiple is taken from cells and filtered by a median, as the field does to correct uneven
light; what is smaller than half of its window keeps its brightness, and edges of shadows stay where
they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.block_grid import Float32Map, PixelMask, shrunk

CELL_PX: Final = (8, 9)
"""Width and height of a cell; they divide the size of the images, which makes averages cheap."""

MEDIAN_CELLS: Final = 9
"""Width of the median's window."""

STEPS: Final = 64
"""Steps of the multiple per octave."""

LEAST_STEPS: Final = 5
"""Multiples nearer to 1, about 5 %, are no other light."""

MOST_STEPS: Final = STEPS
"""Beyond half and double there is something else than light."""

EDGE_STEPS: Final = 12
"""Neighbours that differ by so much, about 14 %, have an edge of light between them."""

DARK: Final = 4.0
"""Levels that are added before multiples are taken: of black nothing can be said."""

_ONE: Final = 128
_AROUND: Final = np.ones((3, 3), np.uint8)
_ENOUGH: Final = 0.5
"""Share of a cell that must be in view."""


@dataclass(frozen=True, slots=True, eq=False)
class LightPatches:
    """Light that is not that of most of the image.

    Attributes:
        multiples: By what the light of each pixel is multiplied, (H, W) float32.
        edges: Where one light borders on another, so that nothing can be said of a pixel.
    """

    multiples: Float32Map
    edges: PixelMask


def light_patches(luma: Luma, expected: Luma, in_view: PixelMask) -> LightPatches | None:
    """The light of each pixel; None where it is that of most of the image everywhere.

    Args:
        luma: (H, W) uint8, the image.
        expected: (H, W) uint8, the place in the light of most of the image.
        in_view: Where nothing covers the place.
    """
    rows, columns = luma.shape
    size = (columns // CELL_PX[0], rows // CELL_PX[1])
    now, then = (shrunk(image, size).astype(np.float32) for image in (luma, expected))
    seen = shrunk(in_view.view(np.uint8) * np.uint8(255), size) >= 255 * _ENOUGH
    steps = STEPS * np.log2((now + DARK) / (then + DARK))
    if not seen.all():
        steps[~seen] = _around(steps, seen)[~seen]
    coded = np.clip(_ONE + np.rint(steps), _ONE - MOST_STEPS, _ONE + MOST_STEPS).astype(np.uint8)
    smooth = cv2.medianBlur(coded, MEDIAN_CELLS).astype(np.float32) - _ONE
    smooth[np.abs(smooth) < LEAST_STEPS] = 0
    if not smooth.any():
        return None
    multiples = np.empty(luma.shape, np.float32)
    cv2.resize(
        np.exp2(smooth / STEPS), (columns, rows), dst=multiples, interpolation=cv2.INTER_LINEAR
    )
    steep = cv2.dilate(smooth, _AROUND) - cv2.erode(smooth, _AROUND) >= EDGE_STEPS
    edges = np.empty(luma.shape, np.uint8)
    cv2.resize(steep.view(np.uint8), (columns, rows), dst=edges, interpolation=cv2.INTER_NEAREST)
    return LightPatches(multiples, edges > 0)


def _around(values: Float32Map, seen: PixelMask) -> Float32Map:
    """The mean of what is seen around each cell; 0 where nothing is."""
    window = (MEDIAN_CELLS, MEDIAN_CELLS)
    weights = cv2.blur(seen.astype(np.float32), window)
    sums = cv2.blur(np.where(seen, values, np.float32(0)), window)
    return np.asarray(sums / np.maximum(weights, np.float32(1e-6)), np.float32)
