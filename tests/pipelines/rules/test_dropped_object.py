"""What was left on the ground is one incident, however a detector calls it, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from models.detections import Box
from pipelines.incident import EndReason, Phase, Transition
from pipelines.rules import Rule, build_rule
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.rules.added_things import Ground, added, dropped_by
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
WHO_LEAVES = Thing("person", moving(-6.5, 14, 1.3, 0, end=10 + 10))
"""Is at x = 0 at 5 s and 3 m away at 7.3 s."""


def rule(calibrated: bool = True, **parameters: object) -> Rule:
    zone = VIEW.zone(*PARK, calibrated=calibrated, name="lawn")
    return build_rule(RulePlan("littering.dropped_object", (zone,), parameters), "cam-1", "e1")


def starts(steps: list[Transition]) -> list[float]:
    return [round(seconds(step.incident.opened_at), 1) for step in of(steps, Phase.STARTED)]


def noticed(steps: list[Transition]) -> list[float]:
    return [round(seconds(step.incident.updated_at), 1) for step in of(steps, Phase.STARTED)]


def passers(until_s: float) -> list[Thing]:
    """Somebody walks past every three seconds, before the thing and behind it."""
    return [
        Thing("person", moving(-6.5, 13.4 + start % 2, 1.3, 0, start=start, end=start + 10))
        for start in range(0, int(until_s), 3)
    ]


def who_leaves_at(x: float, drop_s: float, y: float = 14.0) -> Thing:
    """Walks through a spot at `drop_s`, and is 3 m away 2.3 s later."""
    return Thing("person", moving(x - 1.3 * 5, y, 1.3, 0, start=drop_s - 5, end=drop_s + 10))


@BOTH
@pytest.mark.parametrize("fps", [0.2, 1.0, 5.0])
def test_what_no_class_shows_is_found_by_who_left_it(calibrated, fps):
    ground = Ground([WHO_LEAVES], [dropped_by(0, 14, 5.0)])
    steps = ground.watched_by(rule(calibrated), 60, fps)
    assert starts(steps) == [5.0]
    assert 15.0 <= noticed(steps)[0] <= 16.0 + 2 / fps
    assert [one.label for one in steps[0].incident.subjects] == ["object"]


@BOTH
def test_a_class_names_the_change_and_makes_no_second_incident(calibrated):
    ground = Ground([WHO_LEAVES, Thing("bag", at(0, 14, start=5))], [dropped_by(0, 14, 5.0)])
    steps = ground.watched_by(rule(calibrated), 60)
    assert len(of(steps, Phase.STARTED)) == 1
    assert [one.label for one in steps[0].incident.subjects] == ["bag"]


def test_any_class_supports_a_change_that_nobody_was_seen_to_bring():
    change = dropped_by(0, 14, 5.0)
    assert Ground([], [change]).watched_by(rule(), 40) == []
    called_bird = Ground([Thing("bag", at(0, 14, start=6))], [change], label="bird")
    steps = called_bird.watched_by(rule(), 40)
    assert len(of(steps, Phase.STARTED)) == 1
    assert [one.label for one in steps[0].incident.subjects] == ["object"], "a bag is no bird"


@BOTH
def test_a_bag_left_under_passers_by_is_one_incident_until_it_is_taken(calibrated):
    ground = Ground([*passers(90), WHO_LEAVES], [dropped_by(0, 14, 5.0, 65.0)])
    steps = ground.watched_by(rule(calibrated), 100)
    assert starts(steps) == [5.0]
    (ended,) = of(steps, Phase.ENDED)
    assert ended.incident.end_reason is EndReason.CLEARED
    assert seconds(ended.incident.ended_at) == pytest.approx(67, abs=4)


BACK = Thing(
    "person",
    then(
        (5.5, moving(-6.5, 14, 1.3, 0)), (7.5, moving(0.6, 14, 2.5, 0, start=5.5)),
        (9.5, moving(5.6, 14, -2.6, 0, start=7.5)), (60, at(0.4, 14)),
    ),
)  # fmt: skip
STAYS = Thing("person", then((5, moving(-6.5, 14, 1.3, 0)), (99, at(0.5, 14))))


@BOTH
@pytest.mark.parametrize(
    ("scenario", "things", "changes"),
    [
        ("picked up after 5 s", [WHO_LEAVES], [dropped_by(0, 14, 5.0, 10.0)]),
        ("picked up within the confirm window", [WHO_LEAVES], [dropped_by(0, 14, 5.0, 14.0)]),
        ("the owner comes back to it", [BACK], [dropped_by(0, 14, 5.0)]),
        ("the owner stays with it", [STAYS], [dropped_by(0, 14, 5.0)]),
        ("the owner stays with it and passers-by cross", [STAYS, *passers(60)],
         [dropped_by(0, 14, 5.0)]),
        ("a shadow or a light where nobody was", [], [dropped_by(0, 14, 5.0)]),
        ("something was removed", [WHO_LEAVES], [dropped_by(0, 14, 5.0, removed=True)]),
        ("somebody sits down whom no class shows", [WHO_LEAVES],
         [dropped_by(0, 14, 5.0, label="person")]),
        ("a car that is seen now and then", [WHO_LEAVES, Thing("car", at(0, 14, start=7))],
         [dropped_by(0, 14, 5.0, label="car")]),
        ("a car that no class shows waits beside one that drives on",
         [Thing("car", then((16, at(2.4, 14)), (30, moving(2.4, 14, 0, 6, start=16))))],
         [dropped_by(0, 14, 8.0, label="car")]),
        ("a van parks beside it all the time, and nobody is seen", [Thing("truck", at(1.4, 15))],
         [dropped_by(0, 14, 5.0)]),
        ("a bag that was there at the start, missed for a while", [
            *passers(50), Thing("bag", then((14, at(2, 15)), (18, lambda t: None), (99, at(2, 15))))
        ], []),
    ],
)  # fmt: skip
def test_no_litter(scenario, things, changes, calibrated):
    assert Ground(things, changes).watched_by(rule(calibrated), 60) == [], scenario


def test_what_is_put_out_of_a_vehicle_counts_once_that_has_left():
    van = Thing("truck", then((20, at(2.2, 14)), (30, moving(2.2, 14, 6, 0, start=20))))
    steps = Ground([van], [dropped_by(0, 14, 8.0)]).watched_by(rule(), 60)
    assert starts(steps) == [8.0]
    assert noticed(steps)[0] >= 20.0


@BOTH
@pytest.mark.parametrize("label", ["bag", "bottle"])
def test_a_shaking_camera_makes_one_incident_per_object(label, calibrated):
    spots = ((-4.0, 13.0), (0.0, 14.0), (4.0, 15.0))
    owners = [who_leaves_at(x, 8.0 + i, y) for i, (x, y) in enumerate(spots)]
    things = [Thing(label, at(x, y, start=8.0 + i)) for i, (x, y) in enumerate(spots)]
    changes = [dropped_by(x, y, 8.0 + i, label=label) for i, (x, y) in enumerate(spots)]
    ground = Ground([*owners, *things], changes, shake=0.01)
    steps = ground.watched_by(rule(calibrated), 90)
    assert len(of(steps, Phase.STARTED)) == 3
    assert of(steps, Phase.ENDED) == []


def test_a_change_that_is_seen_in_parts_is_one_object():
    whole = VIEW.box(0, 14, "bin_bag")
    assert whole is not None
    x1, y1, x2, y2 = whole
    middle = (y1 + y2) / 2
    parts = [added(Box(x1, y1, x2, middle - 0.004), 5.0), added(Box(x1, middle, x2, y2), 6.5)]
    (started,) = of(Ground([WHO_LEAVES], parts).watched_by(rule(), 40), Phase.STARTED)
    assert len(started.incident.subjects) == 1
    assert started.incident.detail["objects"] == 1


def test_things_near_each_other_are_one_incident_and_others_are_not():
    spots = ((0.0, 14.0), (0.6, 14.3), (4.0, 14.0))
    owners = [who_leaves_at(x, 8.0 + 4 * i, y) for i, (x, y) in enumerate(spots)]
    changes = [dropped_by(x, y, 8.0 + 4 * i) for i, (x, y) in enumerate(spots)]
    steps = Ground([*owners], changes).watched_by(rule(), 80)
    assert starts(steps) == [8.0, 16.0]
    last = {step.incident.opened_at: step.incident.detail["objects"] for step in steps}
    assert list(last.values()) == [2.0, 1.0]


@pytest.mark.parametrize(
    ("evidence", "class_only", "change_only"),
    [("both", True, True), ("class", True, False), ("static_change", False, True)],
)
def test_the_evidence_that_counts_can_be_chosen(evidence, class_only, change_only):
    by_class = Ground([WHO_LEAVES, Thing("bag", at(0, 14, start=5))], [])
    by_change = Ground([WHO_LEAVES], [dropped_by(0, 14, 5.0)])
    for ground, fires in ((by_class, class_only), (by_change, change_only)):
        assert bool(ground.watched_by(rule(evidence=evidence), 40)) is fires


def test_without_the_signal_a_class_alone_counts():
    world = World([Thing("bag", at(2, 15))], flaws=Flaws(jitter=0.05))
    assert starts(run(rule(), world, 30)) == [0.0]


def test_an_open_incident_does_not_end_because_the_place_is_learned_with_it():
    ground = Ground([WHO_LEAVES], [dropped_by(0, 14, 5.0, 130.0)], settles_s=60.0)
    steps = ground.watched_by(rule(), 120)
    assert of(steps, Phase.ENDED) == []
    steps = ground.watched_by(rule(), 160)
    (ended,) = of(steps, Phase.ENDED)
    assert ended.incident.end_reason is EndReason.CLEARED
    assert seconds(ended.incident.ended_at) >= 130


def test_after_a_restart_what_was_open_is_reported_again_if_a_class_sees_it():
    first, t = rule(), 40.0
    things = [WHO_LEAVES, Thing("bag", at(0, 14, start=5))]
    assert len(Ground(things, [dropped_by(0, 14, 5.0)]).watched_by(first, t)) == 1
    memory = first.remember(moment(t))
    lying = World([Thing("bag", at(0, 14))])
    for remembered, reported in ((memory, 1), ({}, 0)):
        again = rule()
        again.recall(remembered, 30.0, moment(t))
        steps = Ground(lying.things, [], start_s=t).watched_by(again, t + 40)
        assert len(of(steps, Phase.STARTED)) == reported
    unseen = rule()
    unseen.recall(memory, 30.0, moment(t))
    assert Ground([], [], start_s=t).watched_by(unseen, t + 200) == []


def test_it_says_what_decides():
    own = rule()
    ground = Ground([STAYS], [dropped_by(0, 14, 5.0)])
    ground.watched_by(own, 30)
    (said,) = own.explain(moment(30))
    assert said.place == "lawn"
    assert said.subject.startswith("object at ")
    fails = {one.name for one in said.conditions if not one.holds}
    assert fails == {"nobody_stays"}
    assert "somebody stays with it" in said.note
    ground = Ground([WHO_LEAVES], [dropped_by(0, 14, 5.0)])
    own = rule()
    ground.watched_by(own, 30)
    (said,) = own.explain(moment(30))
    assert said.stage == "open"
    assert all(one.holds for one in said.conditions)
    json.dumps([asdict(one) for one in own.explain(moment(30))], allow_nan=False)
    assert "somebody brought it" in said.note
