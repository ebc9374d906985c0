"""What is known of free flow follows what was learned and recalled, whenever it was asked for."""

from __future__ import annotations

import pytest

from pipelines.rules.free_flow import MIN_SAMPLES, STEP, FreeFlow

COURSE = (0, 0)


def learned(speed: float) -> FreeFlow:
    flow = FreeFlow(calibrated=True)
    for _ in range(MIN_SAMPLES):
        flow.learn(COURSE, speed)
    return flow


def test_what_is_learned_counts_at_once() -> None:
    flow = FreeFlow(calibrated=True)
    for _ in range(MIN_SAMPLES - 1):
        flow.learn(COURSE, 10.0)
        assert flow.at(COURSE) is None
    flow.learn(COURSE, 10.0)
    assert flow.at(COURSE) == pytest.approx(10.0, rel=STEP - 1)
    for _ in range(3 * MIN_SAMPLES):
        flow.learn(COURSE, 30.0)
    assert flow.at(COURSE) == pytest.approx(30.0, rel=STEP - 1)


def test_what_is_recalled_takes_the_place_of_what_was_answered() -> None:
    flow = learned(10.0)
    assert flow.at(COURSE) == pytest.approx(10.0, rel=STEP - 1)
    flow.recall(learned(30.0).remember())
    assert flow.at(COURSE) == pytest.approx(30.0, rel=STEP - 1)
    flow.recall({})
    assert flow.at(COURSE) is None


def test_a_vehicle_that_stands_takes_over_from_another_way() -> None:
    flow = FreeFlow(calibrated=False)
    for _ in range(MIN_SAMPLES):
        flow.learn((4, 0), 2.0)
    assert flow.at((4, 2)) is None
    assert flow.at((4, 2), any_way=True) == pytest.approx(2.0, rel=STEP - 1)
    assert flow.at((4, 2)) is None
