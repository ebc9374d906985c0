"""Whether something is still seen at its place: what real rules make of it, or why nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.detections import Detections
from pipelines.place_check import FRESH_S, PlaceCheck, place_check
from pipelines.rules.rule import Rule
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.frames import make_frame
from tests.pipelines.rules.test_rule_type import MODEL, ROUTES, WHOLE_ZONE, Recorder, pipeline
from tests.pipelines.rules.test_stopped_vehicle import rule, stop
from tests.pipelines.synthetic import World, moment, times


def checked(own: Rule, world: World, until_s: float, place: str = "road") -> PlaceCheck:
    """The check after the world has run so far."""
    for t in times(until_s, 5.0):
        own.observe(world.tracks(t), moment(t))
    at = moment(until_s)
    return place_check([own.account(at)], place, at, "", at.mono_s)


@pytest.mark.parametrize(
    ("until_s", "holds", "count"), [(5.0, False, 0), (120.0, True, 1), (190.0, False, 0)]
)
def test_a_vehicle_that_stands_is_seen_until_it_drives_on(
    until_s: float, holds: bool, count: int
) -> None:
    world = World([stop(0, 20, 10, 150)])
    found = checked(rule(), world, until_s)
    assert (found.holds, found.situations, found.reason) == (holds, count, "")
    assert found.at == moment(until_s).utc


def test_another_place_is_another_matter() -> None:
    assert checked(rule(), World([stop(0, 20, 10)]), 120.0, "pavement").holds is False


def test_what_cannot_be_known_is_no_answer() -> None:
    own, at = rule(), moment(100.0)
    for t in times(100.0, 5.0):
        own.observe(World([stop(0, 20, 10)]).tracks(t), moment(t))
    said = [own.account(at)]
    now_s = at.mono_s
    for reason, found in {
        "no frame has been": place_check(said, "road", None, "", now_s),
        "no rule": place_check([], "road", at, "", now_s),
        "covered": place_check(said, "road", at, "covered", now_s),
        "no frame for 61 s": place_check(said, "road", at, "", now_s + FRESH_S + 1),
        "not armed": place_check([replace(said[0], armed=False)], "road", at, "", now_s),
    }.items():
        assert found.holds is None
        assert reason in found.reason


def test_a_pipeline_answers_for_its_own_rules(tmp_path: Path) -> None:
    plan = RulePlan("traffic.stopped_vehicle", (WHOLE_ZONE,), {})
    own = pipeline(plan, Recorder(), tmp_path)
    asked = ("traffic.stopped_vehicle", "whole", 100.0)
    assert own.check_place(*asked) == PlaceCheck(None, reason="no frame has been analysed yet")
    frame = make_frame(at_s=100.0)
    nothing = Detections.from_rows(np.zeros((0, 6), np.float32))
    own.process_frame(frame, ROUTES, {MODEL: nothing}, 100.0)
    assert own.check_place(*asked) == PlaceCheck(False, frame.captured_at)
    assert own.check_place("crowding.density", "whole", 100.0).reason.startswith("no rule")
