"""Persons in a zone by the minute: mean, least, most, error and density."""

from __future__ import annotations

import pytest

from pipelines.incident import EndReason
from pipelines.rules import RULES, build_rule, min_fps
from pipelines.rules.rule_plan import RulePlan
from tests.pipelines.synthetic import START, Flaws, Thing, View, World, at, moment, times

VIEW = View()
SQUARE = ((-4, 10), (4, 10), (4, 18), (-4, 18))
"""64 m²."""
FIRST_S = 30.0
"""Half a minute of the clock: what is measured first is half a minute long."""

NO_FLAWS = Flaws()


def measured(things, until_s=150.0, calibrated=True, fps=5.0, flaws=NO_FLAWS, pause=(0.0, 0.0)):
    zone = VIEW.zone(*SQUARE, calibrated=calibrated, name="square")
    rule = build_rule(RulePlan("crowding.head_count", (zone,)), "cam-1", "e1")
    world, found = World(things, flaws=flaws), []
    for t in times(until_s, fps, FIRST_S):
        if pause[0] <= t < pause[1]:
            continue
        result = rule.observe(world.tracks(t), moment(t))
        assert not result.transitions
        found += result.measurements
    return found + list(rule.close(EndReason.SHUTDOWN, moment(until_s)).measurements)


def stay(count, start=0.0, end=1e9):
    return [
        Thing("person", at(-3.5 + i % 8, 11 + 1.2 * (i // 8), start, end)) for i in range(count)
    ]


def test_each_minute_has_mean_least_most_and_error():
    counts = [
        one for one in measured([*stay(4), *stay(8, 50, 70)[4:]]) if one.kind == "crowding.count"
    ]
    assert [(one.begins_at - START).total_seconds() for one in counts] == pytest.approx(
        [30, 60, 120]
    )
    begin, first, second = counts
    assert (begin.value, begin.ends_at) == (pytest.approx(5.3, abs=0.3), first.begins_at)
    # The four others are there for 10 s of the minute.
    assert first.value == pytest.approx(4 + 4 / 6, abs=0.15)
    assert (first.detail["min"], first.detail["max"]) == (4, 8)
    assert (second.value, second.detail["min"], second.detail["max"]) == (4, 4, 4)
    assert 0.3 < second.detail["error"] < 2.0
    assert first.detail["watched_s"] == pytest.approx(60, abs=0.3)
    assert {(one.unit, one.zone, one.camera) for one in counts} == {("1", "square", "cam-1")}


def test_density_is_measured_where_the_zone_is_calibrated_and_nowhere_else():
    density = [one for one in measured(stay(16)) if one.kind == "crowding.density"]
    assert {one.unit for one in density} == {"1/m2"}
    assert density[0].value == pytest.approx(16 / 64, abs=0.01)
    assert density[0].detail["max_per_m2"] == pytest.approx(16 / 64, abs=0.01)
    assert {one.kind for one in measured(stay(16), calibrated=False)} == {"crowding.count"}


def test_a_pause_counts_as_not_watched_and_does_not_lower_the_mean():
    _, minute, *_ = measured(stay(6), calibrated=False, pause=(75, 105))
    assert minute.value == 6
    assert minute.detail["watched_s"] == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize("fps", [0.11, 0.5, 5.0])
def test_it_counts_at_every_rate_that_it_allows(fps):
    assert fps > min_fps(RULES["crowding.head_count"], RULES["crowding.head_count"].Parameters())
    counts = measured(stay(6), 400, calibrated=False, fps=fps, flaws=Flaws(jitter=0.03))
    assert len(counts) >= 5
    assert {one.value for one in counts} == {6.0}


def test_below_its_lowest_rate_it_measures_nothing():
    lowest = min_fps(RULES["crowding.head_count"], RULES["crowding.head_count"].Parameters())
    assert measured(stay(6), 600, fps=0.9 * lowest) == []


def test_an_empty_zone_is_measured_as_empty():
    assert {one.value for one in measured([])} == {0.0}


def test_it_says_that_it_only_measures_and_what():
    zone = VIEW.zone(*SQUARE, name="square")
    rule, world = (
        build_rule(RulePlan("crowding.head_count", (zone,)), "cam-1", "e1"),
        World(stay(6)),
    )
    for t in times(5):
        rule.observe(world.tracks(t), moment(t))
    (said,) = rule.explain(moment(5))
    assert (said.holds, said.note) == (None, "it only measures: 6 persons")
