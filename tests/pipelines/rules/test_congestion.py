"""A jam is told from a red light, parked cars and dense traffic, whatever was there at first."""

from __future__ import annotations

import json

import pytest

from models.detections import Box
from pipelines.incident import Phase, Severity
from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.rules.roads import (
    ROAD,
    drive,
    parked_row,
    queue,
    red_lights,
    stream,
    watch,
)
from tests.pipelines.synthetic import Flaws, Thing, View, World, moment, of, seconds, times

VIEW = View()
WIDE = ((-8, 9), (8, 9), (8, 60), (-8, 60))
FLAWS = Flaws(jitter=0.03, recall=0.85, switch_every_s=40)


def rule(calibrated=True, corners=ROAD, **parameters):
    zone = VIEW.zone(*corners, calibrated=calibrated, name="approach")
    return build_rule(RulePlan("traffic.congestion", (zone,), parameters), "cam-1", "e1")


def started(things, until_s, fps=2.0, **kw):
    return of(watch(rule(**kw), things, until_s, fps).transitions, Phase.STARTED)


@pytest.mark.parametrize(
    ("calibrated", "fps", "flaws"),
    [(True, 4.0, Flaws()), (False, 2.0, FLAWS), (True, 1.0, FLAWS), (False, 0.5, Flaws())],
)
def test_a_red_light_of_90_s_is_none_in_any_cycle(calibrated, fps, flaws):
    world = World(red_lights(3), flaws=flaws)
    assert watch(rule(calibrated), world, 340, fps).transitions == ()


@pytest.mark.parametrize(
    ("calibrated", "fps", "flaws"),
    [(True, 4.0, Flaws()), (False, 2.0, FLAWS), (True, 1.0, FLAWS), (False, 0.25, Flaws())],
)
def test_a_queue_that_does_not_discharge_is_one_from_its_begin_to_its_end(calibrated, fps, flaws):
    world = World(queue(6, begins_s=20, green_s=230, every_s=3), flaws=flaws)
    steps = watch(rule(calibrated), world, 290, fps).transitions
    begun, ended = steps[0], steps[-1]
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [
        Phase.STARTED,
        Phase.ENDED,
    ]
    assert seconds(begun.incident.opened_at) == pytest.approx(28, abs=8)
    assert seconds(begun.incident.updated_at) == pytest.approx(148, abs=12)
    assert seconds(ended.incident.ended_at) == pytest.approx(240, abs=12)
    assert begun.incident.detail["vehicles"] == pytest.approx(12, abs=3)


def test_two_roads_that_wait_in_turn_are_none_although_somebody_always_waits():
    def main(cycle):
        return queue(5, cycle * 120 + 3, cycle * 120 + 60, every_s=2, lanes=(-4.0, -2.0))

    def other(cycle):
        return queue(5, cycle * 120 + 63, cycle * 120 + 120, every_s=2, lanes=(2.0, 4.0))

    things = [thing for cycle in range(3) for thing in (*main(cycle), *other(cycle))]
    assert started(things, 360, corners=WIDE) == []


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_jam_that_creeps_from_the_very_start_is_found_by_speed_and_not_by_discharge(calibrated):
    creeping = stream(0.8, 9.0, 0, 150)
    (step,) = started(creeping, 140, calibrated=calibrated)
    assert seconds(step.incident.opened_at) < 15
    assert started(creeping, 140, calibrated=calibrated, evidence="discharge") == []
    assert len(started(creeping, 140, calibrated=calibrated, evidence="speed")) == 1


@pytest.mark.parametrize("calibrated", [True, False])
def test_slow_is_a_share_of_the_free_flow_that_was_learned(calibrated):
    slow = stream(3.0, 12.0, 85, 230)
    things = [*stream(14.0, 30.0, 0, 80), *slow]
    assert len(started(things, 225, calibrated=calibrated)) == 1
    assert len(started(things, 225, calibrated=calibrated, evidence="free_flow")) == 1
    if calibrated:
        assert started(things, 225, evidence="speed") == []
    # Where traffic was never faster, that is how it flows there.
    assert started(stream(5.5, 12.0, 0, 180), 180, calibrated=calibrated) == []


def test_without_learned_free_flow_nothing_is_known_of_it():
    own = rule(evidence="free_flow")
    assert watch(own, queue(6, 5, 999, every_s=2), 150).transitions == ()
    (said,) = own.explain(moment(150))
    assert said.holds is None


@pytest.mark.parametrize("passing", [[], stream(9.0, 40.0, 0, 300)])
def test_what_stood_there_before_anybody_watched_is_no_traffic(passing):
    things = [*parked_row(8), *passing]
    assert started(things, 300, corners=WIDE) == []


def test_a_queue_at_a_light_beside_a_parked_row_is_none():
    assert started([*parked_row(7), *red_lights(2)], 240, corners=WIDE) == []


def test_cars_that_park_one_after_the_other_are_none():
    parking = [
        Thing("car", drive(5.5, 46 - 6 * number, 30 + 60 * number, 9999)) for number in range(7)
    ]
    passing = stream(9.0, 90.0, 0, 500)
    assert started([*parking, *passing], 500, corners=WIDE) == []


def test_a_jam_that_was_there_at_start_is_found_when_others_queue_behind_it():
    there = queue(3, begins_s=-60, green_s=999)
    behind = queue(2, begins_s=15, green_s=999, every_s=10, first_y=33)
    (step,) = started([*there, *behind], 170)
    assert step.incident.detail["vehicles"] == 10
    assert started(there, 170) == []


def test_a_jam_with_lights_of_which_two_pass_in_every_green_is_one():
    things = queue(6, begins_s=10, green_s=900, every_s=3)
    passing = [
        Thing("car", drive(x, 5.5, 90.0 * cycle + 40, 90.0 * cycle + 40))
        for cycle in range(4)
        for x in (0.0,)
    ]
    steps = watch(rule(), [*things, *passing], 360).transitions
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [Phase.STARTED]


def test_after_a_jam_the_lights_are_none_again():
    jam = queue(6, begins_s=5, green_s=170, every_s=3)
    lights = [
        thing for cycle in range(2) for thing in queue(5, 210 + 120 * cycle, 297 + 120 * cycle)
    ]
    steps = watch(rule(), [*jam, *lights], 440).transitions
    phases = [step.phase for step in steps if step.phase is not Phase.UPDATED]
    assert phases == [Phase.STARTED, Phase.ENDED]
    assert seconds(steps[-1].incident.ended_at) < 200


def test_a_green_that_nobody_watched_may_have_been_one():
    own = rule()
    first = watch(own, red_lights(3), 85)
    later = watch(own, red_lights(3), 210, start_s=125)
    assert first.transitions == later.transitions == ()


def test_one_vehicle_with_two_boxes_counts_once():
    own = rule(confirm_s=10)
    world = World(queue(3, begins_s=2, green_s=99, every_s=1))
    steps = []
    for t in times(30, 2.0):
        tracks = world.tracks(t)
        doubles = [replace_box(track, 1000 + track.id) for track in tracks if track.box.y2 < 0.95]
        steps += own.observe((*tracks, *doubles), moment(t)).transitions
    (step,) = of(steps, Phase.STARTED)
    assert step.incident.detail["vehicles"] == 6


def replace_box(track, number):
    x1, y1, x2, y2 = track.box
    inset_x, inset_y = 0.05 * (x2 - x1), 0.1 * (y2 - y1)
    inner = Box(x1 + inset_x, y1 + inset_y, x2 - inset_x, y2)
    return track._replace(id=number, label="truck", box=inner, score=0.5)


def test_severity_grows_with_the_length_of_the_queue_and_with_time():
    short = started(queue(3, 5, 999, every_s=2), 150, calibrated=False)
    long = started(queue(6, 5, 999, every_s=2), 150, calibrated=False, min_vehicles=4)
    assert short[0].incident.severity is Severity.LOW
    assert long[0].incident.severity is Severity.HIGH
    steps = watch(rule(), queue(3, 5, 9999, every_s=2), 1000, fps=0.5).transitions
    assert steps[-1].incident.severity is Severity.HIGH


def test_the_length_of_the_queue_is_in_metres_where_the_camera_is_calibrated():
    (step,) = started(queue(6, 5, 999, every_s=2), 150)
    # Five gaps of 7 m and the length of a car.
    assert step.incident.detail["queue_m"] == pytest.approx(40, abs=4)


def test_what_the_place_has_learned_survives_a_restart():
    road = [*parked_row(7, x=3.0), *stream(14.0, 30.0, 0, 100, lanes=(-2.0,))]
    first = rule(corners=WIDE)
    watch(first, road, 100)
    kept = json.loads(json.dumps(first.remember(moment(100))))
    # Slow for a place where 14 m/s are normal, and three vehicles more than the parked ones.
    later = [*parked_row(7, x=3.0), *stream(3.0, 25.0, 130, 400, lanes=(-2.0,))]
    knowing, forgetful = rule(corners=WIDE, min_vehicles=2), rule(corners=WIDE, min_vehicles=2)
    knowing.recall(kept, 20.0, moment(130))
    steps = watch(knowing, later, 300, start_s=130).transitions
    assert steps[0].incident.detail["vehicles"] <= 4
    assert watch(forgetful, later, 300, start_s=130).transitions == ()


@pytest.mark.parametrize("broken", [{}, {"spots": [[1, 2]], "free_flow": {}}, {"spots": 3}])
def test_a_memory_that_means_nothing_is_left_out(broken):
    own = rule()
    (place,) = own.remember(moment(0))
    own.recall({place: broken}, 5.0, moment(0))
    assert len(of(watch(own, queue(6, 5, 999, every_s=2), 150).transitions, Phase.STARTED)) == 1


def test_why_there_is_none_names_what_was_compared():
    own = rule()
    watch(own, red_lights(1), 60)
    (said,) = own.explain(moment(60))
    by_name = {one.name: one for one in said.conditions}
    assert by_name["vehicles"].holds
    assert 30 < by_name["slow_for"].value < 60
    assert by_name["slow_for"].limit == pytest.approx(118)
    assert said.holds is False
    assert said.note == "slow is below 1.5 m/s"
