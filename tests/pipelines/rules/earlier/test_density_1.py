from __future__ import annotations

import math

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
    moment,
    of,
    run,
    seconds,
    times,
)

VIEW = View()
SQUARE = ((-4, 10), (4, 10), (4, 18), (-4, 18))
"""64 m²."""


def rule(calibrated=True, corners=SQUARE, **parameters):
    zone = VIEW.zone(*corners, calibrated=calibrated, name="square")
    return build_rule(RulePlan("crowding.density", (zone,), parameters, version="1"), "cam-1", "e1")


def crowd(count, start=0.0, end=math.inf, y=10.8):
    return [
        Thing("person", at(-3.5 + (i % 8), y + 1.2 * (i // 8), start, end)) for i in range(count)
    ]


@pytest.mark.parametrize("fps", [1.0, 5.0, 12.5])
@pytest.mark.parametrize("calibrated", [True])
def test_a_crowd_is_one_incident_from_its_beginning_to_its_end(calibrated, fps):
    steps = run(rule(calibrated), World(crowd(24, start=10, end=40)), 60, fps)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    incident = steps[-1].incident
    assert seconds(incident.opened_at) == pytest.approx(10, abs=1.5)
    assert seconds(incident.ended_at) == pytest.approx(40, abs=2.5)
    assert steps[0].incident.detail["persons"] == 24


def test_density_is_persons_per_square_metre():
    steps = run(rule(), World(crowd(24)), 10)
    assert steps[0].incident.detail["persons_per_m2"] == pytest.approx(24 / 64, abs=0.01)


@pytest.mark.parametrize(
    ("scenario", "things", "calibrated", "parameters"),
    [
        ("nobody", [], True, {}),
        ("a group, uncalibrated", crowd(7), False, {}),
        ("many but far apart", crowd(16), True, {}),
        ("dense but few", crowd(7), True, {"max_per_m2": 0.05}),
        ("a crowd beside the zone", crowd(24, y=22), True, {}),
        ("a crowd that passes in 4 s", crowd(24, start=10, end=14), True, {}),
        ("a crowd of cars", [Thing("car", at(i - 4, 14)) for i in range(9)], False, {}),
    ],
)
def test_no_crowd(scenario, things, calibrated, parameters):
    assert run(rule(calibrated, **parameters), World(things), 30) == [], scenario


@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("jitter", Flaws(jitter=0.05)),
        ("misses", Flaws(recall=0.6)),
        ("ids that change", Flaws(switch_every_s=4)),
        ("all of it", Flaws(jitter=0.04, recall=0.75, switch_every_s=8)),
    ],
)
def test_flaws_neither_hide_a_crowd_nor_cut_it(scenario, flaws):
    steps = run(rule(), World(crowd(24, start=5, end=50), flaws=flaws), 65)
    assert len(of(steps, Phase.STARTED)) == 1, scenario
    assert len(of(steps, Phase.ENDED)) == 1, scenario


def test_ids_that_change_do_not_multiply_people():
    world = World(crowd(7), flaws=Flaws(jitter=0.02, switch_every_s=1))
    assert run(rule(calibrated=False), world, 30) == []


def test_a_number_around_the_threshold_is_one_incident():
    things = [*crowd(7), Thing("person", lambda t: (3.5, 10.8) if int(t) % 4 < 3 else None)]
    steps = run(rule(calibrated=False), World(things), 60)
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [Phase.STARTED]


def test_a_crowd_that_thins_out_a_little_goes_on():
    things = [*crowd(7, end=50), *crowd(8, end=12)[7:]]
    steps = run(rule(calibrated=False), World(things), 60)
    ended = [seconds(step.incident.ended_at) for step in of(steps, Phase.ENDED)]
    assert ended == [pytest.approx(51, abs=1)]


@pytest.mark.parametrize(
    ("persons", "severity"), [(9, Severity.LOW), (12, Severity.MEDIUM), (16, Severity.HIGH)]
)
def test_severity_grows_with_the_crowd(persons, severity):
    steps = run(rule(calibrated=False), World(crowd(persons)), 12)
    assert steps[0].incident.severity is severity


def test_severity_rises_while_the_crowd_grows():
    things = crowd(12) + crowd(48, start=20)[12:]
    steps = run(rule(), World(things), 60)
    assert steps[0].phase is Phase.STARTED
    assert steps[-1].incident.severity is Severity.HIGH
    assert len(steps[-1].incident.subjects) == 48
    assert steps[-1].incident.detail["persons"] == 48


def test_riders_are_no_crowd():
    def observed(rides):
        watch, world = rule(calibrated=False, corners=()), World(crowd(24))
        return [
            step
            for t in times(10)
            for step in watch.observe(
                [track._replace(rides=rides) for track in world.tracks(t)], moment(t)
            ).transitions
        ]

    assert observed(rides=0)
    assert not observed(rides=99)
