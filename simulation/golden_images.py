"""Draws the golden images that `model_tools` ships: `python -m simulation.golden_images`.

Imports verify a graph on them where nobody gives images, so nothing that serves has to draw.
"""

from __future__ import annotations

import cv2
import numpy as np

from model_tools import FILE
from simulation.scenes import EVALUATION_SEEDS, SEEDS_PER_VIEW, place_of, render_sample

SIZE = (960, 540)
PLACES = 4
PER_PLACE = 4
JPEG_QUALITY = 90


def chosen_seeds() -> list[int]:
    """Evaluation seeds that show every place equally often, the places in turn."""
    shown: dict[str, list[int]] = {}
    for seed in EVALUATION_SEEDS[::SEEDS_PER_VIEW]:
        seeds = shown.setdefault(place_of(seed), [])
        if len(seeds) < PER_PLACE:
            seeds.append(seed)
        if sum(map(len, shown.values())) == PER_PLACE * PLACES:
            break
    return [seed for turn in zip(*shown.values(), strict=True) for seed in turn]


def main() -> None:
    """Writes the file anew."""
    images = {}
    for number, seed in enumerate(chosen_seeds()):
        bgr = np.ascontiguousarray(render_sample(seed, SIZE).image[..., ::-1])
        _, images[f"{number:02d}"] = cv2.imencode(
            ".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
    np.savez(FILE, allow_pickle=False, **images)


if __name__ == "__main__":
    main()
