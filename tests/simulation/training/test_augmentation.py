"""Boxes stay on their objects whatever happens to the image."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.scenes import Sample
from simulation.training.augmentation import augmented, cut_out, mirrored

GREY = 60
WHITE = 250


def one_object(box: tuple[int, int, int, int] = (60, 30, 90, 60)) -> Sample:
    image = np.full((128, 192, 3), GREY, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = WHITE
    return Sample(image, np.array([box], np.float32), np.array([4]), np.array([False]))


def extent_of_white(image: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(image[..., 0] > 190)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_mirroring_swaps_left_and_right():
    result = mirrored(one_object())
    np.testing.assert_array_equal(result.boxes, [[102, 30, 132, 60]])
    np.testing.assert_array_equal(extent_of_white(result.image), result.boxes[0])


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_out_has_its_size_and_its_box_on_the_object(seed):
    result = cut_out(one_object(), (128, 96), np.random.default_rng(seed))
    assert result.image.shape == (96, 128, 3)
    np.testing.assert_allclose(extent_of_white(result.image), result.boxes[0], atol=1.5)


def test_an_object_mostly_outside_is_ignored_and_one_wholly_outside_is_gone():
    sample = one_object()
    far = np.array([[60, 30, 90, 60], [0, 120, 4, 128], [-200, 0, -100, 40]], np.float32)
    crowd = Sample(sample.image, far, np.array([4, 1, 2]), np.array([False, True, True]))
    result = cut_out(crowd, (256, 160), np.random.default_rng(1))
    assert 2 not in result.class_ids
    assert result.ignore[list(result.class_ids).index(1)]
    assert not result.ignore[list(result.class_ids).index(4)]


def test_the_same_seed_gives_the_same_image():
    first, again = (augmented(one_object(), np.random.default_rng(3), (96, 64)) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes, again.boxes)


def test_whole_images_keep_their_size_and_the_input_is_left_alone():
    sample = one_object()
    before = sample.image.copy()
    result = augmented(sample, np.random.default_rng(0), None)
    assert result.image.shape == before.shape
    np.testing.assert_array_equal(sample.image, before)


def test_an_image_without_objects_can_be_cut():
    empty = Sample(
        np.full((128, 192, 3), GREY, np.uint8),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.bool_),
    )
    assert cut_out(empty, (96, 64), np.random.default_rng(0)).boxes.shape == (0, 4)


def test_cut_outs_go_where_the_interest_is():
    boxes = np.array([[4, 30, 24, 60], [170, 30, 190, 60]], np.float32)
    sample = Sample(
        np.full((128, 192, 3), GREY, np.uint8), boxes, np.array([0, 1]), np.array([False, False])
    )

    def share_with(label, interest):
        found = [
            label
            in cut_out(sample, (48, 48), np.random.default_rng(seed), interest=interest).class_ids
            for seed in range(40)
        ]
        return np.mean(found)

    assert share_with(1, (0.0, 1.0)) > 0.9
    assert share_with(0, (0.0, 1.0)) == 0.0
    assert 0.2 < share_with(0, None) < 0.8
