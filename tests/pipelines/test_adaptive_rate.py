"""A scene in which nothing happens is analysed less often, one in which a line is crossed more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from camera_adapters.frame import Luma
from models.detections import Box
from pipelines.adaptive_rate import IDLE_AFTER_S, AdaptiveRates, distances, edges_of
from pipelines.plan import AdaptiveFps, CameraPlan
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Line, Zone
from pipelines.track import Track
from tests.pipelines.test_batcher import TRAFFIC, plan
from tests.pipelines.test_motion_gate import frame, street, with_thing

IDLE, USUAL, NEAR = 1.0, 5.0, 10.0
LINE = Line("exit", (0.1, 0.8), (0.9, 0.8))
WHOLE = Zone("picture", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
LANE = Zone("lane", ((0.3, 0.4), (0.7, 0.4), (0.9, 1.0), (0.1, 1.0)))


def camera(
    adaptive: AdaptiveFps, *, zones: Sequence[Zone] = (WHOLE,), lines: Sequence[Line] = (LINE,)
) -> CameraPlan:
    rule = RulePlan("traffic.line_count", tuple(zones), {}, tuple(lines))
    usual = plan("gate", {"traffic": TRAFFIC})
    (task,) = usual.tasks
    return replace(usual, tasks=(replace(task, rules=(rule,), adaptive=adaptive),))


class Scene:
    """A camera's rates while frames come at the rate that was asked for last."""

    def __init__(self, adaptive: AdaptiveFps, **places: Sequence[Zone] | Sequence[Line]) -> None:
        self._plan = camera(adaptive, **places)  # type: ignore[arg-type]
        self._rates = AdaptiveRates(self._plan)
        self.at_s = 0.0

    def show(self, luma: Luma, *tracks: Track) -> float:
        """The rate after one more frame."""
        self.at_s += 1 / self._rates.rates["traffic"]
        shown = frame(self.at_s, luma)
        return self._rates.note(shown, self._plan.routes, {TRAFFIC: tracks})["traffic"]

    def until(self, luma: Luma, at_s: float) -> float:
        """The rate after frames of an empty scene."""
        rate = 0.0
        while self.at_s < at_s:
            rate = self.show(luma)
        return rate


def car(y: float, x: float = 0.5, number: int = 1) -> Track:
    """Its foot is at (x, y)."""
    return Track(number, "car", Box(x - 0.05, y - 0.1, x + 0.05, y), 0.9, 0.0, 0.0)


def test_an_empty_scene_slows_down_after_a_while() -> None:
    scene = Scene(AdaptiveFps(idle=IDLE))
    assert scene.until(street(), IDLE_AFTER_S) == USUAL
    assert scene.until(street(), IDLE_AFTER_S + 2.5) == IDLE


@pytest.mark.parametrize("what", ["a track", "a movement"])
def test_the_first_frame_with_something_ends_it(what: str) -> None:
    scene = Scene(AdaptiveFps(idle=IDLE))
    assert scene.until(street(), 15.0) == IDLE
    rate = (
        scene.show(street(), car(0.5))
        if what == "a track"
        else scene.show(with_thing(street(), 90))
    )
    assert rate == USUAL
    assert scene.until(street(), scene.at_s + IDLE_AFTER_S - 0.3) == USUAL
    assert scene.until(street(), scene.at_s + 3.0) == IDLE


def test_who_stands_still_keeps_the_usual_rate() -> None:
    scene = Scene(AdaptiveFps(idle=IDLE))
    assert {scene.show(street(), car(0.5)) for _ in range(200)} == {USUAL}


def test_what_moves_slowly_adds_up() -> None:
    """From frame to frame it changes by less than counts."""
    scene = Scene(AdaptiveFps(idle=IDLE))
    rates = [scene.show(with_thing(street(), 100, 3, 6, round(k / 4))) for k in range(400)]
    assert rates[60:200].count(USUAL) > 50


def test_what_moves_in_a_mask_is_no_movement() -> None:
    clock = Zone("clock", ((0.25, 0.4), (0.35, 0.4), (0.35, 0.6), (0.25, 0.6)))
    masked = replace(camera(AdaptiveFps(idle=IDLE)), masks=(clock,))
    for plan_, expected in ((masked, IDLE), (camera(AdaptiveFps(idle=IDLE)), USUAL)):
        rates = AdaptiveRates(plan_)
        for k in range(80):
            shown = frame(k / 5, with_thing(street(), 88 + k % 3 * 8))
            rates.note(shown, plan_.routes, {TRAFFIC: ()})
        assert rates.rates["traffic"] == expected


def test_who_comes_near_a_line_is_analysed_more_often_until_it_has_left_it() -> None:
    scene = Scene(AdaptiveFps(near=NEAR))
    rates = {}
    for _ in range(100):
        y = 0.2 + 0.1 * scene.at_s
        rates[round(y, 2)] = scene.show(street(), car(y))
    fast = [y for y, rate in rates.items() if rate == NEAR]
    assert min(fast) == pytest.approx(0.7, abs=0.03), "a second before the line at 0.8"
    assert max(fast) == pytest.approx(0.9, abs=0.03), "and a second behind it"
    assert set(rates.values()) == {USUAL, NEAR}


def test_who_stands_on_a_line_is_not_near_it() -> None:
    scene = Scene(AdaptiveFps(near=NEAR))
    trembling = np.random.default_rng(1).normal(0.8, 0.001, 50)
    assert {scene.show(street(), car(float(y))) for y in trembling} == {USUAL}


def test_edges_of_zones_count_within_the_image_only() -> None:
    rule = RulePlan("traffic.congestion", (LANE, WHOLE), {}, (LINE,))
    edges = edges_of([rule, rule])
    assert len(edges) == 1 + 3, "the line, and three sides of the lane"
    points = np.array([[0.5, 0.8], [0.5, 0.3], [0.5, 1.0]])
    assert distances(points, edges) == pytest.approx([0.0, 0.1, 0.2])


def test_a_task_that_was_not_due_or_failed_keeps_its_rate() -> None:
    one = camera(AdaptiveFps(idle=IDLE))
    rates = AdaptiveRates(one)
    for k in range(80):
        rates.note(frame(k / 5, street()), one.routes, {})
    assert rates.rates == {"traffic": USUAL}
