"""Training and evaluation images show the wanted places, and never the same seeds."""

from __future__ import annotations

import numpy as np

from simulation.scenes import EVALUATION_SEEDS, TRAINING_SEEDS, place_of, render_samples
from simulation.training.__main__ import (
    BLOCK,
    blocks_showing,
    draw_training_images,
    evaluation_images,
)
from simulation.training.cache import read_block

PARK = ("park",)


def test_blocks_are_chosen_by_what_they_show():
    seeds = TRAINING_SEEDS[: 40 * BLOCK]
    parks = list(blocks_showing(PARK, seeds))
    others = list(blocks_showing(("crossroad", "arterial", "square"), seeds))
    assert sorted(parks + others) == list(seeds[::BLOCK])
    assert {place_of(seed + 3) for seed in parks} == {"park"}


def test_evaluation_images_are_those_of_the_first_fitting_blocks():
    start = next(blocks_showing(PARK, EVALUATION_SEEDS))
    wanted = list(render_samples(range(start, start + 3)))
    for sample, expected in zip(evaluation_images(3, PARK), wanted, strict=True):
        np.testing.assert_array_equal(sample.image, expected.image)


def test_drawn_blocks_stay_on_disk_and_are_not_drawn_again(tmp_path):
    start = next(blocks_showing(PARK, TRAINING_SEEDS))
    (path,) = draw_training_images(tmp_path, [start], workers=1)
    samples = read_block(path)
    assert len(samples) == BLOCK
    (expected,) = render_samples([start])
    np.testing.assert_array_equal(samples[0].boxes, expected.boxes)
    written = path.stat().st_mtime_ns
    assert draw_training_images(tmp_path, [start], workers=1) == [path]
    assert path.stat().st_mtime_ns == written
