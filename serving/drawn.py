"""Drawn street scenes to prove a model on where nobody gives pictures."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from camera_adapters.geometry import Size
from camera_adapters.rendered import EVALUATION_SEEDS, SEEDS_PER_VIEW, place_of
from camera_adapters.rendered.sample import render_sample

PLACES: Final = 4


def drawn_pictures(size: Size, count: int = PLACES) -> npt.NDArray[np.uint8]:
    """(count, H, W, 3) uint8 RGB: drawn street scenes, of seeds kept for judging.

    Every place is shown equally often, the places one after the other.
    """
    each = -(-count // PLACES)
    seeds: dict[str, list[int]] = {}
    for seed in EVALUATION_SEEDS[::SEEDS_PER_VIEW]:
        shown = seeds.setdefault(place_of(seed), [])
        if len(shown) < each:
            shown.append(seed)
        if sum(map(len, seeds.values())) == each * PLACES:
            break
    chosen = [seed for shown in seeds.values() for seed in shown][:count]
    return np.stack([render_sample(seed, (size.width, size.height)).picture for seed in chosen])
