"""The filters of many boxes against the same filter written with matrices, one box at a time."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.box_filter import ACCELERATION_VARIANCE, MEASUREMENT_VARIANCE, BoxFilter


class MatrixFilter:
    """The textbook equations for one box, with eight states and full matrices."""

    def __init__(self, box) -> None:
        self.state = np.concatenate((box, np.zeros(4)))
        self.covariance = np.eye(8)

    def predict(self, steps: float) -> None:
        move = np.kron([[1, steps], [0, 1]], np.eye(4))
        gain = np.kron([[steps**2 / 2], [steps]], np.eye(4))
        self.state = move @ self.state
        self.covariance = move @ self.covariance @ move.T + ACCELERATION_VARIANCE * gain @ gain.T

    def correct(self, box) -> None:
        seen = np.eye(4, 8)
        noise = seen @ self.covariance @ seen.T + MEASUREMENT_VARIANCE * np.eye(4)
        gain = self.covariance @ seen.T @ np.linalg.inv(noise)
        self.state = self.state + gain @ (box - seen @ self.state)
        self.covariance = (np.eye(8) - gain @ seen) @ self.covariance


def test_many_boxes_at_once_are_what_matrices_give_for_each():
    random = np.random.default_rng(3)
    boxes = random.uniform(0, 400, (6, 4))
    together, alone = BoxFilter(), [MatrixFilter(box) for box in boxes]
    together.begin(boxes)
    for _ in range(12):
        steps = random.uniform(0.3, 6)
        together.predict(steps)
        rows = np.flatnonzero(random.random(6) < 0.7)
        seen = boxes[rows] + random.normal(0, 5, (len(rows), 4))
        for one in alone:
            one.predict(steps)
        assert together.boxes == pytest.approx(np.array([one.state[:4] for one in alone]))
        together.correct(rows, seen)
        for row, box in zip(rows, seen, strict=True):
            alone[row].correct(box)
        assert together.boxes == pytest.approx(np.array([one.state[:4] for one in alone]))


def test_objects_that_are_kept_go_on_and_new_ones_come_last():
    boxes = np.arange(12.0).reshape(3, 4)
    some = BoxFilter()
    some.begin(boxes)
    some.keep([0, 2])
    some.begin(boxes[1:2])
    some.predict(2.0)
    assert some.boxes.tolist() == boxes[[0, 2, 1]].tolist()


def test_a_steady_object_is_expected_where_it_will_be():
    some, box = BoxFilter(), np.array([[100.0, 50, 140, 80]])
    some.begin(box)
    for step in range(1, 12):
        some.predict(2.5)
        some.correct(np.array([0]), box + 10 * step)
    some.predict(2.5)
    assert some.boxes == pytest.approx(box + 120, abs=1.0)
