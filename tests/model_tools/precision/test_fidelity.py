"""Fidelity on cases small enough to work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model_tools.precision import fidelity

HERE = (0, 0, 10, 10)
THERE = (50, 0, 60, 10)


def rows(*found: tuple[tuple[float, ...], float, int]) -> np.ndarray:
    table = np.zeros((1, 6, 6), np.float32)
    for index, (box, score, label) in enumerate(found):
        table[0, index] = [*box, score, label]
    return table


def test_the_same_is_perfect():
    same = rows((HERE, 0.9, 0), (THERE, 0.6, 1), (THERE, 0.1, 0))
    found = fidelity(same, same, 0.4)
    assert (found.images, found.objects) == (1, 2)
    assert (found.ap50, found.ap, found.recall, found.iou) == (1, 1, 1, 1)
    assert (found.false_positive_rate, found.score_shift) == (0, 0)


def test_a_lost_object_and_a_lower_score():
    before = rows((HERE, 0.9, 0), (THERE, 0.6, 0))
    found = fidelity(before, rows((HERE, 0.7, 0)), 0.4)
    assert found.recall == 0.5
    assert found.ap50 == pytest.approx(51 / 101)
    assert found.score_shift == pytest.approx(-0.2)


def test_below_the_threshold_lowers_recall_but_its_score_is_compared():
    found = fidelity(rows((HERE, 0.5, 0)), rows((HERE, 0.3, 0)), 0.4)
    assert (found.recall, found.ap50) == (0, 1)
    assert found.score_shift == pytest.approx(-0.2)


def test_a_moved_box():
    found = fidelity(rows((HERE, 0.9, 0)), rows(((0, 0, 10, 8), 0.9, 0)), 0.4)
    assert found.iou == pytest.approx(0.8)
    assert found.ap50 == 1
    assert found.ap == pytest.approx(0.7)


def test_what_fp32_doubts_is_no_mistake_and_what_it_does_not_have_is():
    before = rows((HERE, 0.9, 0), (THERE, 0.3, 0))
    assert fidelity(before, rows((HERE, 0.9, 0), (THERE, 0.6, 0)), 0.4).false_positive_rate == 0
    elsewhere = rows((HERE, 0.9, 0), ((0, 50, 10, 60), 0.6, 0))
    assert fidelity(before, elsewhere, 0.4).false_positive_rate == 1


def test_another_class_at_the_same_place_is_another_object():
    found = fidelity(rows((HERE, 0.9, 0)), rows((HERE, 0.9, 3)), 0.4)
    assert (found.recall, found.false_positive_rate) == (0, 1)
    assert math.isnan(found.iou)


def test_what_is_no_number_is_left_out():
    nothing = np.zeros((2, 6, 6), np.float32)
    assert fidelity(nothing, nothing, 0.4).as_measured() == {
        "fidelity_images": 2.0,
        "fidelity_objects": 0.0,
    }
    measured = fidelity(rows((HERE, 0.9, 0)), rows((HERE, 0.8, 0)), 0.4).as_measured()
    assert measured["fidelity_ap50"] == 1.0
    assert measured["fidelity_score_shift"] == -0.1
