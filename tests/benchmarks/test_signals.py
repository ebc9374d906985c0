"""`cityeye bench signals`: what it asks for, what it counts, and what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.place_watch import CONDITIONS, drawn, shown
from benchmarks.signals import SignalsBenchmark, placed_things, run, watch
from pipelines.signals import ChangeKind
from simulation.scenes import left_things

SECONDS = 50.0


@pytest.fixture(scope="module")
def park():
    scene = left_things(1)
    return drawn(scene, 1, SECONDS), placed_things(scene, SECONDS)


def test_things_are_asked_for_when_they_are_put_down_and_when_they_are_taken(park):
    _, things = park
    asked = [(one.kind, round(one.start_s)) for one in things if one.is_asked]
    assert (ChangeKind.ADDED, 15) in asked
    assert (ChangeKind.REMOVED, 25) in asked
    late = [one for one in things if one.end_s - one.start_s < 20]
    assert late
    assert not any(one.is_asked for one in late)


def test_what_is_told_of_a_thing_is_found_and_what_is_told_of_nothing_is_false(park):
    frames, things = park
    figures = watch(frames, things, "plain", 1)
    assert figures.seconds == SECONDS
    assert figures.asked[ChangeKind.ADDED] == len(figures.found[ChangeKind.ADDED]) > 0
    assert all(6.0 <= after_s <= 25.0 for after_s in figures.found[ChangeKind.ADDED])
    assert (figures.false_changes, figures.false_views) == (0, 0)
    nobody_asked = watch(frames, [], "plain", 1)
    assert nobody_asked.false_changes > 0
    as_removed = [replace(one, kind=ChangeKind.REMOVED) for one in things]
    assert watch(frames, as_removed, "plain", 1).false_changes > 0


def test_a_condition_changes_the_image_and_the_same_seed_gives_the_same_one(park):
    frames, _ = park
    first = {name: next(shown(frames[60:], what, 3)) for name, (_, what) in CONDITIONS.items()}
    again = {name: next(shown(frames[60:], what, 3)) for name, (_, what) in CONDITIONS.items()}
    for name, luma in first.items():
        assert np.array_equal(luma, again[name])
    for name in ("all lights switched", "one lamp switched", "shaking camera", "cloud shadow"):
        assert not np.array_equal(first[name], first["plain"]), name


def test_a_result_has_every_place_and_a_row_for_each_condition():
    said = []
    benchmark = SignalsBenchmark(seeds=1, seconds=4.0, conditions=("plain", "clouds"), first_seed=5)
    result = run(benchmark, said.append)
    assert [row[0] for row in result.tables[0].rows] == ["plain", "clouds"]
    places = {metric.name.partition("place=")[2] for metric in result.metrics}
    assert places == {"park]", "square]", "busy square]", "busy crossroad]"}
    assert result.settings["first_seed"] == 5
    assert len(said) == 4


def test_an_unknown_condition_is_refused_with_those_there_are():
    with pytest.raises(BenchmarkError, match="no condition 'hail'; there are: plain, clouds"):
        run(SignalsBenchmark(conditions=("hail",)), print)
