from __future__ import annotations

import json

import pytest

from pipelines.incident import EndReason, Phase, Severity
from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.synthetic import (
    SIZES,
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
TRUTH = Flaws()
FLAWS = Flaws(jitter=0.03, recall=0.8, switch_every_s=4)


def rule(**parameters):
    zone = VIEW.zone(*ROAD, name="carriageway")
    return build_rule(RulePlan("traffic.carriageway_intrusion", (zone,), parameters), "cam-1", "e1")


def walk(label="person", x=-10.0, speed_mps=1.4):
    """Crosses the carriageway at 15 m; it is on it from 4.3 to 10 s at walking speed."""
    return Thing(label, moving(x, 15, speed_mps, 0))


@pytest.mark.parametrize("fps", [12.0, 5.0, 1.0])
@pytest.mark.parametrize("flaws", [TRUTH, FLAWS], ids=["truth", "flaws"])
def test_somebody_on_the_carriageway_is_one_incident(fps, flaws):
    cars = [Thing("car", moving(2, -4, 0, 12, start=3 * k, end=3 * k + 5)) for k in range(10)]
    stays = Thing("person", at(-2, 20, start=5, end=25))
    steps = run(rule(), World([stays, *cars], flaws=flaws), 60, fps)
    started, ended = (of(steps, phase)[0].incident for phase in (Phase.STARTED, Phase.ENDED))
    assert len([step for step in steps if step.phase is not Phase.UPDATED]) == 2
    assert seconds(started.opened_at) == pytest.approx(5, abs=2.5)
    assert seconds(started.updated_at) <= 10
    assert seconds(ended.ended_at) == pytest.approx(25, abs=3)
    assert started.severity is Severity.HIGH
    assert started.detail == {"persons": 1, "others": 0}


@pytest.mark.parametrize(
    ("scenario", "things", "parameters"),
    [
        ("traffic", [Thing("car", moving(0, 5, 0, 8))], {}),
        ("somebody on the pavement", [Thing("person", moving(5.5, 9, 0, 1.4))], {}),
        ("one step onto it", [Thing("person", at(3.8, 15, start=5, end=6))], {}),
        ("who crosses in time", [walk()], {"crossing_s": 8}),
        ("groups that cross", [walk(x=-10 - 1.2 * k) for k in range(12)], {"crossing_s": 8}),
        ("a cycle that may be there", [walk("bicycle", speed_mps=3)], {"labels": ["person"]}),
        ("motorcycles", [Thing("motorcycle", moving(0, 5, 0, 8))], {}),
    ],
)
def test_no_intrusion(scenario, things, parameters, monkeypatch):
    monkeypatch.setitem(SIZES, "motorcycle", (0.8, 2.0, 1.5))
    monkeypatch.setitem(SIZES, "bicycle", (0.6, 1.8, 1.2))
    assert run(rule(**parameters), World(things), 40) == [], scenario


def test_who_takes_too_long_to_cross_counts_even_if_their_track_id_changes():
    flaws = Flaws(switch_every_s=1.5)
    slow = [walk(speed_mps=0.5)]
    (started,) = of(run(rule(crossing_s=8), World(slow, flaws=flaws), 40), Phase.STARTED)
    assert seconds(started.incident.opened_at) == pytest.approx(12 + 8, abs=1.5)


@pytest.mark.parametrize("seen_share", [1.0, 0.3])
def test_a_cycle_counts_once_and_its_rider_stands_for_it_where_it_is_missed(
    seen_share, monkeypatch
):
    monkeypatch.setitem(SIZES, "bicycle", (0.6, 1.8, 1.2))
    world = World([walk("bicycle", speed_mps=2), walk(speed_mps=2)])
    own, alone, steps = rule(), rule(labels=["person"]), []
    for index, t in enumerate(times(30)):
        tracks = world.tracks(t)
        if len(tracks) == 2:
            cycle, rider = tracks
            rider = rider._replace(rides=cycle.id)
            tracks = (cycle, rider) if index % 10 < 10 * seen_share else (rider,)
        steps += own.observe(tracks, moment(t)).transitions
        assert alone.observe(tracks, moment(t)).transitions == ()
    (started,), (ended,) = of(steps, Phase.STARTED), of(steps, Phase.ENDED)
    assert started.incident.severity is Severity.MEDIUM
    assert started.incident.detail == {"persons": 0, "others": 1}
    assert seconds(ended.incident.ended_at) == pytest.approx(7, abs=1)


@pytest.mark.parametrize(("speed_mps", "motor_until_s", "told"), [(4, 0, 1), (12, 0, 0), (4, 3, 0)])
def test_a_motorcycle_that_is_taken_for_a_bicycle_does_not_count(
    speed_mps, motor_until_s, told, monkeypatch
):
    monkeypatch.setitem(SIZES, "bicycle", (0.6, 1.8, 1.7))
    own, steps = rule(), []
    world = World([Thing("bicycle", moving(2, 9, 0, speed_mps))])
    for t in times(8):
        label = "motorcycle" if t < motor_until_s else "bicycle"
        tracks = [one._replace(label=label) for one in world.tracks(t)]
        steps += own.observe(tracks, moment(t)).transitions
    assert len(of(steps, Phase.STARTED)) == told


def test_who_sits_in_a_vehicle_is_not_on_the_carriageway_and_who_walks_before_it_is():
    bus = World([Thing("bus", at(0, 25))]).tracks(0)[0]
    x1, y1, x2, y2 = bus.box
    middle, height = (x1 + x2) / 2, y2 - y1
    driver = replace_box(bus, middle, y1 + 0.3 * height, y2 - 0.3 * height)
    walker = replace_box(bus, middle, y2 - 0.5 * height, y2 + 0.02)
    for person, told in ((driver, 0), (walker, 1)):
        own = rule()
        own.observe((bus,), moment(0))
        later = times(12, start_s=4)
        steps = [s for t in later for s in own.observe((bus, person), moment(t)).transitions]
        assert len(of(steps, Phase.STARTED)) == told


def replace_box(bus, middle, top, bottom):
    box = bus.box._replace(x1=middle - 0.01, x2=middle + 0.01, y1=top, y2=bottom)
    return bus._replace(id=99, label="person", box=box)


def test_all_who_are_there_are_one_incident_and_close_ends_it():
    persons = [Thing("person", at(0, 15 + k, start=4, end=13 + 3 * k)) for k in range(3)]
    own, world = rule(), World(persons)
    steps = [s for t in times(16) for s in own.observe(world.tracks(t), moment(t)).transitions]
    assert steps[0].incident.detail["persons"] == 3
    (why,) = own.explain(moment(16))
    assert [(c.name, c.value) for c in why.conditions][:1] == [("on_carriageway", 2)]
    (ended,) = own.close(EndReason.SHUTDOWN, moment(16)).transitions
    assert ended.incident.end_reason is EndReason.SHUTDOWN


STANDS_THERE = Thing("person", at(2, 20))
POST = Flaws(jitter=0.03, recall=0.5, switch_every_s=4)


@pytest.mark.parametrize("flaws", [TRUTH, POST], ids=["truth", "flaws"])
def test_what_was_there_and_never_moves_is_nobody(flaws):
    people = [walk(x=-10 - 14 * k) for k in range(3)]
    steps = run(rule(), World([STANDS_THERE, *people], flaws=flaws), 60)
    assert all(one.incident.detail["persons"] <= 1 for one in steps)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) <= 3
    assert of(run(rule(), World([STANDS_THERE], flaws=flaws), 60), Phase.STARTED) == []


def test_who_was_there_counts_once_they_move():
    path = then((20, at(-2, 20)), (22, moving(-2, 20, 1, 0, start=20)), (40, at(0, 20)))
    (started, *_) = of(run(rule(), World([Thing("person", path)]), 40), Phase.STARTED)
    assert seconds(started.incident.opened_at) == pytest.approx(20.5, abs=1)


@pytest.mark.parametrize(("age_s", "told"), [(5.0, 1), (3600.0, 0)])
def test_who_came_before_a_restart_and_lies_there_since_still_counts(age_s, told):
    path = then((9, moving(-10, 20, 1.2, 0)), (60, at(0.8, 20)))
    first, world = rule(), World([Thing("person", path)])
    assert of(
        [s for t in times(20) for s in first.observe(world.tracks(t), moment(t)).transitions],
        Phase.STARTED,
    )
    kept = json.loads(json.dumps(first.remember(moment(20))))
    again = rule()
    again.recall(kept, age_s, moment(25))
    later = times(40, start_s=25)
    steps = [s for t in later for s in again.observe(world.tracks(t), moment(t)).transitions]
    assert len(of(steps, Phase.STARTED)) == told


def test_what_was_found_before_a_restart_is_nobody_after_it():
    first = rule()
    for t in times(10):
        first.observe(World([STANDS_THERE]).tracks(t), moment(t))
    again = rule()
    again.recall(first.remember(moment(10)), 5.0, moment(15))
    late = World([Thing("person", at(2, 20, start=30))])
    steps = [s for t in times(60) for s in again.observe(late.tracks(t), moment(t)).transitions]
    assert steps == []


def flow(speed_mps, until=40.0):
    """Cars that pass one after the other, beside whoever is looked at."""
    starts = [2.0 * k for k in range(int(until / 2))]
    return [
        Thing("car", moving(-2, 5, 0, speed_mps, start=s, end=s + 40 / speed_mps)) for s in starts
    ]


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("scenario", "path", "cars", "told"),
    [
        ("rides slower than the cars", moving(2, 9, 0, 4, start=10), flow(12), 1),
        ("rides with slow cars", moving(2, 9, 0, 5, start=10), flow(5), 0),
        (
            "rides up to cars that stand, and waits with them",
            then((13, moving(2, 9, 0, 4, start=10)), (40, at(2, 21))),
            [
                Thing("car", then((8, moving(-2, y - 32, 0, 4)), (40, at(-2, y))))
                for y in (20, 28, 36)
            ],
            0,
        ),
    ],
)
def test_who_goes_with_the_traffic_may_ride_a_motorcycle(
    scenario, path, cars, told, calibrated, monkeypatch
):
    monkeypatch.setitem(SIZES, "bicycle", (0.6, 1.8, 1.7))
    zone = VIEW.zone(*ROAD, calibrated=calibrated, name="carriageway")
    own = build_rule(RulePlan("traffic.carriageway_intrusion", (zone,), {}), "cam-1", "e1")
    steps = run(own, World([Thing("bicycle", path), *cars]), 40)
    assert len(of(steps, Phase.STARTED)) == told, scenario


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("scenario", "path", "cars", "told"),
    [
        ("much slower than the cars", moving(2, 9, 0, 4, start=6), flow(12), 1),
        ("as fast as slow cars", moving(2, 9, 0, 4, start=6), flow(5), 0),
        ("stands at the edge", at(3, 15, start=6), flow(12), 0),
        (
            "turns off",
            then((9, moving(2, 9, 0, 12, start=6)), (12, moving(2, 45, 3, 2))),
            flow(12),
            0,
        ),
        ("no cars to compare it with", moving(2, 9, 0, 4, start=6), [], 0),
    ],
)
def test_a_bicycle_that_is_taken_for_a_motorcycle_is_known_by_its_pace(
    scenario, path, cars, told, calibrated, monkeypatch
):
    monkeypatch.setitem(SIZES, "motorcycle", (0.6, 1.8, 1.7))
    zone = VIEW.zone(*ROAD, calibrated=calibrated, name="carriageway")
    for parameters, wanted in (({}, told), ({"labels": ["person"]}, 0)):
        plan = RulePlan("traffic.carriageway_intrusion", (zone,), parameters)
        steps = run(build_rule(plan, "cam-1", "e1"), World([Thing("motorcycle", path), *cars]), 40)
        assert len(of(steps, Phase.STARTED)) == wanted, scenario
