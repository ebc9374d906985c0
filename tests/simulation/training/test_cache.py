"""Samples survive the cache: labels exactly, images up to compression."""

from __future__ import annotations

import numpy as np

from simulation.training.augmentation import TrainingImage
from simulation.training.cache import read_block, read_cache, write_block


def sample(seed: int, objects: int) -> TrainingImage:
    rng = np.random.default_rng(seed)
    smooth = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    boxes = rng.uniform(0, 40, (objects, 4)).astype(np.float32)
    return TrainingImage(smooth, boxes, rng.integers(0, 9, objects), rng.random(objects) < 0.5)


def test_labels_come_back_exactly_and_images_nearly(tmp_path):
    written = [sample(0, 3), sample(1, 0), sample(2, 5)]
    write_block(tmp_path / "a.npz", written)
    for before, after in zip(written, read_block(tmp_path / "a.npz"), strict=True):
        np.testing.assert_array_equal(after.boxes, before.boxes)
        np.testing.assert_array_equal(after.class_ids, before.class_ids)
        np.testing.assert_array_equal(after.ignore, before.ignore)
        assert np.abs(after.image.astype(int) - before.image).mean() < 4


def test_a_folder_is_read_in_order_up_to_the_limit(tmp_path):
    write_block(tmp_path / "b.npz", [sample(3, 4), sample(4, 5)])
    write_block(tmp_path / "a.npz", [sample(0, 1), sample(1, 2)])
    assert [len(one.boxes) for one in read_cache(tmp_path)] == [1, 2, 4, 5]
    assert [len(one.boxes) for one in read_cache(tmp_path, 3)] == [1, 2, 4]


def test_a_block_of_images_without_objects_is_fine(tmp_path):
    write_block(tmp_path / "a.npz", [sample(0, 0), sample(1, 0)])
    assert [one.boxes.shape for one in read_block(tmp_path / "a.npz")] == [(0, 4), (0, 4)]
