"""Incidents of one cause carry one group; others do not, whatever is open beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pipelines.rules
from models.detections import Box
from pipelines.incident import Incident, Phase, Severity, Subject, Transition
from pipelines.incident_groups import MOST, IncidentGroups
from pipelines.rules import RULES
from pipelines.rules.zone import GroundCalibration, Zone
from tests.pipelines.synthetic import WHOLE, moment

BAG, JAM, STOPPED = "littering.dropped_object", "traffic.congestion", "traffic.stopped_vehicle"
LANE = Zone("lane", ((0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)))
EDGES = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
METRES = GroundCalibration(EDGES, ((0.0, 0.0), (100.0, 0.0), (100.0, 50.0), (0.0, 50.0)))


def opened(name, kind=BAG, at_s=0.0, x=0.5, zone="square", size=0.02):
    box = Box(x - size / 2, 0.8 - size, x + size / 2, 0.8)
    subject = Subject(1, "thing", box, 0.9)
    at = moment(at_s).utc
    one = Incident(name, kind, "gate", zone, Severity.LOW, at, at, None, None, (subject,))
    return Transition(Phase.STARTED, one)


PLACES = (Zone("square", WHOLE), LANE)


@pytest.fixture(autouse=True)
def stopped_vehicles(monkeypatch):
    """A rule of its kind, each vehicle an incident of its own."""
    rule = replace(RULES[BAG], kind=STOPPED, task="traffic")
    monkeypatch.setattr(pipelines.rules, "RULES", {**RULES, STOPPED: rule})


def groups_of(*steps, places=PLACES):
    groups = IncidentGroups(places)
    return {one.incident.id: groups.follow(one).incident.group for one in steps}


def test_bags_near_each_other_in_place_and_time_are_one_group():
    found = groups_of(
        opened("a"),
        opened("b", at_s=60, x=0.55),
        opened("far", at_s=61, x=0.9),
        opened("late", at_s=500, x=0.5),
    )
    assert found == {"a": "a", "b": "a", "far": "far", "late": "late"}


def test_a_chain_of_bags_does_not_make_a_group_without_end():
    chain = [opened(f"{n:02}", at_s=200.0 * n) for n in range(6)]
    assert [*groups_of(*chain).values()] == ["00", "00", "02", "02", "04", "04"]


@pytest.mark.parametrize(("x", "group"), [(0.54, "a"), (0.56, "b")])
def test_calibrated_cameras_group_by_metres(x, group):
    places = (Zone("square", WHOLE, METRES),)
    assert groups_of(opened("a"), opened("b", x=x), places=places)["b"] == group


@pytest.mark.parametrize("order", [(JAM, STOPPED), (STOPPED, JAM)])
def test_a_stopped_vehicle_within_the_zone_of_a_jam_is_of_its_group(order):
    zones = {JAM: "lane", STOPPED: "square"}
    steps = [
        opened(name, kind, 10.0 * n, 0.3, zones[kind])
        for n, (name, kind) in enumerate(zip("ab", order, strict=True))
    ]
    assert groups_of(*steps) == {"a": "a", "b": "a"}


def test_a_stopped_vehicle_outside_or_after_a_jam_is_alone():
    jam = opened("a", JAM, 0, 0.3, "lane")
    assert groups_of(jam, opened("b", STOPPED, 5, 0.8))["b"] == "b"
    over = Transition(Phase.ENDED, jam.incident)
    assert groups_of(jam, over, opened("b", STOPPED, 5, 0.3))["b"] == "b"


def test_other_families_and_two_jams_in_a_row_are_no_group():
    assert groups_of(opened("a", JAM), opened("b", "crowding.density"))["b"] == "b"
    assert groups_of(opened("a", JAM), opened("b", JAM, 5))["b"] == "b"


def test_the_group_stays_through_updates_and_the_end():
    groups = IncidentGroups((Zone("square", WHOLE),))
    second = opened("b", x=0.52).incident
    steps = [opened("a"), *(Transition(phase, second) for phase in Phase)]
    assert [groups.follow(step).incident.group for step in steps] == ["a"] * 4


def test_what_is_remembered_is_bounded():
    groups = IncidentGroups((Zone("square", WHOLE),))
    for n in range(2 * MOST):
        step = opened(f"{n:04}", at_s=400.0 * n)
        groups.follow(step)
        groups.follow(Transition(Phase.ENDED, step.incident))
    assert (
        groups.follow(Transition(Phase.UPDATED, opened("0000").incident)).incident.group == "0000"
    )
    assert groups.remembered <= MOST
