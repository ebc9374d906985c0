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
    moving,
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
    return build_rule(RulePlan("crowding.density", (zone,), parameters), "cam-1", "e1")


def crowd(count, start=0.0, end=math.inf, y=10.8):
    return [
        Thing("person", at(-3.5 + (i % 8), y + 1.2 * (i // 8), start, end)) for i in range(count)
    ]


def walkers(count, every_s, y=14.0, first_s=0.0):
    """Persons who cross the square one after the other."""
    return [
        Thing("person", moving(-9, y, 1.4, 0, first_s + every_s * i, first_s + every_s * i + 13))
        for i in range(count)
    ]


@pytest.mark.parametrize("fps", [0.2, 1.0, 5.0, 12.5])
@pytest.mark.parametrize("calibrated", [True, False])
def test_a_crowd_is_one_incident_from_its_beginning_to_its_end(calibrated, fps):
    steps = run(rule(calibrated), World(crowd(24, start=10, end=60)), 100, fps)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    incident = steps[-1].incident
    assert seconds(incident.opened_at) == pytest.approx(10, abs=1.5 + 1 / fps)
    assert seconds(incident.ended_at) == pytest.approx(60, abs=2.5 + 1 / fps)
    assert steps[0].incident.detail["persons"] == 24


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
    steps = run(rule(False), World(crowd(24, start=10, end=40), flaws=flaws), 60)
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [
        Phase.STARTED,
        Phase.ENDED,
    ], scenario


def test_who_was_lost_a_moment_ago_does_not_count():
    """Seven persons who get new ids all the time are seven, not a crowd of eight."""
    world = World(crowd(7), flaws=Flaws(recall=0.8, switch_every_s=0.5))
    assert run(rule(False), world, 60) == []


def test_an_odd_frame_neither_begins_a_crowd_nor_is_its_peak():
    watched, steps = rule(False), []
    few, many = World(crowd(10)), World(crowd(40))
    for index, t in enumerate(times(20)):
        steps += watched.observe(
            (many if index % 10 == 9 else few).tracks(t), moment(t)
        ).transitions
    assert [step.incident.detail["persons"] for step in steps] == [10.0]
    assert steps[0].incident.severity is Severity.LOW


@pytest.mark.parametrize(
    ("persons", "severity"),
    [(8, Severity.LOW), (12, Severity.MEDIUM), (16, Severity.HIGH), (24, Severity.CRITICAL)],
)
def test_without_calibration_the_level_is_how_many_times_the_threshold(persons, severity):
    (started,) = run(rule(False), World(crowd(persons)), 10)
    assert started.incident.severity is severity


@pytest.mark.parametrize(
    ("size_m", "severity"),
    [(7.6, Severity.LOW), (5.5, Severity.MEDIUM), (4.6, Severity.HIGH), (3.2, Severity.CRITICAL)],
)
def test_with_calibration_the_level_is_fruins_level_of_service(size_m, severity):
    corners = (
        (-size_m / 2, 11),
        (size_m / 2, 11),
        (size_m / 2, 11 + size_m),
        (-size_m / 2, 11 + size_m),
    )
    step_m = size_m / 5
    packed = [
        Thing("person", at(-size_m / 2 + step_m * (0.5 + i % 5), 11 + step_m * (0.5 + i // 5)))
        for i in range(25)
    ]
    (started,) = run(rule(True, corners), World(packed), 10)
    assert started.incident.severity is severity
    assert started.incident.detail["persons_per_m2"] == pytest.approx(25 / size_m**2, abs=0.02)


def test_between_the_thresholds_of_beginning_and_end_nothing_flutters():
    """Six to nine persons in turn, around a threshold of eight."""
    base = crowd(6)
    turns = [
        Thing("person", lambda t, i=i: (3, 12 + i) if int(t / 4) % 4 > i else None)
        for i in range(3)
    ]
    steps = run(rule(False, expire_s=4), World([*base, *crowd(8)[6:], *turns]), 120)
    assert len(of(steps, Phase.STARTED)) == 1
    assert of(steps, Phase.ENDED) == []


def test_the_error_grows_with_doubtful_small_and_flickering_boxes():
    def error(world, y=12.0, score=0.9):
        watched, result = rule(False, min_persons=1, confirm_s=1, update_every_s=1), []
        for t in times(20):
            tracks = [track._replace(score=score) for track in world.tracks(t)]
            result += watched.observe(tracks, moment(t)).transitions
        assert {"persons", "persons_error"} <= set(result[-1].incident.detail)
        return result[-1].incident.detail["persons_error"]

    plain = error(World(crowd(10, y=11)))
    assert 0.5 < plain < 3.0
    assert error(World(crowd(10, y=11)), score=0.5) > plain
    assert error(World(crowd(10, y=11), flaws=Flaws(recall=0.6))) > plain
    assert error(World(crowd(4, y=11))) < plain


def test_the_reading_says_what_was_compared():
    watched = rule(True)
    run(watched, World(crowd(24)), 20)
    (said,) = watched.explain(moment(20))
    assert [(c.name, c.holds) for c in said.conditions] == [
        ("persons", True),
        ("persons_per_m2", True),
    ]
    assert said.stage == "open"
