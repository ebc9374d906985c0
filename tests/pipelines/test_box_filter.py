"""The filters of many boxes against the same filter written with matrices, one box at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipelines.box_filter import (
    ACCELERATION_DENSITY,
    EDGE_SHARE,
    ERROR_S,
    FIRST_VELOCITY_VARIANCE,
    MANOEUVRE_SIGMAS,
    MOST_DOUBT,
    BoxFilter,
)

SEEN = np.eye(4, 8)


class MatrixFilter:
    """The textbook equations for one box, with eight states and full matrices."""

    def __init__(self, box) -> None:
        self.state = np.concatenate((box, np.zeros(4)))
        self.covariance = np.diag([1.0] * 4 + [FIRST_VELOCITY_VARIANCE] * 4)
        self.variance = 1.0

    def predict(self, seconds: float) -> None:
        move = np.kron([[1, seconds], [0, 1]], np.eye(4))
        cube, square = seconds**3 / 3, seconds**2 / 2
        noise = np.kron([[cube, square], [square, seconds]], np.eye(4)) * ACCELERATION_DENSITY
        self.state = move @ self.state
        self.covariance = move @ self.covariance @ move.T + noise
        self.variance = 1.0 + ERROR_S / seconds

    def correct(self, box) -> None:
        x1, y1, x2, y2 = self.state[:4]
        off = box - self.state[:4]
        aside = np.linalg.norm((off[:2] + off[2:]) / 2)
        edge = EDGE_SHARE * np.sqrt((x2 - x1) * (y2 - y1))
        sigmas = aside / (edge * np.sqrt(self.covariance[0, 0] + self.variance))
        self.covariance *= min(max((sigmas / MANOEUVRE_SIGMAS) ** 2, 1.0), MOST_DOUBT)
        noise = SEEN @ self.covariance @ SEEN.T + self.variance * np.eye(4)
        gain = self.covariance @ SEEN.T @ np.linalg.inv(noise)
        self.state = self.state + gain @ off
        self.covariance = (np.eye(8) - gain @ SEEN) @ self.covariance


def none(count):
    return np.zeros(count, np.bool_)


def placed(random, count):
    corners = random.uniform(0, 400, (count, 2))
    return np.concatenate((corners, corners + random.uniform(10, 90, (count, 2))), axis=1)


def test_many_boxes_at_once_are_what_matrices_give_for_each():
    random = np.random.default_rng(3)
    boxes = placed(random, 6)
    together, alone = BoxFilter(), [MatrixFilter(box) for box in boxes]
    together.begin(boxes)
    for _ in range(12):
        seconds = random.uniform(0.03, 0.6)
        together.predict(seconds, none(6))
        rows = np.flatnonzero(random.random(6) < 0.7)
        # Now and then far off, as when somebody turns.
        seen = boxes[rows] + random.normal(0, 2, (len(rows), 4)) + 40 * (random.random() < 0.3)
        for one in alone:
            one.predict(seconds)
        assert together.boxes == pytest.approx(np.array([one.state[:4] for one in alone]))
        together.correct(rows, seen)
        for row, box in zip(rows, seen, strict=True):
            alone[row].correct(box)
        assert together.boxes == pytest.approx(np.array([one.state[:4] for one in alone]))


def test_objects_that_are_kept_go_on_and_new_ones_come_last():
    boxes = np.arange(12.0).reshape(3, 4)
    some = BoxFilter()
    some.begin(boxes)
    some.keep(np.array([True, False, True]))
    some.begin(boxes[1:2])
    some.predict(2.0, none(3))
    assert some.boxes.tolist() == boxes[[0, 2, 1]].tolist()


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_a_steady_object_is_expected_where_it_will_be_at_any_rate(fps):
    some, box, speed = BoxFilter(), np.array([[100.0, 50, 140, 80]]), 50.0
    some.begin(box)
    for step in range(1, 3 * fps):
        some.predict(1 / fps, none(1))
        some.correct(np.array([0]), box + speed * step / fps)
    some.predict(1 / fps, none(1))
    assert some.boxes == pytest.approx(box + 3 * speed, abs=1.0)
    assert some.velocities == pytest.approx(np.array([[speed, speed]]), rel=0.05)


def test_the_shakes_of_a_box_are_not_taken_for_speed_however_many_frames_show_them():
    random = np.random.default_rng(5)
    some, box = BoxFilter(), np.array([[100.0, 50, 140, 130]])
    some.begin(box)
    for _ in range(100):
        some.predict(0.04, none(1))
        some.correct(np.array([0]), box + random.normal(0, 1.7, (1, 4)))
    assert np.abs(some.velocities).max() < 8.0  # a tenth of its height per second


def test_an_object_that_is_not_seen_keeps_its_size_and_slows_down():
    some, box = BoxFilter(), np.array([[100.0, 50, 140, 130]])
    some.begin(box)
    for step in range(1, 11):
        some.predict(0.2, none(1))
        some.correct(np.array([0]), box + step * np.array([10, 0, 11, 0]))
    some.predict(0.2, none(1))
    ahead = [some.boxes[0].copy()]
    for _ in range(10):
        some.predict(0.2, np.ones(1, np.bool_))
        ahead.append(some.boxes[0].copy())
    sizes = [after[2:] - after[:2] for after in ahead]
    assert sizes[-1] == pytest.approx(sizes[0])
    steps = [after[0] - before[0] for before, after in itertools.pairwise(ahead)]
    assert steps == sorted(steps, reverse=True)
    assert 0 < steps[-1] < 0.7 * steps[0]
