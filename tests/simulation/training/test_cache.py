"""Samples survive the cache: labels exactly, images up to compression."""

from __future__ import annotations

import numpy as np

from simulation.scenes import Sample
from simulation.training.cache import read_block, write_block


def sample(seed: int, objects: int) -> Sample:
    rng = np.random.default_rng(seed)
    smooth = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    boxes = rng.uniform(0, 40, (objects, 4)).astype(np.float32)
    return Sample(smooth, boxes, rng.integers(0, 9, objects), rng.random(objects) < 0.5)


def test_labels_come_back_exactly_and_images_nearly(tmp_path):
    written = [sample(0, 3), sample(1, 0), sample(2, 5)]
    write_block(tmp_path / "a.npz", written)
    for before, after in zip(written, read_block(tmp_path / "a.npz"), strict=True):
        np.testing.assert_array_equal(after.boxes, before.boxes)
        np.testing.assert_array_equal(after.class_ids, before.class_ids)
        np.testing.assert_array_equal(after.ignore, before.ignore)
        assert np.abs(after.sample().image.astype(int) - before.image).mean() < 4


def test_a_block_of_images_without_objects_is_fine(tmp_path):
    write_block(tmp_path / "a.npz", [sample(0, 0), sample(1, 0)])
    assert [one.boxes.shape for one in read_block(tmp_path / "a.npz")] == [(0, 4), (0, 4)]
