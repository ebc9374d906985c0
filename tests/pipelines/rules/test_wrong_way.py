from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pipelines.incident import EndReason, Phase, Severity
from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import GroundCalibration, Line
from tests.pipelines.synthetic import (
    Flaws,
    Thing,
    View,
    World,
    at,
    moment,
    moving,
    of,
    run,
    seconds,
    then,
    times,
)

VIEW = View()
ROAD = ((-4, 9), (4, 9), (4, 40), (-4, 40))
TOWARDS_CAMERA = (VIEW.point(0, 36), VIEW.point(0, 12))
GATE = Line("gate", VIEW.point(-4, 20), VIEW.point(4, 20))
"""Crossed downwards in the image, which is towards the camera."""


def rule(where="zone", calibrated=True, **parameters):
    zone = VIEW.zone(*ROAD, calibrated=calibrated, name="road")
    zones = (replace(zone, direction=TOWARDS_CAMERA),) if where == "zone" else ()
    lines = (replace(GATE, ground=zone.ground),) if where == "line" else ()
    return build_rule(RulePlan("traffic.wrong_way", zones, parameters, lines), "cam-1", "e1")


def away(x=0.0, speed_mps=9.0, start=5.0, label="car"):
    """Drives away from the camera: the wrong way."""
    return Thing(label, moving(x, 8, 0, speed_mps, start=start, end=start + 34 / speed_mps))


def towards(x=0.0, speed_mps=9.0, start=0.0):
    return Thing("car", moving(x, 42, 0, -speed_mps, start=start, end=start + 34 / speed_mps))


STREAM = [towards(x, start=2.0 * k + x) for k in range(12) for x in (-2.0, 2.0)]
places = pytest.mark.parametrize("where", ["zone", "line"])
calibrations = pytest.mark.parametrize("calibrated", [True, False])


@places
@calibrations
@pytest.mark.parametrize("fps", [2.5, 5.0, 12.5])
def test_one_vehicle_against_the_traffic_is_one_incident(where, calibrated, fps):
    steps = run(rule(where, calibrated), World([*STREAM, away()]), 30, fps)
    assert [step.phase for step in steps] == [Phase.STARTED, Phase.ENDED]
    started, ended = (step.incident for step in steps)
    assert started.zone == {"zone": "road", "line": "gate"}[where]
    assert started.severity is Severity.HIGH
    assert [subject.track for subject in started.subjects] == [len(STREAM) + 1]
    assert 5.5 <= seconds(started.opened_at) <= 7.6
    assert seconds(ended.ended_at) == pytest.approx(5 + 34 / 9, abs=2)
    if calibrated:
        assert started.detail == {"vehicles": 1, "speed_mps": pytest.approx(9, abs=1)}
    else:
        assert started.detail == {"vehicles": 1}


def stop_and_go():
    legs = ((4, moving(0, 30, 0, -4)), (12, at(0, 14)), (30, moving(0, 14, 0, -4, start=12)))
    return Thing("car", then(*legs))


def turn_off():
    """Comes from the side, turns through the zone and leaves it on the other side."""
    legs = (
        (3, moving(-14, 15, 4, 0)),
        (4, moving(-2, 15, 3, 3, start=3)),
        (30, moving(1, 18, 4, 0, start=4)),
    )
    return Thing("car", then(*legs))


def back_up():
    legs = ((4, at(0, 18)), (6, moving(0, 18, 0, 3, start=4)), (30, at(0, 24)))
    return Thing("car", then(*legs))


def turn_round():
    """Comes the right way, and turns into the other carriageway."""
    length_s = math.pi * 4 / 5

    def arc(t):
        angle = (t - 6) * 5 / 4
        return -2 + 4 * math.cos(angle), 16 - 4 * math.sin(angle)

    legs = ((6, moving(2, 46, 0, -5)), (6 + length_s, arc))
    back = moving(-6, 16, 0, 5, start=6 + length_s)
    return Thing("car", then(*legs, (40, back)))


def back_up_to_park():
    legs = ((6, moving(0, 60, 0, -5)), (8, at(0, 30)), (12, moving(0, 30, 0, 1.5, start=8)))
    return Thing("car", then(*legs, (40, at(0, 36))))


@places
@calibrations
@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("a U-turn into the other carriageway", [turn_round()]),
        ("a vehicle that backs up by 6 m to park", [back_up_to_park()]),
        ("an empty road", []),
        ("traffic in its direction", STREAM),
        ("fast traffic", [towards(2 * (k % 2), 22, start=k) for k in range(20)]),
        ("standing vehicles", [Thing("car", at(-2 + 4 * (i % 2), 12 + 4 * i)) for i in range(7)]),
        ("stop and go", [stop_and_go()]),
        ("traffic that crosses", [Thing("car", moving(-12, 18 + 3 * k, 8, 0)) for k in range(3)]),
        ("traffic that crosses aslant", [Thing("car", moving(-12, 14.2, 6, 2.9, start=1))]),
        ("a vehicle that turns off", [turn_off()]),
        ("a vehicle that backs into a gap", [back_up()]),
        ("a vehicle that rolls back", [Thing("car", moving(0, 12, 0, 0.5))]),
        ("a person who runs", [away(label="person", speed_mps=4)]),
        ("the other carriageway", [away(x) for x in (-8, 8)]),
    ],
)  # fmt: skip
def test_no_wrong_way(scenario, things, where, calibrated):
    flaws = Flaws(jitter=0.04, recall=0.9, switch_every_s=15, flicker=0.2)
    for seed in (1, 2, 3):
        world = World(things, flaws=replace(flaws, seed=seed))
        assert run(rule(where, calibrated), world, 30) == [], scenario


@places
@calibrations
@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("jitter", Flaws(jitter=0.03)),
        ("misses", Flaws(recall=0.55)),
        ("labels that change", Flaws(flicker=0.5)),
        ("all of it", Flaws(jitter=0.02, recall=0.85, flicker=0.3)),
    ],
)
def test_flaws_neither_hide_a_vehicle_nor_cut_it(scenario, flaws, where, calibrated):
    steps = run(rule(where, calibrated), World([away(speed_mps=7)], flaws=flaws), 30)
    assert [step.phase for step in steps] == [Phase.STARTED, Phase.ENDED], scenario


@places
@calibrations
def test_ids_that_two_vehicles_exchange_are_no_movement(where, calibrated):
    own, world = rule(where, calibrated), World([towards(0), towards(0, start=1.5)])
    for t in times(8):
        tracks = world.tracks(t)
        if len(tracks) == 2 and t >= 3:
            first, second = tracks
            tracks = (first._replace(id=second.id), second._replace(id=first.id))
        assert own.observe(tracks, moment(t)).transitions == ()


def test_boxes_that_shake_far_away_are_no_movement_although_they_move_by_metres():
    zone = VIEW.zone((-4, 9), (4, 9), (4, 150), (-4, 150), name="road")
    small = {"min_distance_m": 2, "min_speed_kmh": 2}
    plan = RulePlan("traffic.wrong_way", (replace(zone, direction=TOWARDS_CAMERA),), small)
    standing = [Thing("truck", at(-3 + 3 * (i % 3), 80 + 10 * i)) for i in range(6)]
    world = World(standing, flaws=Flaws(jitter=0.06))
    assert run(build_rule(plan, "cam-1", "e1"), world, 60) == []


@calibrations
def test_vehicles_close_together_are_one_incident_and_the_next_waits_for_the_cool_down(calibrated):
    things = [away(start=5), away(2, start=8), away(start=25), away(start=60)]
    steps = run(rule(calibrated=calibrated, cooldown_s=30), World(things), 80)
    assert [round(seconds(s.incident.opened_at), -1) for s in of(steps, Phase.STARTED)] == [10, 60]
    assert len(of(steps, Phase.ENDED)) == 2


@places
def test_without_calibration_shares_of_the_image_are_the_thresholds(where):
    world = [away(speed_mps=9)]
    assert run(rule(where, False, min_distance_share=0.6), World(world), 30) == []
    assert run(rule(where, False, min_speed_share=0.6), World(world), 30) == []
    assert len(of(run(rule(where, False, min_speed_share=0.1), World(world), 30), Phase.STARTED))


@places
def test_metres_and_kilometres_per_hour_are_the_thresholds(where):
    world = [away(speed_mps=9)]
    assert run(rule(where, min_speed_kmh=40), World(world), 30) == []
    assert run(rule(where, min_distance_m=33), World(world), 30) == []
    assert len(of(run(rule(where, min_speed_kmh=28), World(world), 30), Phase.STARTED)) == 1


def test_the_labels_say_who_is_watched_and_how_severe_it_is():
    things = [away(label="bus"), away(2, speed_mps=4, label="person")]
    (bus, _) = run(rule(labels=["Bus", "truck"]), World(things), 30)
    assert [subject.label for subject in bus.incident.subjects] == ["bus"]
    (person, *_) = run(rule(labels=["person"]), World(things), 30)
    assert person.incident.severity is Severity.MEDIUM


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_line_is_crossed_from_its_left_to_its_right_whatever_way_metres_are_counted(
    swapped, mirrored
):
    calibration = VIEW.calibration()
    metres = tuple((-x if mirrored else x, y) for x, y in calibration.metres)
    ends = (GATE.end, GATE.start) if swapped else (GATE.start, GATE.end)
    line = Line("gate", *ends, GroundCalibration(calibration.image, metres))
    own = build_rule(RulePlan("traffic.wrong_way", (), {}, (line,)), "cam-1", "e1")
    world = World([Thing("bus", towards(start=5).path), Thing("car", away(start=5).path)])
    (started, _) = run(own, world, 30)
    assert started.incident.subjects[0].label == ("bus" if swapped else "car")


def test_close_ends_the_incident():
    own = rule()
    (started,) = run(own, World([away(start=0, speed_mps=6)]), 5)
    (ended,) = own.close(EndReason.SHUTDOWN, moment(5)).transitions
    assert ended.incident.id == started.incident.id
    assert ended.incident.end_reason is EndReason.SHUTDOWN


@calibrations
def test_whoever_asks_is_told_speed_and_distance_against_the_direction(calibrated):
    own = rule(calibrated=calibrated)
    world = World([away(start=0, speed_mps=6)])
    run(own, world, 1.8)
    (early,) = own.explain(moment(1.6))
    assert [one.name for one in early.conditions] == ["speed_against", "distance_against"]
    speed, distance = early.conditions
    if calibrated:
        assert (speed.value, speed.unit) == (pytest.approx(6, rel=0.1), "m/s")
        assert (distance.limit, distance.unit) == (8.0, "m")
        assert 0 < distance.value < 8
    else:
        assert (speed.unit, distance.unit) == ("1/s", "1")
    assert early.holds is (not calibrated), "6 m/s is enough of the image by then"
    (none,) = rule().explain(moment(0))
    assert none.holds is None
    still = rule(calibrated=calibrated)
    run(still, World([towards()]), 2)
    (said,) = still.explain(moment(2))
    assert said.note == "no vehicle drives against the direction"
    assert [one.holds for one in said.conditions] == [None, None]
