"""Suggested thresholds: near the best there is, only where images say so, and said how certain."""

from __future__ import annotations

import numpy as np
import pytest

from model_tools.evaluation.suggestion import LEAST_OBJECTS, suggest_thresholds
from model_tools.evaluation.truth import GroundTruth
from models.detections import Detections

LABELS = ("car", "tram")
CAR = 0


def street(images: int, cars: int, seed: int = 1, wrong_below: float = 0.5):
    """Cars that score from 0.3 to 0.9, and as many wrong boxes that score up to `wrong_below`."""
    rng = np.random.default_rng(seed)
    found, real = [], []
    for _ in range(images):
        left = 20.0 * np.arange(2 * cars)
        boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)
        scores = np.concatenate([rng.uniform(0.3, 0.9, cars), rng.uniform(0.0, wrong_below, cars)])
        order = np.argsort(-scores)
        found.append(
            Detections(
                boxes[order].astype(np.float32),
                scores[order].astype(np.float32),
                np.full(2 * cars, CAR, np.int64),
            )
        )
        real.append(GroundTruth.of(boxes[:cars], np.full(cars, CAR, np.int64)))
    return found, real


def suggested(data, present=0.7, precision=None, label=CAR):
    (one,) = suggest_thresholds(*data, LABELS, (present, present), (label,), precision)
    return one


def test_the_suggestion_is_near_the_best_threshold_that_there_is():
    # Right ones are as dense as wrong ones between 0.3 and 0.5: F1 is best at about 0.37.
    one = suggested(street(40, 5))
    assert one.reason == ""
    assert 0.3 <= one.suggested.threshold <= 0.45
    assert one.least <= one.suggested.threshold <= one.greatest
    assert one.suggested.f1 > one.present.f1 + 0.2
    assert one.gain == pytest.approx(one.suggested.f1 - one.present.f1, abs=0.05)
    assert one.better > 0.95
    assert (one.objects, one.images) == (200, 40)
    assert suggested(street(40, 5)) == one, "the same images, the same words"


def test_what_is_best_already_stays():
    for seed in range(3):
        best = suggested(street(40, 5, seed)).suggested.threshold
        one = suggested(street(40, 5, seed), best)
        assert "of the resamples, on images that were not drawn" in one.reason
        assert np.isnan(one.suggested.threshold)


@pytest.mark.parametrize(("images", "cars"), [(8, 3), (7, 10), (1, 100)])
def test_with_few_objects_or_few_images_nothing_is_suggested(images, cars):
    one = suggested(street(images, cars))
    assert one.reason.startswith(f"too few: {images * cars} objects on {images} images, ")
    assert str(LEAST_OBJECTS) in one.reason
    assert np.isnan(one.suggested.threshold)
    assert one.present.recall > 0, "what it does at present is said all the same"


def test_a_class_that_never_occurs_is_told_apart():
    one = suggested(street(40, 5), label=1)
    assert one.reason.startswith("too few: 0 objects on 0 images")


def test_a_wanted_precision_is_reached_at_the_least_threshold():
    one = suggested(street(60, 5), precision=0.9)
    assert one.reason == ""
    assert one.suggested.precision >= 0.9
    assert 0.4 < one.suggested.threshold < 0.5
    assert one.suggested.threshold > suggested(street(60, 5)).suggested.threshold


def test_a_precision_that_no_threshold_reaches_is_said_to_be_so():
    one = suggested(street(40, 5, wrong_below=1.0), precision=0.95)
    assert one.reason == "no threshold reaches a precision of 0.95"
    assert np.isnan(one.suggested.threshold)
