"""Average precision on cases small enough to work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model_tools.evaluation import (
    GroundTruth,
    evaluate,
    mean_average_precision,
    recall_by_size,
)
from models.detections import Detections, pairwise_iou

HERE = (0.0, 0.0, 10.0, 10.0)
THERE = (50.0, 0.0, 60.0, 10.0)
ELSEWHERE = (0.0, 50.0, 10.0, 60.0)


def seen(*rows: tuple[tuple[float, ...], float, int]) -> Detections:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[1] for row in rows], np.float32)
    return Detections(boxes, scores, np.array([row[2] for row in rows], np.int64))


def truth(*rows: tuple[tuple[float, ...], int], ignore: tuple[int, ...] = ()) -> GroundTruth:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    ignored = np.array([index in ignore for index in range(len(rows))], np.bool_)
    return GroundTruth.of(boxes, np.array([row[1] for row in rows], np.int64), ignored)


def ap(found: list[Detections], real: list[GroundTruth]) -> float:
    return evaluate(found, real, 1)[0].average_precision


def test_everything_found_is_one():
    assert ap([seen((HERE, 0.9, 0), (THERE, 0.2, 0))], [truth((HERE, 0), (THERE, 0))]) == 1.0


def test_nothing_found_is_zero():
    result = evaluate([seen()], [truth((HERE, 0))], 1)[0]
    assert (result.average_precision, result.recall, result.objects) == (0.0, 0.0, 1)


def test_half_found_is_the_recall_levels_up_to_half():
    assert ap([seen((HERE, 0.9, 0))], [truth((HERE, 0), (THERE, 0))]) == pytest.approx(51 / 101)


def test_a_false_alarm_of_higher_score_halves_precision():
    assert ap([seen((THERE, 0.9, 0), (HERE, 0.5, 0))], [truth((HERE, 0))]) == pytest.approx(0.5)


def test_a_false_alarm_of_lower_score_costs_nothing():
    assert ap([seen((HERE, 0.9, 0), (THERE, 0.5, 0))], [truth((HERE, 0))]) == 1.0


def test_precision_is_made_monotone():
    found = [seen((HERE, 0.9, 0), (ELSEWHERE, 0.8, 0), (THERE, 0.7, 0))]
    wanted = (51 * 1.0 + 50 * 2 / 3) / 101
    assert ap(found, [truth((HERE, 0), (THERE, 0))]) == pytest.approx(wanted)


def test_a_second_detection_of_one_object_is_a_false_alarm():
    found = [seen((HERE, 0.9, 0), (HERE, 0.8, 0), (THERE, 0.7, 0))]
    wanted = (51 * 1.0 + 50 * 2 / 3) / 101
    assert ap(found, [truth((HERE, 0), (THERE, 0))]) == pytest.approx(wanted)


def test_an_ignored_object_is_neither_wanted_nor_punished():
    real = [truth((HERE, 0), (THERE, 0), ignore=(1,))]
    assert ap([seen((THERE, 0.9, 0), (THERE, 0.8, 0), (HERE, 0.5, 0))], real) == 1.0
    assert ap([seen((HERE, 0.5, 0))], real) == 1.0


def test_a_wanted_object_is_preferred_to_an_ignored_one_at_the_same_place():
    assert ap([seen((HERE, 0.9, 0))], [truth((HERE, 0), (HERE, 0), ignore=(1,))]) == 1.0


def test_iou_decides_at_one_half():
    near = (0.0, 0.0, 10.0, 5.0)
    too_small = (0.0, 0.0, 10.0, 4.9)
    assert ap([seen((near, 0.9, 0))], [truth((HERE, 0))]) == 1.0
    assert ap([seen((too_small, 0.9, 0))], [truth((HERE, 0))]) == 0.0


def test_images_and_classes_are_kept_apart():
    found = [seen((HERE, 0.9, 0)), seen((THERE, 0.8, 1))]
    real = [truth((HERE, 1)), truth((THERE, 1))]
    first, second, third = evaluate(found, real, 3)
    assert math.isnan(first.average_precision)
    assert second.average_precision == pytest.approx(51 / 101)
    assert third.objects == 0
    assert mean_average_precision((first, second, third)) == pytest.approx(51 / 101)


def test_scores_are_ranked_over_all_images():
    found = [seen((THERE, 0.9, 0)), seen((HERE, 0.5, 0))]
    assert ap(found, [truth(), truth((HERE, 0))]) == pytest.approx(0.5)


def test_precision_and_recall_at_the_threshold():
    found = [seen((HERE, 0.9, 0), (ELSEWHERE, 0.6, 0), (THERE, 0.3, 0))]
    result = evaluate(found, [truth((HERE, 0), (THERE, 0))], 1)[0]
    point = result.at(0.5)
    assert (point.precision, point.recall) == (0.5, 0.5)
    assert result.recall == 1.0


def test_iou_of_boxes():
    table = pairwise_iou(np.array([HERE], np.float32), np.array([HERE, THERE, (5, 0, 15, 10)]))
    np.testing.assert_allclose(table, [[1.0, 0.0, 1 / 3]], rtol=1e-6)


def test_recall_is_given_by_object_size():
    small, large = (0.0, 0.0, 8.0, 8.0), (100.0, 0.0, 140.0, 40.0)
    missed = (0.0, 100.0, 8.0, 108.0)
    found = [seen((small, 0.9, 0), (missed, 0.2, 0), (large, 0.8, 1))]
    real = [truth((small, 0), (missed, 0), (large, 0), (ELSEWHERE, 0), ignore=(3,))]
    by_size = recall_by_size(found, real, (16.0, 64.0), threshold=0.5)
    assert by_size[:2] == ((2, 0.5), (1, 0.0))
    assert by_size[2][0] == 0
    assert math.isnan(by_size[2][1])
