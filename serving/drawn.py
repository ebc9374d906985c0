"""Drawn street scenes to prove a model on where nobody gives pictures."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from camera_adapters.geometry import Size
from camera_adapters.rendered import EVALUATION_SEEDS, SEEDS_PER_VIEW, place_of
from camera_adapters.rendered.sample import render_sample

PLACES: Final = 4


def drawn_pictures(size: Size) -> npt.NDArray[np.uint8]:
    """(4, H, W, 3) uint8 RGB: one drawn street scene of each place, of seeds kept for judging."""
    first: dict[str, int] = {}
    for seed in EVALUATION_SEEDS[::SEEDS_PER_VIEW]:
        first.setdefault(place_of(seed), seed)
        if len(first) == PLACES:
            break
    drawn = [render_sample(seed, (size.width, size.height)).picture for seed in first.values()]
    return np.stack(drawn)
