"""What is measured of one image to know whether the camera still sees its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from camera_adapters import Luma
from pipelines.signals.block_grid import (
    Float32Map,
    block_deviations,
    block_means,
    edge_strength,
    shrunk,
)

SMALL: Final = (160, 90)
"""Width and height of the image that patterns are compared on, in pixels."""

TINY: Final = (80, 45)
"""Width and height of the image on which fine detail is gone."""

BRIGHT_TAIL: Final = 0.02
GLARE_LEVEL: Final = 240

NOISE_QUANTILE: Final = 0.25
"""Motion fills some blocks. Noise fills all, so the quieter ones say how much there is."""

NOISE_IN_DETAIL: Final = 0.71
"""Noise is measured in the difference of two images, so there is more of it than in one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewMeasures:
    """One image in numbers.

    Attributes:
        edges: (90, 160) float32, see `edge_strength`.
        layout: (9, 16) float32, mean brightness of each block, 0..255.
        contrasts: (9, 16) float32, standard deviation inside each block.
        brightest: Level that only two percent of the pixels reach, 0..255.
        mean: Mean level.
        glare: Share of pixels that are as good as white.
        detail: Mean strength of the finest structures, without that of noise.
        shape: Mean strength of structures that a blurred lens leaves.
        noise: What changes from image to image without any shape, in levels; 0 in the first one.
    """

    edges: Float32Map
    layout: Float32Map
    contrasts: Float32Map
    brightest: int
    mean: float
    glare: float
    detail: float
    shape: float
    noise: float


def measure_view(luma: Luma, before: Luma | None) -> ViewMeasures:
    """Measures an image (180, 320); `before` is one a moment ago, of the same size."""
    small = shrunk(luma, SMALL)
    tiny = shrunk(small, TINY)
    counts = cv2.calcHist([small], [0], None, [256], [0, 256]).ravel()
    above = np.cumsum(counts[::-1])[::-1] / small.size
    noise = 0.0 if before is None else _noise(luma, before)
    detail = float(cv2.absdiff(luma, cv2.blur(luma, (3, 3))).mean())
    return ViewMeasures(
        edges=edge_strength(small),
        layout=block_means(small),
        contrasts=block_deviations(small),
        brightest=int(np.count_nonzero(above > BRIGHT_TAIL)) - 1,
        mean=float(small.mean()),
        glare=float(above[GLARE_LEVEL]),
        detail=max(0.0, detail**2 - (NOISE_IN_DETAIL * noise) ** 2) ** 0.5,
        shape=float(cv2.absdiff(tiny, cv2.blur(tiny, (7, 7))).mean()),
        noise=noise,
    )


def _noise(luma: Luma, before: Luma) -> float:
    change = cv2.subtract(luma, before, dtype=cv2.CV_16S)
    grain = np.empty_like(luma)
    cv2.convertScaleAbs(cv2.subtract(change, cv2.blur(change, (3, 3))), dst=grain)
    blocks = np.sort(block_means(grain), axis=None)
    return float(blocks[int(NOISE_QUANTILE * blocks.size)])
