"""Heaps and overflowing bins: one incident each, by how much lies there and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.detections import Box
from pipelines.incident import Phase, Severity, Transition
from pipelines.rules import Rule, build_rule
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from tests.pipelines.rules.added_things import Added, Ground, dropped_by
from tests.pipelines.synthetic import Thing, View, at, moment, moving, of, seconds

VIEW = View()
PARK = ((-8, 9), (8, 9), (8, 30), (-8, 30))
BIN = ((-1.5, 12.5), (1.5, 12.5), (1.5, 15.5), (-1.5, 15.5))
BOTH = pytest.mark.parametrize("calibrated", [True, False])
HEAP = ((0.0, 14.0), (0.6, 14.2), (-0.5, 14.3), (0.3, 13.5), (0.9, 13.7), (-0.3, 14.8))


def rule(kind: str, calibrated: bool = True, **parameters: object) -> Rule:
    ground = BIN if kind.endswith("overflow") else PARK
    zone = VIEW.zone(*ground, calibrated=calibrated, name="place")
    return build_rule(RulePlan(f"littering.{kind}", (zone,), parameters), "cam-1", "e1")


def piled(every_s: float, end_s: float = 1e9, label: str = "bag", count: int = 6) -> Ground:
    """One person after the other leaves something at one spot."""
    owners, changes = list[Thing](), list[Added]()
    for number, (x, y) in enumerate(HEAP[:count]):
        drop_s = 10.0 + number * every_s
        walk = moving(x - 6.5, y, 1.3, 0, start=drop_s - 5, end=drop_s + 6)
        owners.append(Thing("person", walk))
        changes.append(dropped_by(x, y, drop_s, end_s, label=label))
    return Ground(owners, changes)


def widened(box: Box) -> Box:
    """Twice as wide and a little higher, on the same foot."""
    x1, y1, x2, y2 = box
    across = (x2 - x1) / 2
    return Box(x1 - across, y1 - (y2 - y1) / 4, x2 + across, y2)


def opened(steps: list[Transition]) -> list[float]:
    return [round(seconds(step.incident.opened_at), 1) for step in of(steps, Phase.STARTED)]


@BOTH
def test_a_heap_that_grows_is_one_heap_and_one_dropped_object(calibrated):
    heap = piled(11.0, end_s=120.0)
    steps = heap.watched_by(rule("exposed_rubbish", calibrated), 150)
    assert opened(steps) == [32.0], "from the third thing on"
    (started,), (ended,) = of(steps, Phase.STARTED), of(steps, Phase.ENDED)
    assert seconds(started.incident.updated_at) <= 32.0 + 12.0
    assert started.incident.severity is Severity.MEDIUM
    assert max(step.incident.detail["objects"] for step in steps) == 6
    assert max(step.incident.detail["area_m2"] for step in steps) == pytest.approx(1.0, rel=0.6)
    assert seconds(ended.incident.ended_at) == pytest.approx(122, abs=4)
    assert opened(heap.watched_by(rule("dropped_object", calibrated), 150)) == [10.0]


@BOTH
def test_few_things_are_no_heap_and_a_large_one_is(calibrated):
    assert piled(6.0, count=2).watched_by(rule("exposed_rubbish", calibrated), 60) == []
    large = piled(6.0, count=2, label="bin_bag")
    steps = large.watched_by(rule("exposed_rubbish", calibrated, min_area_m2=0.5), 60)
    assert len(of(steps, Phase.STARTED)) == 1


def test_things_that_are_put_against_each_other_are_counted_one_by_one():
    heap = piled(30.0, count=3)
    first = heap.changes[0].box
    heap.changes = [replace(one, box=first.towards(one.box, 0.2)) for one in heap.changes]
    steps = heap.watched_by(rule("exposed_rubbish"), 110)
    (started,) = of(steps, Phase.STARTED)
    assert seconds(started.incident.updated_at) <= 70.0 + 12.0
    bags = [Thing("bag", at(0, 14, start=10)), Thing("bag", at(0.45, 14, start=40))]
    two = Ground([*heap.things, *bags], heap.changes[:2])
    assert two.watched_by(rule("exposed_rubbish"), 110) == [], "by class and change, two are two"
    nobody = Ground(heap.things[:1], heap.changes)
    assert nobody.watched_by(rule("exposed_rubbish"), 110) == []


def grown(every_s: float = 11.0) -> Ground:
    """The same heap, as one change that grows: no class and no other change takes it apart."""
    heap = piled(every_s, count=4)
    later_s = tuple(one.start_s for one in heap.changes[1:])
    heap.changes = [replace(heap.changes[0], later_s=later_s)]
    return heap


@BOTH
def test_a_heap_that_is_one_change_is_told_a_confirm_window_after_its_third_thing(calibrated):
    steps = grown().watched_by(rule("exposed_rubbish", calibrated), 90)
    assert opened(steps) == [32.0]
    (started,) = of(steps, Phase.STARTED)
    assert seconds(started.incident.updated_at) <= 32.0 + 12.0
    assert max(step.incident.detail["objects"] for step in steps) == 4
    (bin_started,) = of(grown().watched_by(rule("bin_overflow", calibrated), 100), Phase.STARTED)
    assert seconds(bin_started.incident.opened_at) == pytest.approx(21.0, abs=0.5)


def test_what_nobody_put_there_and_what_is_somebodys_own_are_no_pieces():
    nobody = replace(grown(), things=grown().things[:1])
    nobody.changes = [replace(nobody.changes[0], later_s=(45.0, 60.0))]
    assert nobody.watched_by(rule("exposed_rubbish"), 90) == []
    own = replace(grown(), things=[*grown().things[:1], Thing("person", at(0.8, 14, start=19))])
    assert own.watched_by(rule("exposed_rubbish"), 90) == []


def test_classes_and_layers_of_one_change_are_not_added_up():
    heap = grown()
    heap.changes = [replace(heap.changes[0], later_s=heap.changes[0].later_s[:1])]
    bags = [Thing("bag", at(0, 14, start=10)), Thing("bag", at(0.4, 14.1, start=21))]
    heap.things = [*heap.things, *bags]
    assert heap.watched_by(rule("exposed_rubbish"), 90) == []


def test_what_lies_apart_is_no_heap():
    owners = [
        Thing("person", moving(x - 6.5, 14, 1.3, 0, start=5 + i, end=20 + i))
        for i, x in enumerate((-4, 0, 4))
    ]
    changes = [dropped_by(x, 14, 10.0 + i) for i, x in enumerate((-4, 0, 4))]
    assert Ground(owners, changes).watched_by(rule("exposed_rubbish"), 60) == []


def test_people_who_sit_among_their_bags_make_no_heap():
    heap = piled(4.0)
    heap.things = [Thing("person", at(x + 0.8, y)) for x, y in HEAP[::2]]
    assert heap.watched_by(rule("exposed_rubbish"), 80) == []


def test_its_severity_grows_with_its_area():
    heap = piled(11.0)
    steps = heap.watched_by(rule("exposed_rubbish"), 140)
    assert {step.incident.severity for step in steps} == {Severity.MEDIUM}
    heap = piled(11.0, label="bin_bag")
    heap.changes = [replace(one, box=widened(one.box)) for one in heap.changes]
    steps = heap.watched_by(rule("exposed_rubbish"), 140)
    levels = [step.incident.severity.level for step in steps]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (Severity.MEDIUM.level, Severity.HIGH.level)


@BOTH
def test_what_stays_beside_a_bin_is_an_overflow_after_a_minute(calibrated):
    steps = piled(11.0, end_s=160.0).watched_by(rule("bin_overflow", calibrated), 200)
    assert opened(steps) == [21.0], "from the second thing on"
    (started,), (ended,) = of(steps, Phase.STARTED), of(steps, Phase.ENDED)
    assert seconds(started.incident.updated_at) == pytest.approx(81.0, abs=1.5)
    assert seconds(ended.incident.ended_at) == pytest.approx(162, abs=4)


@pytest.mark.parametrize(
    "ground",
    [
        piled(11.0, end_s=60.0),
        piled(11.0, count=1),
        Ground([Thing("person", at(0.2, 14, start=i * 9, end=i * 9 + 6)) for i in range(12)], []),
        Ground([Thing("bag", moving(-5, 14, 0.5, 0, start=i * 20)) for i in range(5)], []),
        Ground(
            [Thing("person", at(0.2, 14))],
            [dropped_by(0.2, 14, 10.0, label="person"), dropped_by(1, 13.6, 9.0, label="person")],
        ),
    ],
    ids=["emptied in time", "one thing", "people who use it", "carried past", "people who sit"],
)
def test_a_bin_in_use_is_no_overflow(ground):
    assert ground.watched_by(rule("bin_overflow"), 120) == []


def test_things_outside_of_the_zone_of_the_bin_do_not_count():
    ground = piled(5.0)
    away = build_rule(
        RulePlan("littering.bin_overflow", (Zone("bin", ((0, 0), (0.2, 0), (0.2, 1), (0, 1))),)),
        "cam-1", "e1",
    )  # fmt: skip
    assert ground.watched_by(away, 120) == []


def test_both_say_how_far_they_are():
    own = rule("bin_overflow")
    piled(11.0).watched_by(own, 50)
    (said,) = own.explain(moment(50))
    assert said.stage == "confirming"
    assert said.elapsed_s == pytest.approx(29, abs=1)
    assert {one.name for one in said.conditions} == {"objects", "share_of_zone"}
    own = rule("exposed_rubbish")
    piled(11.0).watched_by(own, 12)
    assert [[one.value for one in said.conditions] for said in own.explain(moment(12))] == [[0, 0]]
    own = rule("exposed_rubbish")
    piled(11.0).watched_by(own, 36)
    (said,) = own.explain(moment(36))
    assert [one.holds for one in said.conditions] == [False, False]
    assert (said.conditions[0].value, said.conditions[0].limit) == (2.0, 3.0)
