from __future__ import annotations

import pytest

from pipelines.incident import Phase, Severity
from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.synthetic import (
    Flaws,
    Thing,
    View,
    World,
    at,
    moving,
    of,
    run,
    seconds,
    then,
)

VIEW = View()
ROAD = ((-4, 9), (4, 9), (4, 40), (-4, 40))


def rule(calibrated=True, corners=ROAD, view=VIEW, **parameters):
    zone = view.zone(*corners, calibrated=calibrated, name="approach")
    return build_rule(
        RulePlan("traffic.congestion", (zone,), parameters, version="1"), "cam-1", "e1"
    )


def queue(count, start=0.0, end=60.0):
    """Two lanes of cars that stand from `start` to `end`."""
    return [Thing("car", at(-2 + 4 * (i % 2), 12 + 6 * (i // 2), start, end)) for i in range(count)]


def shifted(x, path):
    """The same path on another lane."""
    return lambda t: (place[0] + x, place[1]) if (place := path(t)) else None


def stream(speed_mps, gap_m, until_s, start_y=45.0):
    """Two lanes that come towards the camera at a speed."""
    every_s = gap_m / speed_mps
    return [
        Thing("car", moving(x, start_y, 0, -speed_mps, start=k * every_s))
        for x in (-2.0, 2.0)
        for k in range(-int(40 / gap_m), int(until_s / every_s))
    ]


@pytest.mark.parametrize(
    ("fps", "calibrated"), [(1.0, True), (5.0, True), (5.0, False), (12.5, False)]
)
def test_a_queue_is_one_incident_from_its_beginning_to_its_end(calibrated, fps):
    steps = run(rule(calibrated), World(queue(8, start=10, end=50)), 75, fps)
    assert [step.phase for step in steps] == [Phase.STARTED, Phase.UPDATED, Phase.ENDED]
    incident = steps[-1].incident
    assert seconds(incident.opened_at) == pytest.approx(10, abs=2.5)
    assert seconds(incident.ended_at) == pytest.approx(50, abs=2.5)
    assert steps[0].incident.detail["vehicles"] == 8
    assert len(steps[0].incident.subjects) == 8


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("an empty road", []),
        ("a quiet road", stream(12, 40, 40)),
        ("dense traffic that flows at 30 km/h", stream(8.3, 10, 40)),
        ("dense traffic that flows at 20 km/h", stream(5.6, 8, 40)),
        ("a few cars at a red light", queue(5)),
        ("a queue that starts to move after 5 s", queue(8, start=10, end=15)),
        ("many persons, motorcycles and bags", [
            Thing(label, at(-3 + (i % 4) * 2, 12 + 3 * (i // 4)))
            for i, label in enumerate(["person", "bag", "bin_bag"] * 6)
        ]),
        ("a queue beside the zone", [
            Thing("car", at(8, 12 + 3 * i)) for i in range(8)
        ]),
    ],
)  # fmt: skip
def test_no_congestion(scenario, things, calibrated):
    world = World(things, flaws=Flaws(jitter=0.02))
    assert run(rule(calibrated), world, 40) == [], scenario


@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("jitter", Flaws(jitter=0.05)),
        ("misses", Flaws(recall=0.65)),
        ("ids that change", Flaws(switch_every_s=6)),
        ("cars taken for trucks", Flaws(flicker=0.5)),
        ("all of it", Flaws(jitter=0.04, recall=0.75, switch_every_s=10, flicker=0.3)),
    ],
)
@pytest.mark.parametrize("calibrated", [True, False])
def test_flaws_neither_hide_a_queue_nor_cut_it(scenario, flaws, calibrated):
    steps = run(rule(calibrated), World(queue(9, start=5, end=60), flaws=flaws), 75)
    assert len(of(steps, Phase.STARTED)) == 1, scenario
    assert len(of(steps, Phase.ENDED)) == 1, scenario
    assert seconds(steps[0].incident.opened_at) == pytest.approx(5, abs=4)
    assert seconds(steps[-1].incident.ended_at) == pytest.approx(60, abs=4)


def test_a_queue_that_creeps_is_congestion_and_its_speed_is_right():
    creeping = [
        Thing("car", moving(-2 + 4 * (i % 2), 20 + 6 * (i // 2), 0, -0.6)) for i in range(10)
    ]
    steps = run(rule(), World(creeping, flaws=Flaws(jitter=0.01)), 14)
    assert steps[0].incident.detail["median_speed_mps"] == pytest.approx(0.6, abs=0.15)


def test_traffic_that_runs_into_a_queue_opens_when_most_of_it_stands():
    things = []
    for row in range(5):
        stop_y, start = 12 + 6 * row, 2 + 2 * row
        drives = moving(0, stop_y + 40, 0, -8, start=start)
        for x in (-2, 2):
            things.append(Thing("car", shifted(x, then((start + 5, drives), (60, at(0, stop_y))))))
    steps = run(rule(corners=((-4, 9), (4, 9), (4, 60), (-4, 60))), World(things), 30)
    assert len(of(steps, Phase.STARTED)) == 1
    assert 8 <= seconds(steps[0].incident.opened_at) <= 14


@pytest.mark.parametrize(
    ("vehicles", "lasting_s", "severity"),
    [(6, 20, Severity.LOW), (9, 20, Severity.MEDIUM), (12, 20, Severity.HIGH)],
)
def test_severity_grows_with_the_number_of_vehicles(vehicles, lasting_s, severity):
    corners = ((-4, 9), (4, 9), (4, 60), (-4, 60))
    steps = run(rule(corners=corners), World(queue(vehicles, end=lasting_s)), lasting_s)
    assert steps[-1].incident.severity is severity


def test_severity_grows_with_time():
    steps = run(rule(), World(queue(6, end=99)), 80, fps=2)
    assert (steps[0].incident.severity, steps[-1].incident.severity) == (
        Severity.LOW,
        Severity.MEDIUM,
    )


def test_a_queue_that_thins_out_a_little_goes_on():
    things = queue(5, end=70) + queue(8, end=30)[5:]
    steps = run(rule(), World(things), 60)
    assert [s.phase for s in steps if s.phase is not Phase.UPDATED] == [Phase.STARTED]


def test_a_queue_that_creeps_a_little_faster_goes_on_and_ends_when_it_flows():
    pace = ((15, 0.0), (35, 1.8), (60, 6.0))

    def path(x, y):
        def place(t):
            moved, since = 0.0, 0.0
            for until, speed in pace:
                moved += speed * (min(t, until) - since)
                since = until
                if t < until:
                    break
            return x, y - moved

        return place

    things = [Thing("car", path(x, 11 + 6 * row)) for row in range(40) for x in (-2, 2)]
    steps = run(rule(), World(things), 50)
    assert [s.phase for s in steps if s.phase is not Phase.UPDATED] == [
        Phase.STARTED,
        Phase.ENDED,
    ]
    assert seconds(steps[-1].incident.ended_at) == pytest.approx(35.5, abs=1.5)


def parking(count, every_s):
    """Cars that park at the parked one after the other and stay."""
    return [
        Thing("car", at(-3.5 + 7 * (i % 2), 12 + 5 * (i // 2), i * every_s)) for i in range(count)
    ]


def test_cars_that_park_one_after_the_other_are_no_congestion():
    flaws = Flaws(jitter=0.03, recall=0.9, switch_every_s=60)
    assert run(rule(), World(parking(10, every_s=60), flaws=flaws), 900, fps=1) == []


def test_a_queue_beside_parked_cars_is_found_and_ends():
    things = parking(5, every_s=2) + [
        Thing("car", at(0, 12 + 5.5 * i, start=300, end=340)) for i in range(6)
    ]
    steps = run(rule(), World(things), 380, fps=1)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    assert steps[0].incident.detail["vehicles"] == 6
    assert seconds(steps[0].incident.opened_at) == pytest.approx(300, abs=4)


def test_cars_that_drive_off_after_parking_are_traffic_again():
    parked = [at(-3.5 + 7 * (i % 2), 12 + 5 * (i // 2)) for i in range(5)]
    lane = [at(0, 12 + 5.5 * i) for i in range(6)]
    things = [
        *(Thing("car", then((300 + i, parked[i]), (400, lane[i]))) for i in range(5)),
        Thing("car", then((306, lambda t: None), (400, lane[5]))),
    ]
    steps = run(rule(), World(things), 340, fps=2)
    (started,) = of(steps, Phase.STARTED)
    assert seconds(started.incident.opened_at) == pytest.approx(306, abs=4)


def test_a_jam_that_stands_for_minutes_goes_on():
    steps = run(rule(), World(queue(8, end=600)), 500, fps=0.5)
    assert of(steps, Phase.ENDED) == []


def test_what_never_moves_is_no_jam_for_ever():
    steps = run(rule(), World(queue(8, end=9999)), 2000, fps=0.5)
    assert len(of(steps, Phase.STARTED)) == 1
    (ended,) = of(steps, Phase.ENDED)
    assert seconds(ended.incident.ended_at) == pytest.approx(1800, abs=10)


def test_two_zones_are_independent():
    left = VIEW.zone((-4, 9), (0, 9), (0, 40), (-4, 40), name="left")
    right = VIEW.zone((0, 9), (4, 9), (4, 40), (0, 40), name="right")
    plan = RulePlan("traffic.congestion", (left, right), {"min_vehicles": 4}, version="1")
    things = [Thing("car", at(-2, 12 + 6 * i)) for i in range(5)]
    steps = run(build_rule(plan, "cam-1", "e1"), World(things), 20)
    assert [step.incident.zone for step in steps] == ["left"]
