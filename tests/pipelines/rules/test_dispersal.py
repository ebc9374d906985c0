"""A group that bursts apart is a dispersal; one that walks off, or goes one way, is none."""

from __future__ import annotations

import math

import pytest

from pipelines.incident import Phase
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
)

VIEW = View()
SQUARE = ((-7, 10), (7, 10), (7, 26), (-7, 26))
CENTRE = (0.0, 16.0)
BREAK_S = 30.0


def rule(calibrated=True, **parameters):
    zone = VIEW.zone(*SQUARE, calibrated=calibrated, name="square")
    return build_rule(RulePlan("crowding.dispersal", (zone,), parameters), "cam-1", "e1")


def bursts(count=12, speed=3.0, begin_s=BREAK_S, away=None, share=1.0, from_s=0.0, spread_s=2.0):
    """A group that stands, and leaves from `begin_s` on: outwards, or all in direction `away`."""
    people = []
    for index in range(count):
        x, y = (index % 4 - 1.5) * 1.1, CENTRE[1] + (index // 4 - 1) * 1.1
        angle = math.atan2(y - CENTRE[1], x - CENTRE[0]) if away is None else away
        go_s = begin_s + spread_s * (index * 7 % count) / count
        stays = at(x, y, from_s, math.inf)
        leaves = moving(x, y, speed * math.cos(angle), speed * math.sin(angle), go_s, go_s + 12)
        path = stays if index >= share * count else then((go_s, stays), (go_s + 12, leaves))
        people.append(Thing("person", path))
    return people


def walks_off_with_hurried_steps(count=16, speed=1.3, every_s=1.0):
    """A group that walks off on all sides; one after the other hurries for a second and a half."""
    people = []
    for index in range(count):
        x, y = (index % 4 - 1.5) * 1.1, CENTRE[1] + (index // 4 - 1.5) * 1.1
        angle = math.atan2(y - CENTRE[1], x - CENTRE[0])
        way = (math.cos(angle), math.sin(angle))
        go_s = BREAK_S + every_s * index
        fast_x, fast_y = x + 2.7 * speed * way[0], y + 2.7 * speed * way[1]
        hurries = moving(x, y, 2.7 * way[0], 2.7 * way[1], go_s, go_s + 1.5)
        walks = moving(fast_x, fast_y, speed * way[0], speed * way[1], go_s + 1.5, go_s + 12)
        stays = at(x, y, 0.0, math.inf)
        people.append(
            Thing("person", then((go_s, stays), (go_s + 1.5, hurries), (go_s + 12, walks)))
        )
    return people


@pytest.mark.parametrize("fps", [2.5, 5.0, 10.0])
@pytest.mark.parametrize("calibrated", [True, False])
def test_a_group_that_bursts_apart_is_one_incident(calibrated, fps):
    steps = run(rule(calibrated), World(bursts()), 70, fps)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1
    started, ended = steps[0].incident, steps[-1].incident
    assert seconds(started.opened_at) == pytest.approx(BREAK_S + 2, abs=1.5)
    assert seconds(ended.ended_at) < BREAK_S + 20
    assert started.detail["persons_before"] == 12
    assert started.detail["persons_left"] >= 6
    speed = "median_speed_mps" if calibrated else "median_speed_heights_per_s"
    assert started.detail[speed] == pytest.approx(3.0 if calibrated else 1.8, rel=0.35)


@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("jitter", Flaws(jitter=0.02)),
        ("misses", Flaws(recall=0.85)),
        ("new ids", Flaws(switch_every_s=10)),
    ],
)
def test_flaws_neither_hide_nor_double_it(scenario, flaws):
    steps = run(rule(), World(bursts(16), flaws=flaws), 70)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1, scenario


@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("nobody", []),
        ("a group that stays", bursts(share=0.0)),
        ("who walks off at the end", bursts(speed=1.3)),
        ("who runs off one way", bursts(away=0.3)),
        ("few of many", bursts(count=20, share=0.3)),
        ("too few", bursts(count=6)),
        ("who has only just come", bursts(from_s=BREAK_S - 6)),
        ("one after the other", bursts(spread_s=120.0)),
        ("who walks off and hurries for a step, in turns", walks_off_with_hurried_steps()),
        (
            "runners who pass a group that stays",
            [
                *bursts(share=0.0),
                *(Thing("person", moving(-9, 12 + i, 3.0, 0, 25 + i, 34 + i)) for i in range(9)),
            ],
        ),
        (
            "a group that is hidden at once",
            [Thing("person", thing.path) for thing in bursts(share=0.0)],
        ),
    ],
)
@pytest.mark.parametrize("calibrated", [True, False])
def test_no_dispersal(scenario, things, calibrated):
    hidden = {i: (lambda t: t > 40) for i in range(12)} if "hidden" in scenario else {}
    world = World(things, flaws=Flaws(jitter=0.01, recall=0.95, hidden=hidden))
    assert run(rule(calibrated), world, 80) == [], scenario


def test_it_works_just_above_the_rate_that_it_needs_and_not_below():
    lowest = min_fps(RULES["crowding.dispersal"], RULES["crowding.dispersal"].Parameters())
    for factor, fires in ((1.1, True), (0.9, False)):
        steps = run(rule(), World(bursts(16)), 70, factor * lowest)
        assert bool(steps) is fires


def test_the_reading_says_what_is_missing():
    watched = rule()
    run(watched, World(bursts(speed=1.3)), BREAK_S + 6)
    (said,) = watched.explain(moment(BREAK_S + 6))
    held = {condition.name: condition.holds for condition in said.conditions}
    assert held["persons_before"]
    assert held["share_that_left"]
    assert not held["share_that_hurries"]
