from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.detections import Box
from pipelines.incident import EndReason, Phase, Severity
from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
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
ROAD = ((-4, 9), (4, 9), (4, 45), (-4, 45))
AWAY = (VIEW.point(0, 12), VIEW.point(0, 36))
TRUTH = Flaws()
FLAWS = Flaws(jitter=0.05, recall=0.85, switch_every_s=15, flicker=0.2)


def rule(name="road", directed=True, **parameters):
    zone = VIEW.zone(*ROAD, calibrated=False, name=name)
    zone = replace(zone, direction=AWAY) if directed else zone
    return build_rule(RulePlan("traffic.stopped_vehicle", (zone,), parameters), "cam-1", "e1")


def stop(x, y, start, end=1e9, label="car", speed_mps=9.0):
    """Drives up, stands from `start` to `end`, and drives on."""
    legs = (
        (start, moving(x, y - 8 * speed_mps, 0, speed_mps, start=start - 8)),
        (end, at(x, y)),
        (end + 8, moving(x, y, 0, speed_mps, start=end)),
    )
    return Thing(label, then(*legs))


def flow(x, every=6.0, until=300.0, towards=False):
    """Vehicles that pass, one after the other."""
    y, speed = (60, -12) if towards else (-4, 12)
    starts = [every * k for k in range(int(until / every))]
    return [Thing("car", moving(x, y, 0, speed, start=s, end=s + 5)) for s in starts]


def queue(x, start, end, count=5):
    """Drive up one after the other, and move on in their order."""
    return [stop(x, 36 - 7 * k, start + 8 * k, end + 1.5 * k) for k in range(count)]


def row(count=4):
    """Cars that stand there when watching begins."""
    return [Thing("car", at(3, 12 + 6 * k)) for k in range(count)]


def watch(things, until=200.0, fps=5.0, flaws=TRUTH, own=None):
    return run(own or rule(), World(things, flaws=flaws), until, fps)


flaws = pytest.mark.parametrize("flaws", [TRUTH, FLAWS], ids=["truth", "flaws"])


@flaws
@pytest.mark.parametrize("fps", [5.0, 1.0])
@pytest.mark.parametrize("name", ["road", "pavement"])
def test_a_car_that_stops_is_one_incident_that_ends_when_it_drives_on(flaws, fps, name):
    things = [stop(2, 25, 20, 160), *flow(-2)]
    steps = watch(things, 200, fps, flaws, rule(name))
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    incident, ended = steps[0].incident, steps[-1].incident
    assert seconds(incident.updated_at) == pytest.approx(80, abs=3)
    stood_before_s = incident.detail["stood_before_s"]
    assert seconds(incident.opened_at) - stood_before_s == pytest.approx(20, abs=2)
    assert incident.severity is {"road": Severity.MEDIUM, "pavement": Severity.LOW}[name]
    assert seconds(ended.ended_at) == pytest.approx(165, abs=5)


@pytest.mark.parametrize("into_m", [0.5, 1.0])
def test_a_car_that_rolls_over_the_edge_of_the_zone_as_it_stops_is_seen(into_m):
    (left, right), top = VIEW.box(2, 25, "car")[::2], VIEW.point(2, 60)[1]
    edge = VIEW.box(2, 25, "car").y2
    beside = Zone("pavement", ((left, edge), (right, edge), (right, top), (left, top)))
    own = build_rule(RulePlan("traffic.stopped_vehicle", (beside,), {}), "cam-1", "e1")
    drives, rolls = moving(2, -48, 0, 9, start=12), moving(2, 24, 0, (1 + into_m) / 3, start=20)
    car = Thing("car", then((20, drives), (23, rolls), (1e9, at(2, 25 + into_m))))
    steps = watch([car], 120, own=own)
    assert next(step.phase for step in steps) is Phase.STARTED
    assert seconds(steps[0].incident.updated_at) == pytest.approx(82, abs=3)


@flaws
@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("traffic", flow(2) + flow(-2)),
        ("a red light of 90 s", queue(-2, 20, 110) + queue(2, 24, 110)),
        ("the same beside free lanes", queue(-2, 20, 110) + flow(2) + flow(-6, towards=True)),
        ("a jam", queue(-2, 20, 330) + queue(2, 24, 330) + flow(-6, towards=True)),
        ("one car at a red light", [*flow(2, until=15), stop(2, 25, 30, 120)]),
        ("a stop of 50 s", [stop(2, 25, 20, 70), *flow(-2)]),
        ("a bus at its stop", [stop(2, 25, 20, 150, label="bus"), *flow(-2)]),
        ("a car beside the zone", [stop(7, 25, 20, 150), *flow(2)]),
        ("a row of parked cars for a while", row() + flow(-1)),
    ],
)
def test_what_waits_or_may_stand_is_no_incident(scenario, things, flaws):
    own, until = rule(exempt=["bus"]), 110.0 if scenario.startswith("a row") else 240.0
    assert watch(things, until, flaws=flaws, own=own) == [], scenario


@flaws
@pytest.mark.parametrize(("wait_s", "after_s"), [(120.0, 120.0), (0.0, 60.0)])
def test_each_of_several_parked_cars_is_one_incident(wait_s, after_s, flaws):
    steps = watch(row() + flow(-1), 240, flaws=flaws, own=rule(wait_s=wait_s))
    assert len(of(steps, Phase.STARTED)) == len(steps) - len(of(steps, Phase.UPDATED)) == 4
    told = [seconds(step.incident.updated_at) for step in of(steps, Phase.STARTED)]
    assert told == pytest.approx([after_s] * 4, abs=6)


@flaws
def test_a_breakdown_is_told_from_those_who_wait_behind_it_and_pull_out(flaws):
    behind = [stop(2, 23, 30 + 25 * k, 44 + 25 * k) for k in range(6)]
    steps = watch([stop(2, 30, 20, 200), *behind, *flow(-2)], 260, flaws=flaws)
    (started,) = of(steps, Phase.STARTED)
    assert started.incident.subjects[0].box.foot == pytest.approx(VIEW.point(2, 28), abs=0.03)


@pytest.mark.parametrize("fps", [5.0, 1.0])
def test_traffic_that_passes_an_empty_place_again_and_again_does_not_keep_its_incident(fps):
    # It is gone behind a lorry, unseen; lorries go on to cover its place, each for a moment.
    gone = Thing("car", then((20, moving(2, -47, 0, 9, start=12)), (120, at(2, 25))))
    lorries = [replace(one, label="truck") for one in flow(1, every=5, until=300)]
    steps = watch([gone, *lorries], 300, fps)
    (started,), (ended,) = of(steps, Phase.STARTED), of(steps, Phase.ENDED)
    assert seconds(started.incident.updated_at) < 120 < seconds(ended.incident.updated_at) < 180


def test_others_that_hide_it_and_a_detector_that_misses_it_make_no_second_one():
    lorries = [stop(1.2, 17, 75 + 40 * k, 95 + 40 * k, "truck") for k in range(4)]
    hidden = {0: lambda t: 75 < t < 215 and (t - 75) % 40 < 20}
    gaps = Flaws(jitter=0.01, switch_every_s=10, hidden=hidden)
    steps = watch([stop(1, 25, 10, 240), *lorries], 300, flaws=gaps, own=rule("pavement"))
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [
        Phase.STARTED,
        Phase.ENDED,
    ]
    # Nobody hides it, it is missed for long and never seen to leave: it ended, and was told.
    lost = Flaws(hidden={0: lambda t: 100 < t < 160})
    steps = watch([stop(1, 25, 10)], 300, flaws=lost, own=rule("pavement"))
    assert len(of(steps, Phase.STARTED)) == 1


def test_the_next_car_at_the_same_place_is_another_incident_and_ids_that_change_are_not():
    things = [stop(2, 25, 10, 100), stop(2, 25, 120, 250)]
    steps = watch(things, 300, own=rule("pavement"))
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 2
    own, world = rule("pavement"), World([stop(2, 25, 10), *flow(0, every=15)])
    told = []
    for t in times(200):
        tracks = world.tracks(t)
        if len(tracks) == 2 and 60 < t < 100:
            first, second = tracks
            tracks = (first._replace(id=second.id), second._replace(id=first.id))
        told += own.observe(tracks, moment(t)).transitions
    assert len(of(told, Phase.STARTED)) == 1
    assert of(told, Phase.ENDED) == []


def test_a_second_box_inside_that_of_a_car_is_no_second_car():
    class Nested(World):
        def tracks(self, t):
            tracks = super().tracks(t)
            if t < 30 or not tracks:
                return tracks
            x1, y1, x2, y2 = tracks[0].box
            inner = Box(x1 + 0.35 * (x2 - x1), y1, x2, y2 - 0.25 * (y2 - y1))
            return (*tracks, tracks[0]._replace(id=77, box=inner, first_seen_s=1030.0))

    steps = run(rule("pavement"), Nested([stop(2, 25, 10)]), 150)
    assert len(of(steps, Phase.STARTED)) == 1


@pytest.mark.parametrize("fps", [5.0, 1.0])
def test_a_shaking_camera_makes_one_incident(fps):
    class Shaken(World):
        def tracks(self, t):
            dx, dy = self._rng.normal(0, 0.01, 2)
            return tuple(
                one._replace(box=Box(*(a + b for a, b in zip(one.box, (dx, dy) * 2, strict=True))))
                for one in super().tracks(t)
            )

    world = Shaken([stop(2, 25, 20, 200), *flow(-2)], flaws=Flaws(switch_every_s=20))
    steps = run(rule(), world, 260, fps)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1


@pytest.mark.parametrize(
    ("stopped_s", "closed", "incidents"),
    [(60.0, True, [0, 1]), (120.0, True, [1, 0]), (120.0, False, [1, 1])],
)
def test_a_restart_reports_nothing_twice_and_a_crash_lets_the_incident_go_on(
    stopped_s, closed, incidents
):
    world = World([stop(2, 25, 20), *flow(-2)])
    runs, memory, started = (rule(), rule()), None, []
    for own, (begin, end) in zip(runs, ((0, stopped_s), (stopped_s + 12, 250)), strict=True):
        if memory is not None:
            own.recall(json.loads(json.dumps(memory)), 12.0, moment(begin))
        steps = []
        for t in times(end, start_s=begin):
            steps += own.observe(world.tracks(t), moment(t)).transitions
        if closed:
            own.close(EndReason.SHUTDOWN, moment(end))
        memory = own.remember(moment(end))
        started.append(of(steps, Phase.STARTED))
    # After a crash whoever publishes gives the second one the id of the first.
    assert [len(one) for one in started] == incidents
    for (step,) in filter(None, started[1:]):
        assert seconds(step.incident.updated_at) <= stopped_s + 12 + 60
        assert step.incident.detail["stood_before_s"] > 50


def test_after_a_long_pause_nobody_knows_who_stands_there():
    world = World([stop(2, 25, 20)])
    first, again = rule("pavement"), rule("pavement")
    told = [s for t in times(100) for s in first.observe(world.tracks(t), moment(t)).transitions]
    again.recall(first.remember(moment(100)), 7200.0, moment(7300))
    for t in times(7400, start_s=7300):
        told += again.observe(world.tracks(t), moment(t)).transitions
    assert len(of(told, Phase.STARTED)) == 2


def test_close_ends_it_and_it_is_not_told_again():
    own, world = rule("pavement"), World([stop(2, 25, 10)])
    for t in times(90):
        own.observe(world.tracks(t), moment(t))
    (ended,) = own.close(EndReason.VIEW_LOST, moment(90)).transitions
    assert ended.incident.end_reason is EndReason.VIEW_LOST
    for t in times(300, start_s=150):
        assert own.observe(world.tracks(t), moment(t)).transitions == ()


def test_the_explanation_says_what_it_waits_for():
    own, world = rule(), World(queue(2, 10, 300, 2))
    for t in times(110):
        own.observe(world.tracks(t), moment(t))
    head, tail = own.explain(moment(110))
    assert head.holds is False
    assert [(c.name, c.limit) for c in head.conditions] == [("standing", 120.0), ("passed", 2.0)]
    assert head.note == tail.note == "2 vehicles stand together"
    assert head.subject.startswith("car at 0.")


def test_severity_grows_with_time():
    steps = watch([stop(2, 25, 20), *flow(-2, until=400)], 400)
    assert [s.incident.severity for s in steps][:1] == [Severity.MEDIUM]
    assert steps[-1].incident.severity is Severity.HIGH
