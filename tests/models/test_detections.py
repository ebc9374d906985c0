"""Matching of two sets of objects, and the overlap of boxes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from models.detections import (
    Detections,
    areas,
    matched_pairs,
    pairwise_iou,
    thresholds_by_class,
)


def pairs(table: np.ndarray, at_least: float, **options: bool) -> list[tuple[int, int]]:
    rows, columns = matched_pairs(table, at_least, **options)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


TABLE = np.array([[0.9, 0.8, 0.0], [0.85, 0.1, 0.0]])


def test_greedy_takes_the_most_similar_pair_first():
    assert pairs(TABLE, 0.05) == [(0, 0), (1, 1)]
    assert pairs(TABLE, 0.5) == [(0, 0)]


def test_optimal_maximises_the_sum():
    assert sorted(pairs(TABLE, 0.05, optimal=True)) == [(0, 1), (1, 0)]
    assert pairs(TABLE, 0.86, optimal=True) == [(0, 0)]


def test_of_equal_pairs_the_first_row_and_column_win():
    assert pairs(np.full((2, 3), 0.7), 0.7) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("optimal", [False, True])
def test_an_empty_set_has_no_pair(shape, optimal):
    assert pairs(np.zeros(shape), 0.1, optimal=optimal) == []


@pytest.mark.parametrize("seed", range(10))
def test_pairs_are_one_to_one_and_the_optimum_is_the_best_of_all(seed):
    table = np.random.default_rng(seed).uniform(0.1, 1, (4, 5))
    best = max(
        sum(table[row, column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(5), 4)
    )
    for optimal in (False, True):
        rows, columns = zip(*pairs(table, 0.1, optimal=optimal), strict=True)
        assert len(set(rows)) == len(set(columns)) == 4
        total = table[list(rows), list(columns)].sum()
        assert total == pytest.approx(best) if optimal else total <= best + 1e-9


def test_iou_of_a_box_without_area_is_zero():
    flat = np.array([[5.0, 5.0, 5.0, 9.0]])
    assert pairwise_iou(flat, flat).tolist() == [[0.0]]
    assert areas(np.array([[5.0, 5.0, 4.0, 9.0]])).tolist() == [0.0]


def test_a_crowd_is_compared_by_the_share_inside():
    boxes, crowd = np.array([[0.0, 0.0, 4.0, 4.0]]), np.array([[0.0, 0.0, 100.0, 2.0]])
    assert pairwise_iou(boxes, crowd, np.array([True])).tolist() == [[0.5]]
    assert pairwise_iou(boxes, crowd, np.array([False]))[0, 0] == pytest.approx(8 / 208)


def test_each_class_is_read_above_its_own_threshold():
    rows = np.array([(0, 0, 1, 1, 0.1 * i, i % 2) for i in range(1, 9)], np.float32)
    limits = thresholds_by_class(("Bin bag", "car"), 0.45, {"bin_bag": 0.65, "tram": 0.1})
    found = Detections.from_rows(rows, limits)
    assert found.class_ids.tolist() == [0, 1, 1]
    assert found.scores.tolist() == pytest.approx([0.8, 0.7, 0.5])


def test_rows_above_the_threshold_are_read_best_first_whatever_their_order():
    scores = (0.0, 0.4, np.nan, 0.9, 0.25, 0.4, 0.0)
    rows = np.array([(i, i, i + 1, i + 2, score, i) for i, score in enumerate(scores)], np.float32)
    found = Detections.from_rows(rows, 0.25)
    assert found.class_ids.tolist() == [3, 1, 5]
    assert found.scores.tolist() == pytest.approx([0.9, 0.4, 0.4])
    assert found.boxes.tolist() == [[i, i, i + 1, i + 2] for i in (3, 1, 5)]
    assert (found.boxes.dtype, found.class_ids.dtype) == (np.float32, np.int64)
    rows[:] = 0
    assert found.scores.all(), "a copy, so that the model may use its memory again"
    assert len(Detections.from_rows(rows)) == 0
