"""COCO's metrics equal those of the reference evaluation, on data with every trap we know."""

from __future__ import annotations

import contextlib
import io
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from model_tools.evaluation.coco import SIZES, coco_metrics, mean_metrics
from model_tools.evaluation.curve import OperatingPoint
from model_tools.evaluation.truth import GroundTruth
from models.detections import Detections, areas

CLASSES = ("car", "person", "bus", "never seen")
IMAGES = 25


def random_truth(rng: np.random.Generator, count: int) -> GroundTruth:
    """Boxes of all sizes on whole pixels, so that many IoUs are equal; some are crowds."""
    near = rng.integers(0, 300, (count, 2)).astype(np.float64)
    sides = np.exp(rng.uniform(np.log(4), np.log(250), (count, 2))).round()
    boxes = np.concatenate([near, near + sides], axis=1)
    crowd = rng.random(count) < 0.15
    outlines = areas(boxes) * rng.choice([1.0, 0.7], count)
    return GroundTruth(boxes, rng.integers(0, 3, count), crowd, crowd.copy(), outlines)


def random_found(rng: np.random.Generator, real: GroundTruth, count: int) -> Detections:
    """Shifted copies of objects and boxes out of nothing, with many equal scores."""
    rows = []
    for _ in range(count):
        if len(real) and rng.random() < 0.7:
            index = rng.integers(len(real))
            box = real.boxes[index] + rng.integers(-6, 7, 4) * rng.choice([0, 1])
            label = real.class_ids[index] if rng.random() < 0.85 else rng.integers(3)
        else:
            near = rng.integers(0, 300, 2)
            box = np.concatenate([near, near + rng.integers(3, 120, 2)])
            label = rng.integers(3)
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        rows.append([*box, round(float(rng.random()), 1), label])
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections.from_rows(table[table[:, 4] > 0])


def reference(found: list[Detections], real: list[GroundTruth]) -> COCOeval:
    """The same data, evaluated by pycocotools."""
    document: dict[str, list[Any]] = {
        "images": [{"id": index} for index in range(len(real))],
        "categories": [{"id": index, "name": name} for index, name in enumerate(CLASSES)],
        "annotations": [],
    }
    for image, objects in enumerate(real):
        for row in range(len(objects)):
            x1, y1, x2, y2 = objects.boxes[row].tolist()
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": image,
                    "category_id": int(objects.class_ids[row]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(objects.areas[row]),
                    "iscrowd": int(objects.crowd[row]),
                }
            )
    results = [
        {
            "image_id": image,
            "category_id": int(label),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": float(score),
        }
        for image, seen in enumerate(found)
        for (x1, y1, x2, y2), score, label in zip(
            seen.boxes.tolist(), seen.scores, seen.class_ids, strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        expected = COCOeval(truth, truth.loadRes(results), "bbox")
        expected.evaluate()
        expected.accumulate()
        expected.summarize()
    return expected


def mean_over_known(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if len(known) else float("nan")


def random_case(seed: int, most: int) -> tuple[list[Detections], list[GroundTruth]]:
    rng = np.random.default_rng(seed)
    real = [random_truth(rng, int(rng.integers(0, 12))) for _ in range(IMAGES)]
    return [random_found(rng, one, int(rng.integers(0, most))) for one in real], real


@pytest.mark.parametrize(("seed", "most"), [(1, 25), (2, 25), (3, 6), (4, 400)])
def test_the_metrics_are_those_of_the_reference(seed, most):
    """The last case has more detections than count."""
    found, real = random_case(seed, most)
    expected = reference(found, real)
    mine = coco_metrics(found, real, CLASSES, threshold=0.5)
    wanted = np.where(expected.stats < 0, np.nan, expected.stats)
    np.testing.assert_allclose(astuple(mean_metrics(mine)), wanted, rtol=0, atol=1e-9)
    assert 0.05 < mean_metrics(mine).ap < 0.95
    for index, one in enumerate(mine):
        precision = expected.eval["precision"][:, :, index]
        recall = expected.eval["recall"][:, index]
        per_class = [
            mean_over_known(precision[:, :, 0, 2]),
            mean_over_known(precision[0, :, 0, 2]),
            mean_over_known(precision[5, :, 0, 2]),
            *(mean_over_known(precision[:, :, size, 2]) for size in (1, 2, 3)),
            *(mean_over_known(recall[:, 0, most]) for most in (0, 1, 2)),
            *(mean_over_known(recall[:, size, 2]) for size in (1, 2, 3)),
        ]
        np.testing.assert_allclose(astuple(one.metrics), per_class, rtol=0, atol=1e-9)


def test_a_class_without_objects_has_no_metrics_and_does_not_count():
    found, real = random_case(1, 25)
    mine = coco_metrics(found, real, CLASSES, threshold=0.5)
    assert mine[3].objects == 0
    assert np.isnan(astuple(mine[3].metrics)).all()
    alone = coco_metrics(found, real, CLASSES[:3], threshold=0.5)
    assert astuple(mean_metrics(mine)) == astuple(mean_metrics(alone))


def test_nothing_found_is_zero_and_nothing_to_find_is_no_number():
    empty = Detections.from_rows(np.zeros((0, 6), np.float32))
    _, real = random_case(1, 25)
    mine = mean_metrics(coco_metrics([empty] * IMAGES, real, CLASSES, threshold=0.5))
    assert set(astuple(mine)) == {0.0}
    nothing = [real[0].where(real[0].class_ids == 7)] * IMAGES
    none = mean_metrics(coco_metrics([empty] * IMAGES, nothing, ("car",), 0.5))
    assert np.isnan(astuple(none)).all()


def f1(point: OperatingPoint) -> float:
    """Harmonic mean of precision and recall, 0 where nothing right is left."""
    if not point.recall:
        return 0.0
    return 2.0 / (1.0 / point.precision + 1.0 / point.recall)


def test_the_threshold_with_the_best_f1_is_the_one_that_a_search_finds():
    found, real = random_case(5, 25)
    for index, one in enumerate(coco_metrics(found, real, CLASSES[:3], threshold=0.5)):
        tried = [
            f1(coco_metrics(found, real, CLASSES[:3], threshold=value)[index].at_threshold)
            for value in np.arange(0.05, 1.0, 0.1)
        ]
        assert f1(one.best) == pytest.approx(max(tried))
        assert f1(one.best) >= f1(one.at_threshold)
        assert one.best.threshold == pytest.approx(0.05 + 0.1 * int(np.argmax(tried)), abs=1e-6)


def test_sizes_meet_without_a_gap():
    assert SIZES[1][1] == SIZES[2][0] == 32**2
    assert SIZES[2][1] == SIZES[3][0] == 96**2
