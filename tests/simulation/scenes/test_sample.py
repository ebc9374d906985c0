"""Training samples: reproducible, in the service's image shape, labelled to the pixel."""

import numpy as np
import pytest

from simulation.scenes import (
    EVALUATION_SEEDS,
    LABELS,
    SCENE_SEEDS,
    SEEDS_PER_VIEW,
    TRAINING_SEEDS,
    place_of,
    render_sample,
    render_samples,
)

SIZE = (320, 192)


def test_a_seed_always_gives_the_same_sample() -> None:
    first = render_sample(41, SIZE)
    render_sample(999, SIZE)
    again = render_sample(41, SIZE)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes, again.boxes)
    assert np.array_equal(first.class_ids, again.class_ids)


def test_neighbouring_seeds_differ() -> None:
    assert not np.array_equal(render_sample(32, SIZE).image, render_sample(33, SIZE).image)


def test_sample_arrays_keep_their_contract() -> None:
    for sample in render_samples(range(0, 96, 7), SIZE):
        count = len(sample.class_ids)
        assert sample.image.shape == (192, 320, 3)
        assert sample.image.dtype == np.uint8
        assert sample.boxes.shape == (count, 4)
        assert sample.boxes.dtype == np.float32
        assert sample.ignore.shape == (count,)
        assert sample.ignore.dtype == np.bool_
        assert np.all(sample.boxes[:, 2:] > sample.boxes[:, :2])
        assert np.all(sample.boxes >= 0)
        assert np.all(sample.boxes[:, ::2] <= 320)
        assert np.all(sample.boxes[:, 1::2] <= 192)
        assert np.all((sample.class_ids >= 0) & (sample.class_ids < len(LABELS)))


def test_most_images_are_letterboxed_with_grey() -> None:
    boxed = [
        bool(np.all(sample.image[:6] == 114) and np.all(sample.image[-6:] == 114))
        for sample in render_samples(range(0, 160, 16), SIZE)
    ]
    assert sum(boxed) >= 6


def test_every_class_appears() -> None:
    seen = {int(c) for sample in render_samples(range(16), SIZE) for c in sample.class_ids}
    seen |= {int(c) for sample in render_samples(range(64, 120, 8), SIZE) for c in sample.class_ids}
    assert seen == set(range(len(LABELS)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TRAINING_SEEDS, EVALUATION_SEEDS),
        (TRAINING_SEEDS, SCENE_SEEDS),
        (EVALUATION_SEEDS, SCENE_SEEDS),
    ],
)
def test_seed_spaces_are_disjoint(one: range, other: range) -> None:
    assert one.stop <= other.start or other.stop <= one.start


def test_the_place_of_a_seed_is_what_its_image_shows() -> None:
    vehicles = {LABELS.index(name) for name in ("car", "bus", "truck")}
    counts: dict[str, list[int]] = {}
    for seed in range(0, 24 * SEEDS_PER_VIEW, SEEDS_PER_VIEW):
        shown = sum(int(c) in vehicles for c in render_sample(seed, SIZE).class_ids)
        counts.setdefault(place_of(seed), []).append(shown)
        assert place_of(seed) == place_of(seed + SEEDS_PER_VIEW - 1)
    assert set(counts) == {"crossroad", "arterial", "square", "park"}
    roads = [*counts["crossroad"], *counts["arterial"]]
    assert np.mean(roads) > 3 * np.mean([*counts["square"], *counts["park"]])
