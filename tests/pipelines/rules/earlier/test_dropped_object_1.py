from __future__ import annotations

import pytest

from pipelines.incident import EndReason, Phase, Severity
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
    then,
)

VIEW = View()
PARK = ((-8, 9), (8, 9), (8, 30), (-8, 30))

BOTH = pytest.mark.parametrize("calibrated", [True, False])


def rule(calibrated=True, **parameters):
    zone = VIEW.zone(*PARK, calibrated=calibrated, name="lawn")
    return build_rule(
        RulePlan("littering.dropped_object", (zone,), parameters, version="1"), "cam-1", "e1"
    )


def starts(steps):
    return [round(seconds(step.incident.opened_at), 1) for step in of(steps, Phase.STARTED)]


def ends(steps):
    return [round(seconds(step.incident.ended_at), 1) for step in of(steps, Phase.ENDED)]


def passer(start, y=14.6, way=1):
    """Walks past from side to side; is at x = 0 at `start` + 5 s."""
    return Thing("person", moving(-6.5 * way, y, 1.3 * way, 0, start=start, end=start + 10))


LITTERER = Thing("person", moving(-6.5, 14, 1.3, 0, end=10))
"""Is at x = 0 at 5 s and 3 m away at 7.3 s."""

DROPPED = at(0, 14, start=5)


@BOTH
@pytest.mark.parametrize("label", ["bag", "bottle", "bin_bag"])
@pytest.mark.parametrize("fps", [1.0, 5.0])
def test_who_walks_on_leaves_litter(calibrated, label, fps):
    world = World([LITTERER, Thing(label, DROPPED)])
    steps = run(rule(calibrated), world, 40, fps)
    (started,) = of(steps, Phase.STARTED)
    assert 5 <= seconds(started.incident.opened_at) <= 9.5
    assert [subject.label for subject in started.incident.subjects] == [label]
    assert of(steps, Phase.ENDED) == []


@BOTH
def test_what_lay_there_when_the_camera_started_counts_after_confirmation(calibrated):
    steps = run(rule(calibrated), World([Thing("bag", at(2, 15))]), 20)
    assert starts(steps) == [0.0]
    assert seconds(steps[0].incident.updated_at) == pytest.approx(6, abs=0.3)


@BOTH
@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("an empty park", []),
        ("people alone", [passer(0), passer(8), Thing("person", at(2, 15))]),
        ("somebody stands beside their bag", [
            Thing("person", at(1.0, 14)), Thing("bag", at(0.3, 14)),
        ]),
        ("somebody puts a bag down and stays", [
            Thing("person", then((5, moving(-6, 14, 1.3, 0)), (99, at(0.5, 14)))),
            Thing("bag", then((5, moving(-5.6, 14, 1.3, 0)), (99, at(0.9, 14)))),
        ]),
        ("somebody paces up and down beside their bag", [
            Thing("person", lambda t: (1.5 * (1 - abs((t / 2) % 2 - 1)), 14)),
            Thing("bag", at(0.3, 14)),
        ]),
        ("a bag is carried past", [
            passer(0), Thing("bag", moving(-6.1, 14.6, 1.3, 0, end=10)),
        ]),
        ("a bag is put down, left for 3 s and fetched", [
            Thing("person", then(
                (6, moving(-6.5, 14, 1.3, 0)), (8, moving(1.3, 14, 2, 0, start=6)),
                (11, moving(5.3, 14, -1.6, 0, start=8)), (99, at(0.5, 14)),
            )),
            Thing("bag", at(0, 14, start=5)),
        ]),
        ("a bag is dragged along slowly", [Thing("bag", moving(-4, 14, 0.25, 0))]),
        ("a bag lies for 4 s", [Thing("bag", at(0, 14, start=3, end=7))]),
        ("a bag outside the zone", [Thing("bag", at(12, 20))]),
        ("cars", [Thing("car", at(0, 14)), Thing("truck", at(4, 22))]),
    ],
)  # fmt: skip
def test_no_litter(scenario, things, calibrated):
    assert run(rule(calibrated), World(things), 30) == [], scenario


@BOTH
def test_people_who_walk_past_neither_reset_nor_end_it(calibrated):
    walkers = [passer(start, way=1 if start % 2 else -1) for start in range(0, 50, 3)]
    world = World([*walkers, Thing("bag", at(0, 14, start=4))])
    steps = run(rule(calibrated), world, 60)
    assert len(of(steps, Phase.STARTED)) == 1
    assert starts(steps)[0] < 12
    assert of(steps, Phase.ENDED) == []


@BOTH
@pytest.mark.parametrize(
    ("scenario", "flaws"),
    [
        ("jitter", Flaws(jitter=0.06)),
        ("misses", Flaws(recall=0.5)),
        ("ids that change", Flaws(switch_every_s=3)),
        ("not seen for 6 s now and then", Flaws(hidden={1: lambda t: t > 20 and t % 20 < 6})),
        ("all of it", Flaws(jitter=0.04, recall=0.6, switch_every_s=5)),
    ],
)
def test_flaws_do_not_make_two_incidents_of_one_object(scenario, flaws, calibrated):
    world = World([LITTERER, Thing("bag", at(0, 14, start=5, end=70))], flaws=flaws)
    steps = run(rule(calibrated), world, 90)
    assert len(of(steps, Phase.STARTED)) == 1, scenario
    assert ends(steps) == [pytest.approx(70, abs=3)], scenario


@BOTH
def test_it_ends_when_the_object_is_taken_away(calibrated):
    cleaner = Thing("person", then((38, moving(-8, 14, 1.3, 0, start=32)), (40, at(-0.3, 14))))
    world = World([cleaner, Thing("bin_bag", at(0, 14, end=40))])
    steps = run(rule(calibrated), world, 60)
    assert starts(steps) == [0.0]
    (ended,) = of(steps, Phase.ENDED)
    assert seconds(ended.incident.ended_at) == pytest.approx(40, abs=0.5)
    assert ended.incident.end_reason is EndReason.CLEARED
    assert ended.incident.subjects[0].label == "bin_bag"


def test_what_is_hidden_behind_somebody_is_not_gone():
    sitter = Thing("person", at(0.1, 13.4, start=20, end=50))
    hidden = Flaws(hidden={1: lambda t: 20 <= t < 50})
    steps = run(rule(), World([sitter, Thing("bag", at(0, 14, end=60))], flaws=hidden), 80)
    assert len(of(steps, Phase.STARTED)) == 1
    assert ends(steps) == [pytest.approx(60, abs=0.5)]


def test_an_owner_who_comes_back_does_not_end_what_has_begun():
    things = [Thing("bag", at(0, 14)), Thing("person", at(0.8, 14, start=20))]
    steps = run(rule(), World(things), 60)
    assert of(steps, Phase.ENDED) == []


def test_an_owner_who_is_missed_for_a_moment_is_still_there():
    things = [Thing("person", at(1, 14)), Thing("bag", at(0.3, 14))]
    hidden = Flaws(hidden={0: lambda t: t % 6 > 4.5}, switch_every_s=7)
    assert run(rule(), World(things, flaws=hidden), 60) == []


def test_every_object_is_an_incident_of_its_own():
    things = [Thing("bag", at(x, 14, start=abs(x))) for x in (-4, -2, 0, 2, 4)]
    steps = run(rule(), World(things), 30)
    started = of(steps, Phase.STARTED)
    assert len({step.incident.id for step in started}) == 5
    assert len({step.incident.subjects[0].track for step in started}) == 5


def test_a_bag_that_blows_on_is_one_place_after_the_other():
    path = then((20, at(-3, 14)), (22, moving(-3, 14, 2, 0, start=20)), (60, at(1, 14)))
    steps = run(rule(), World([Thing("bag", path)]), 50)
    assert starts(steps) == [0.0, pytest.approx(22, abs=0.6)]
    assert ends(steps) == [pytest.approx(20, abs=0.8)]


def test_within_the_cool_down_the_same_place_stays_quiet_and_opens_after_it():
    path = then((20, at(0, 14)), (32, lambda t: None), (99, at(0, 14)))
    steps = run(rule(cooldown_s=30), World([Thing("bag", path)]), 80)
    assert starts(steps) == [0.0, pytest.approx(32, abs=0.5)]
    assert seconds(of(steps, Phase.STARTED)[1].incident.updated_at) >= 49.5


def test_the_next_thing_at_the_same_place_has_its_own_owner():
    owner = Thing("person", then((33, moving(-6, 14, 1.3, 0, start=29)), (99, at(-0.6, 14))))
    path = then((20, at(0, 14)), (34, lambda t: None), (99, at(0, 14)))
    steps = run(rule(cooldown_s=5), World([owner, Thing("bag", path)]), 70)
    assert starts(steps) == [0.0]


def test_a_second_thing_dropped_at_the_same_place_counts_from_when_its_owner_left():
    litterer = Thing("person", moving(-6.5, 14, 1.3, 0, start=29, end=39))
    path = then((20, at(0, 14)), (34, lambda t: None), (99, at(0, 14)))
    steps = run(rule(cooldown_s=20), World([litterer, Thing("bag", path)]), 60)
    assert starts(steps) == [0.0, pytest.approx(36.3, abs=0.8)]


def test_the_owner_distance_is_in_metres_on_calibrated_ground():
    things = [Thing("person", at(2.5, 14)), Thing("bag", at(0, 14))]
    assert run(rule(), World(things), 20) == []
    assert starts(run(rule(owner_distance_m=2), World(things), 20)) == [0.0]


def test_severity_is_that_of_the_object_and_of_its_time():
    bottle = run(rule(confirm_s=2), World([Thing("bottle", at(0, 12))]), 10, fps=1)
    heap = run(rule(confirm_s=2), World([Thing("bin_bag", at(0, 12))]), 10, fps=1)
    old = run(rule(confirm_s=2), World([Thing("bag", at(0, 12))]), 400, fps=0.5)
    assert bottle[-1].incident.severity is Severity.LOW
    assert heap[-1].incident.severity is Severity.MEDIUM
    assert old[-1].incident.severity is Severity.MEDIUM


def test_close_ends_every_object():
    watch = rule()
    run(watch, World([Thing("bag", at(-3, 14)), Thing("bottle", at(3, 14))]), 10)
    ended = watch.close(EndReason.SHUTDOWN, moment(10)).transitions
    assert [step.incident.end_reason for step in ended] == [EndReason.SHUTDOWN] * 2
    assert watch.close(EndReason.SHUTDOWN, moment(11)).transitions == ()


def test_who_stands_well_behind_the_object_does_not_attend_it():
    things = [Thing("person", at(0, 18.5)), Thing("bag", at(0, 14))]
    assert starts(run(rule(calibrated=False), World(things), 20)) == [0.0]


def test_a_market_full_of_carried_bags_stays_quiet_and_still_finds_what_is_dropped():
    carried = [
        thing
        for i in range(24)
        for thing in (
            Thing("person", moving(-8 + 0.6 * i, 12 + 0.7 * i, 1.1, 0.05)),
            Thing("bag", moving(-7.7 + 0.6 * i, 12 + 0.7 * i, 1.1, 0.05)),
        )
    ]
    flaws = Flaws(jitter=0.03, recall=0.9, switch_every_s=8)
    assert run(rule(), World(carried, flaws=flaws), 12) == []


def test_a_lot_that_moves_leaves_room_for_what_lies():
    def to_and_fro(y):
        return lambda t: (-7 + 14 * abs((t * 0.2 + y / 7) % 2 - 1), y)

    things = [Thing("bag", to_and_fro(14 + 0.5 * i)) for i in range(30)]
    steps = run(rule(), World([*things, Thing("bag", at(0, 12, start=4))]), 15)
    assert starts(steps) == [pytest.approx(4, abs=0.3)]


def test_more_litter_than_can_be_watched_loses_no_incident_that_has_begun():
    things = [
        Thing("bottle", at(-7.5 + i % 16, 10 + 1.1 * (i // 16), start=10 * (i // 96), end=60))
        for i in range(128)
    ]
    watch = rule(owner_distance_m=1)
    steps = run(watch, World(things), 80, fps=0.5)
    assert 96 <= len(of(steps, Phase.STARTED)) <= 110
    assert {s.incident.id for s in of(steps, Phase.STARTED)} == {
        s.incident.id for s in of(steps, Phase.ENDED)
    }
