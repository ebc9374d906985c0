from __future__ import annotations

import itertools
from collections import Counter

import pytest

from models.detections import Box
from pipelines.incident import EndReason
from pipelines.rules import build_rule
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Line
from pipelines.tracker import CameraTracker
from tests.pipelines.synthetic import (
    FULL,
    LABELS,
    LETTERBOX,
    MONO_START_S,
    Flaws,
    Thing,
    View,
    World,
    at,
    moment,
    moving,
    then,
    times,
)

VIEW = View()
GATE = Line("gate", VIEW.point(-6, 20), VIEW.point(6, 20))
"""Crossed downwards in the image, which is towards the camera."""


def counter(line=GATE, **parameters):
    return build_rule(RulePlan("traffic.line_count", (), parameters, (line,)), "cam-1", "e1")


def towards(x, start=0.0, speed_mps=11.0, label="car"):
    return Thing(label, moving(x, 55, 0, -speed_mps, start=start, end=start + 45 / speed_mps))


def away(x, start=0.0, speed_mps=9.0, label="car"):
    return Thing(label, moving(x, 9, 0, speed_mps, start=start, end=start + 45 / speed_mps))


TRAFFIC = [
    *(towards(-3, 2.3 * k, label="truck" if k % 4 == 0 else "car") for k in range(40)),
    *(towards(-0.5, 1.1 + 3.1 * k, 8) for k in range(30)),
    *(away(3, 2.9 * k, label="bus" if k % 5 == 0 else "car") for k in range(32)),
]


def count(world, until, fps=5.0, own=None, track=False):
    """Adds up all that is measured, with tracks of the world or of the real tracker."""
    own, tracker = own or counter(), CameraTracker(LABELS, itertools.count(1), fps)
    measured = []
    for t in times(until, fps):
        if track:
            found, _ = world.detections(t)
            tracks = tracker.update(found, LETTERBOX, MONO_START_S + t)
        else:
            tracks = world.tracks(t)
        measured += own.observe(tracks, moment(t)).measurements
    measured += own.close(EndReason.SHUTDOWN, moment(until)).measurements
    total = Counter()
    for one in measured:
        total.update({name: int(n) for name, n in one.detail.items() if name != "watched_s"})
        assert one.value == one.detail["forward"] + one.detail["backward"]
    return {name: n for name, n in total.items() if n}, measured


def test_each_minute_says_who_crossed_by_label_and_direction():
    found, measured = count(World(TRAFFIC), 130)
    assert found == {
        "forward": 70,
        "backward": 32,
        "car_forward": 60,
        "truck_forward": 10,
        "car_backward": 25,
        "bus_backward": 7,
    }
    assert [(one.ends_at - one.begins_at).total_seconds() for one in measured] == [60, 60, 10]
    assert {(one.kind, one.line, one.zone, one.unit) for one in measured} == {
        ("traffic.count", "gate", "", "1")
    }
    assert measured[0].detail["watched_s"] == pytest.approx(60, abs=0.5)


@pytest.mark.parametrize("fps", [5.0, 3.5])
@pytest.mark.parametrize("flaws", [Flaws(), Flaws(jitter=0.03, recall=0.9)], ids=["truth", "flaws"])
def test_behind_the_real_tracker_counts_are_right_to_a_few_per_cent(fps, flaws):
    assert FULL.width / FULL.height == pytest.approx(VIEW.aspect)
    found, _ = count(World(TRAFFIC, flaws=flaws), 130, fps, track=True)
    assert found["forward"] == pytest.approx(70, abs=2)
    assert found["backward"] == pytest.approx(32, abs=1)


@pytest.mark.parametrize("seed", range(4))
def test_ids_that_change_at_the_line_neither_hide_nor_double_a_vehicle(seed):
    flaws = Flaws(switch_every_s=0.7, jitter=0.02, recall=0.9, seed=seed)
    found, _ = count(World(TRAFFIC, flaws=flaws), 130)
    assert found["forward"] == pytest.approx(70, abs=3)
    assert found["backward"] == pytest.approx(32, abs=2)


@pytest.mark.parametrize("fps", [5.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_car_that_stands_on_the_line_and_shakes_counts_once_at_most(fps, seed):
    stands = Thing("car", then((8, moving(0, 46, 0, -3)), (300, at(0, 22.2))))

    class Shaken(World):
        def tracks(self, t):
            dx, dy = self._rng.normal(0, 0.01, 2)
            return tuple(
                one._replace(box=Box(*(a + b for a, b in zip(one.box, (dx, dy) * 2, strict=True))))
                for one in super().tracks(t)
            )

    found, _ = count(Shaken([stands], flaws=Flaws(seed=seed, jitter=0.03)), 300, fps)
    assert found in ({}, {"forward": 1, "car_forward": 1})


def test_who_begins_before_or_on_the_line_counts_and_who_begins_behind_it_does_not():
    def first_seen_at(y):
        return Thing("car", moving(0, y, 0, -9, end=2))

    # The foot of a car is 2.2 m before its middle.
    for y, crossed in ((26, 1), (22.6, 1), (21.8, 0), (16, 0)):
        assert count(World([first_seen_at(y)]), 5)[0].get("forward", 0) == crossed, y


def test_who_crossed_between_the_first_detection_and_the_first_track_counts():
    own, world = counter(), World([Thing("car", moving(0, 21, 0, -9, end=2))])
    for t in times(3):
        tracks = [one._replace(first_seen_s=MONO_START_S - 0.4) for one in world.tracks(t)]
        own.observe(tracks, moment(t))
    (measured,) = own.close(EndReason.SHUTDOWN, moment(3)).measurements
    assert measured.value == 1


def test_who_is_lost_just_behind_the_line_counts():
    lost = Thing("car", moving(0, 40, 0, -9, end=2.2))
    assert count(World([lost]), 6)[0] == {"forward": 1, "car_forward": 1}


def test_who_passes_beside_the_line_does_not_count_and_a_return_counts_both_ways():
    short = Line("gate", VIEW.point(-1, 20), VIEW.point(1, 20))
    assert count(World([towards(4), away(-4)]), 8, own=counter(short))[0] == {}
    legs = ((5, moving(0, 36, 0, -5)), (12, moving(0, 11, 0, 5, start=5)))
    found, _ = count(World([Thing("car", then(*legs))]), 12)
    assert (found["forward"], found["backward"]) == (1, 1)


def test_only_the_labels_that_are_asked_for_count_and_no_riders():
    things = [towards(0, label="bus"), towards(2, 2, 3, "person"), towards(-2, 1)]
    assert count(World(things), 25, own=counter(labels=["Bus", "person"]))[0] == {
        "forward": 2,
        "bus_forward": 1,
        "person_forward": 1,
    }

    class Riding(World):
        def tracks(self, t):
            return tuple(one._replace(rides=7) for one in super().tracks(t))

    assert count(Riding([towards(0, 0, 3, "person")]), 20, own=counter(labels=["person"]))[0] == {}


def test_a_minute_in_which_nobody_crosses_is_measured_too():
    _, measured = count(World([]), 70)
    assert [one.value for one in measured] == [0.0, 0.0]
