"""The images that verify a network where nobody gives any."""

from __future__ import annotations

import numpy as np
import pytest

from model_tools.shipped_images import COUNT, golden_images
from simulation.golden_images import SIZE, chosen_seeds
from simulation.scenes import place_of, render_sample

CODED = 4.0
"""Mean difference in grey levels that JPEG may make."""


def test_all_are_different_and_of_one_size():
    images = golden_images()
    assert {image.shape for image in images} == {(SIZE[1], SIZE[0], 3)}
    assert len({image.tobytes() for image in images}) == COUNT


def test_more_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="holds 16 images, not 17"):
        golden_images(COUNT + 1)


def test_the_first_four_show_every_place_and_are_what_the_seeds_draw():
    seeds = chosen_seeds()
    assert len(seeds) == COUNT
    assert len({place_of(seed) for seed in seeds[:4]}) == 4
    drawn = render_sample(seeds[0], SIZE).image
    (first,) = golden_images(1)
    assert np.abs(first.astype(np.int16) - drawn).mean() < CODED
