"""Who stays too long is one incident; who passes, waits a while or is hidden is treated as such."""

from __future__ import annotations

import math

import pytest

from pipelines.incident import EndReason, Phase, Severity
from pipelines.rules import RULES, build_rule, min_fps
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
    then,
    times,
)

VIEW = View()
YARD = ((-4, 11), (4, 11), (4, 20), (-4, 20))
WIDE = ((-9, 12), (9, 12), (9, 20), (-9, 20))
LIMIT_S = 60.0


def rule(corners=YARD, **parameters):
    zone = VIEW.zone(*corners, calibrated=False, name="yard")
    plan = RulePlan("crowding.loitering", (zone,), {"limit_s": LIMIT_S, **parameters})
    return build_rule(plan, "cam-1", "e1")


def loiterer(x=1.0, y=14.0, come_s=10.0, leave_s=120.0):
    """Comes from the left, stays around a place and leaves to the right."""
    return Thing(
        "person",
        then(
            (come_s, moving(-9, y, 1.4, 0, come_s - (x + 9) / 1.4)),
            (leave_s, lambda t: (x + 0.8 * math.sin(t / 9), y)),
            (leave_s + 9, moving(x, y, 1.4, 0, leave_s)),
        ),
    )


def walkers(until_s, every_s=6.0, y=14.5):
    return [
        Thing("person", moving(-9, y + 0.8 * (i % 3), 1.4, 0, every_s * i, every_s * i + 13))
        for i in range(math.ceil(until_s / every_s))
    ]


@pytest.mark.parametrize("fps", [0.2, 1.0, 5.0])
def test_who_stays_longer_than_the_limit_is_one_incident_that_ends_when_he_leaves(fps):
    steps = run(rule(), World([loiterer()]), 160, fps)
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [
        Phase.STARTED,
        Phase.ENDED,
    ]
    ended = steps[-1].incident
    # He is in the yard some seconds before he reaches his place, and after he left it.
    assert seconds(ended.opened_at) == pytest.approx(7 + LIMIT_S, abs=3 + 1.5 / fps)
    assert seconds(ended.ended_at) == pytest.approx(122 + 10, abs=4 + 2 / fps)
    assert ended.end_reason is EndReason.CLEARED
    assert len(ended.subjects) <= 1


@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("new ids", Flaws(switch_every_s=5)),
        ("misses and jitter", Flaws(recall=0.6, jitter=0.04, switch_every_s=20)),
        ("hidden for seconds", Flaws(hidden={0: lambda t: t % 30 < 7}, switch_every_s=15)),
    ],
)
def test_new_ids_and_short_absences_neither_end_a_stay_nor_double_it(scenario, flaws):
    steps = run(rule(), World([loiterer()], flaws=flaws), 160)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1, scenario
    assert {step.incident.detail["persons"] for step in steps} == {1.0}
    assert seconds(steps[0].incident.opened_at) == pytest.approx(7 + LIMIT_S, abs=4)


@pytest.mark.parametrize(
    ("scenario", "things", "corners"),
    [
        ("nobody", [], YARD),
        ("who waits for less", [loiterer(leave_s=55)], YARD),
        ("a stream of walkers", walkers(240), YARD),
        ("who stays beside the zone", [loiterer(y=23.0)], YARD),
        ("who waits at a stop that is left out", [loiterer()], (*YARD[:2], (4, 12.5), (-4, 12.5))),
        (
            "who comes back after a minute",
            [Thing("person", lambda t: (1, 14) if t % 80 < 40 else None)],
            YARD,
        ),
    ],
)
def test_no_loiterer(scenario, things, corners):
    flaws = Flaws(jitter=0.03, recall=0.85, switch_every_s=8)
    assert run(rule(corners), World(things, flaws=flaws), 260) == [], scenario


def test_the_bicycle_that_waits_takes_its_rider_with_it():
    world, watched = World([Thing("person", at(1, 14))]), rule()
    for t in times(150):
        tracks = [track._replace(rides=77) for track in world.tracks(t)]
        assert not watched.observe(tracks, moment(t)).transitions


def test_one_who_leaves_at_the_edge_and_one_who_comes_there_are_two():
    def path(come_s):
        """Comes from the left, stands for 40 s and leaves to the left."""
        return then(
            (come_s + 10, moving(-15, 14, 1.4, 0, come_s)),
            (come_s + 45, at(-1, 14)),
            (come_s + 55, moving(-1, 14, -1.4, 0, come_s + 45)),
        )

    people = [Thing("person", path(57.0 * i)) for i in range(4)]
    assert run(rule(WIDE), World(people), 220) == []


def test_in_a_dense_crowd_no_stay_goes_over_from_one_to_the_next():
    people = [
        Thing("person", moving(-9, 12 + 0.5 * (i % 12), 1.0, 0, 0.7 * i, 0.7 * i + 18))
        for i in range(400)
    ]
    world = World(people, flaws=Flaws(jitter=0.02, recall=0.8, switch_every_s=6))
    assert run(rule(), world, 280, 2.5) == []


def test_two_who_stay_are_one_incident_that_grows_and_says_the_longest_stay():
    steps = run(rule(), World([loiterer(), loiterer(-2, 16, 40)]), 220)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    most = max(steps, key=lambda step: step.incident.detail["persons"])
    assert most.incident.detail["persons"] == 2
    assert most.incident.detail["longest_stay_s"] >= LIMIT_S + 20


def test_a_stay_of_twice_the_limit_is_medium_and_of_four_times_high():
    steps = run(rule(), World([loiterer(leave_s=400)]), 300, 2.0)
    assert steps[0].incident.severity is Severity.LOW
    assert steps[-1].incident.severity is Severity.HIGH
    assert Severity.MEDIUM in {step.incident.severity for step in steps}


def test_a_pole_that_looks_like_a_person_is_none_once_people_walked_by():
    world = World([Thing("person", at(2.5, 13)), *walkers(600, 15.0, 16.5)])
    assert run(rule(limit_s=240), world, 600, 2.0) == []


def test_at_the_lowest_rates_a_missed_frame_ends_no_stay():
    hidden = Flaws(hidden={0: lambda t: t % 60 > 50})
    steps = run(rule(), World([loiterer(leave_s=250)], flaws=hidden), 400, 0.105)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    assert seconds(steps[0].incident.opened_at) < 100


def test_it_works_just_above_the_rate_that_it_needs_and_not_below():
    lowest = min_fps(RULES["crowding.loitering"], RULES["crowding.loitering"].Parameters())
    for factor, fires in ((1.1, True), (0.9, False)):
        steps = run(rule(), World([Thing("person", at(1, 14))]), 200, factor * lowest)
        assert bool(steps) is fires
