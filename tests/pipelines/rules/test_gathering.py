"""Who comes together within a short time is a gathering; who passes, waits or was there is none."""

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
SQUARE = ((-7, 10), (7, 10), (7, 24), (-7, 24))


def rule(calibrated=True, corners=SQUARE, **parameters):
    zone = VIEW.zone(*corners, calibrated=calibrated, name="square")
    return build_rule(RulePlan("crowding.gathering", (zone,), parameters), "cam-1", "e1")


def comes(x, y, come_s, leave_s=math.inf):
    """Walks in from a side, stands, and walks off."""
    side = -1 if x < 0 else 1
    begin_s, away_s = come_s - 9 / 1.4, leave_s + 9 / 1.4
    return Thing(
        "person",
        then(
            (come_s, moving(x + 9 * side, y, -1.4 * side, 0, begin_s)),
            (leave_s, at(x, y)),
            (away_s, moving(x, y, 1.4 * side, 0, leave_s)),
        ),
    )


def spot(index, spread_m=1.2):
    return (index % 4 - 1.5) * spread_m, 13 + index // 4 * spread_m


def gathered(count=12, begin_s=30.0, every_s=1.5, leave_s=120.0, spread_m=1.2):
    """They come one after the other, and leave."""
    return [
        comes(*spot(index, spread_m), begin_s + every_s * index, leave_s) for index in range(count)
    ]


def hidden_for_a_while():
    """People who stand together, and whom nothing shows for eight seconds."""

    def path(index):
        return lambda at_s: None if 60 < at_s < 68 else spot(index)

    return [Thing("person", path(index)) for index in range(14)]


@pytest.mark.parametrize("fps", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("calibrated", [True, False])
def test_many_who_come_together_and_stay_are_one_incident(calibrated, fps):
    steps = run(rule(calibrated), World(gathered()), 160, fps)
    assert [step.phase for step in steps if step.phase is not Phase.UPDATED] == [
        Phase.STARTED,
        Phase.ENDED,
    ]
    ended = steps[-1].incident
    # The sixth comes at 37.5 s.
    assert seconds(ended.opened_at) == pytest.approx(38.5, abs=2 + 2 / fps)
    assert seconds(ended.ended_at) == pytest.approx(121, abs=3 + 2 / fps)
    assert ended.end_reason is EndReason.CLEARED
    assert max(step.incident.detail["persons"] for step in steps) >= 6


@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("jitter", Flaws(jitter=0.03)),
        ("misses", Flaws(recall=0.8)),
        ("new ids", Flaws(switch_every_s=8)),
        ("all of it", Flaws(jitter=0.02, recall=0.85, switch_every_s=15)),
    ],
)
def test_flaws_neither_hide_nor_cut_it(scenario, flaws):
    steps = run(rule(), World(gathered(14), flaws=flaws), 160)
    assert len(of(steps, Phase.STARTED)) == len(of(steps, Phase.ENDED)) == 1, scenario


def stream(until_s, every_s):
    return [
        Thing("person", moving(-9, 12 + i % 8, 1.4, 0, every_s * i, every_s * i + 13))
        for i in range(int(until_s / every_s))
    ]


@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("nobody", []),
        ("too few", gathered(5)),
        ("who was there from the start", [Thing("person", at(*spot(i))) for i in range(14)]),
        ("who comes slowly, one in 20 s", gathered(12, 20, 20, 300)),
        ("many who stay far apart", gathered(16, spread_m=3.4)),
        ("a stream that passes", stream(200, 0.8)),
        (
            "a column that walks through",
            [Thing("person", moving(-16 + 0.8 * i, 14 + i % 2, 1.3, 0, 30, 60)) for i in range(12)],
        ),
        (
            "a crowd that a bus hides for eight seconds",
            hidden_for_a_while(),
        ),
    ],
)
@pytest.mark.parametrize("calibrated", [True, False])
def test_no_gathering(scenario, things, calibrated):
    world = World(things, flaws=Flaws(jitter=0.01, recall=0.95))
    assert run(rule(calibrated), world, 200, 4.0) == [], scenario


def test_what_begins_anew_after_a_pause_in_sight_of_a_crowd_is_no_gathering():
    watched, steps, world = rule(), [], World([Thing("person", at(*spot(i))) for i in range(14)])
    for t in times(150):
        if 40 < t < 44 or 80 < t < 100:
            continue
        # The tracker begins anew after each pause, with nobody in its first frame.
        begins = any(0 <= t - start < 0.3 for start in (0, 44, 100))
        steps += watched.observe(() if begins else world.tracks(t), moment(t)).transitions
    assert steps == []


def test_the_level_follows_the_size_of_the_group():
    steps = run(rule(min_persons=6), World(gathered(20, every_s=2.0)), 110)
    assert steps[0].incident.severity is Severity.LOW
    assert steps[-1].incident.severity is Severity.CRITICAL


def test_it_works_just_above_the_rate_that_it_needs_and_not_below():
    lowest = min_fps(RULES["crowding.gathering"], RULES["crowding.gathering"].Parameters())
    for factor, fires in ((1.1, True), (0.9, False)):
        steps = run(rule(), World(gathered(14, leave_s=300)), 200, factor * lowest)
        assert bool(steps) is fires


def test_the_reading_says_what_is_missing():
    watched = rule()
    run(watched, World([Thing("person", at(*spot(i))) for i in range(14)]), 40)
    (said,) = watched.explain(moment(40))
    assert {c.name: (c.value, c.holds) for c in said.conditions} == {
        "persons_together": (14, True),
        "growth": (0, False),
    }
