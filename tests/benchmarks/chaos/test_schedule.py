"""A schedule reaches every kind often enough, is repeatable, and can be gone on with."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.chaos.campaign import ChaosOptions
from benchmarks.chaos.kinds import FAULT_KINDS, hold_s
from benchmarks.chaos.schedule import TOGETHER, in_groups, missing, planned_faults
from benchmarks.errors import BenchmarkError

LEAST = {"a": 5, "b": 5, "c": 3}


def test_every_kind_comes_as_often_as_asked():
    assert Counter(fault.kind for fault in planned_faults(1, LEAST)) == LEAST


def test_there_are_twenty_kinds_and_two_hundred_faults():
    faults = ChaosOptions().schedule()
    counts = Counter(fault.kind for fault in faults)
    assert len(counts) >= 20
    assert len(faults) >= 200
    assert min(counts.values()) >= 3
    assert {kind for kind, count in counts.items() if count < 5} == {
        kind for kind, one in FAULT_KINDS.items() if one.rare
    }


def test_a_seed_gives_the_same_schedule_and_another_seed_another_one():
    assert planned_faults(1, LEAST) == planned_faults(1, LEAST)
    assert planned_faults(1, LEAST) != planned_faults(2, LEAST)


def test_a_run_that_begins_later_meets_the_same_faults():
    whole = ChaosOptions(seed=3).schedule()
    assert ChaosOptions(seed=3, first=40, faults=20).schedule() == whole[40:60]


def test_a_run_must_have_a_fault():
    with pytest.raises(BenchmarkError, match="begin at a lower one"):
        ChaosOptions(first=10_000).schedule()
    with pytest.raises(BenchmarkError, match="no kind of fault 'fire'"):
        ChaosOptions(kinds=("fire",)).schedule()


def test_some_faults_come_together_and_never_more_than_two():
    faults = ChaosOptions().schedule()
    groups = in_groups(faults)
    assert [fault for group in groups for fault in group] == list(faults)
    assert {len(group) for group in groups} == {1, 2}
    together = sum(len(group) == 2 for group in groups)
    assert 0 < together <= 2 * TOGETHER * len(faults)


def test_lengths_lie_within_what_a_kind_allows():
    for name, kind in FAULT_KINDS.items():
        least, greatest = kind.hold_s
        assert 0 <= least <= greatest, name
        assert least <= hold_s(kind, 0.3) <= greatest, name


def test_kinds_that_did_not_come_often_enough_are_missing():
    assert missing(LEAST, ["a"] * 5 + ["b"] * 2 + ["c"] * 4) == {"b": 3}
