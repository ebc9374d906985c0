"""How far two models agree: over boxes of one frame, and over incidents in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from camera_adapters.geometry import Size
from models.detections import Detections
from pipelines.plan import ModelRef
from pipelines.shadow.agreement import (
    BoxAgreement,
    IncidentNote,
    ModelDetections,
    box_agreement,
    in_one_only,
)

FIRST = ModelRef("street", "1", Size(64, 48), ("person", "car"), 0.4)
SECOND = ModelRef("street", "2", Size(96, 64), ("Car", "bin bag", "person"), 0.5)
HERE, NEAR, FAR = (0.1, 0.1, 0.3, 0.3), (0.11, 0.1, 0.31, 0.3), (0.6, 0.6, 0.8, 0.8)
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def seen(model: ModelRef, *objects: tuple[tuple[float, ...], float, int]) -> ModelDetections:
    boxes = np.array([box for box, _, _ in objects], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in objects], np.float32)
    class_ids = np.array([c for _, _, c in objects], np.int64)
    return ModelDetections(model, Detections(boxes, scores, class_ids))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        # The same car, numbered and spelled differently.
        ([(HERE, 0.9, 1)], [(NEAR, 0.8, 0)], {"both": 1}),
        # The same place under another name is no agreement.
        ([(HERE, 0.9, 0)], [(HERE, 0.9, 0)], {"only_first": 1, "only_second": 1}),
        ([(HERE, 0.9, 1)], [(FAR, 0.8, 0)], {"only_first": 1, "only_second": 1}),
        # Each below its own threshold: 0.45 counts for the first, not for the second.
        ([(HERE, 0.45, 1)], [(HERE, 0.45, 0)], {"low_confidence_second": 1}),
        ([(HERE, 0.35, 1)], [(HERE, 0.8, 0)], {"low_confidence_first": 1}),
        ([(HERE, 0.35, 1)], [(HERE, 0.4, 0)], {}),
        ([(FAR, 0.35, 1)], [], {}),
        ([], [(HERE, 0.9, 0)], {"only_second": 1}),
        # Two of one model for one of the other: one has no partner.
        ([(HERE, 0.9, 1), (NEAR, 0.9, 1)], [(HERE, 0.9, 0)], {"both": 1, "only_first": 1}),
    ],
)
def test_boxes(first, second, wanted):
    found = box_agreement(seen(FIRST, *first), seen(SECOND, *second))
    counted = ("both", "low_confidence_first", "low_confidence_second", "only_first", "only_second")
    assert {name: getattr(found, name) for name in counted if getattr(found, name)} == wanted
    assert found.frames == 1
    assert found.disputed == ("only_first" in wanted or "only_second" in wanted)


def test_a_box_of_low_confidence_takes_no_partner_from_a_confident_one():
    first = seen(FIRST, (HERE, 0.35, 1), (NEAR, 0.9, 1))
    second = seen(SECOND, (HERE, 0.45, 0))
    found = box_agreement(first, second)
    assert (found.low_confidence_second, found.only_first) == (1, 0)


def test_agreements_add_up():
    one = box_agreement(seen(FIRST, (HERE, 0.9, 1)), seen(SECOND, (HERE, 0.8, 0)))
    two = box_agreement(seen(FIRST, (HERE, 0.9, 1)), seen(SECOND))
    total = sum([one, two], BoxAgreement())
    assert (total.frames, total.both, total.only_first) == (2, 1, 1)
    assert total.share == 0.5
    assert total.score_sum == pytest.approx(-0.1, abs=1e-6)
    assert total.iou_sum == pytest.approx(1.0, abs=1e-6)
    assert BoxAgreement().share is None


def note(side, name, begin_s, end_s, kind="crowding.density", zone="square", camera="gate"):
    ended = None if end_s is None else START + timedelta(seconds=end_s)
    return IncidentNote(
        side, name, camera, kind, zone, "low", START + timedelta(seconds=begin_s), ended
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (note("second", "b", 8, 50), True),
        (note("second", "b", 50, 70), True),  # within the slack after the end
        (note("second", "b", 60, 70), False),
        (note("second", "b", 20, None), True),
        (note("second", "b", 8, 50, zone="gate"), False),
        (note("second", "b", 8, 50, kind="traffic.congestion"), False),
        (note("second", "b", 8, 50, camera="yard"), False),
    ],
)
def test_incidents_are_the_same_if_they_meet(other, same):
    notes = (note("first", "a", 0, 40), other)
    assert in_one_only(notes) == (() if same else notes)


def test_two_of_one_side_do_not_vouch_for_each_other():
    notes = (note("first", "a", 0, 40), note("first", "b", 10, 30))
    assert in_one_only(notes) == notes
