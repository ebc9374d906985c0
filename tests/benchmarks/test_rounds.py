"""Interleaved rounds, spreads, and calls that are repeated for a while."""

from __future__ import annotations

import statistics
import threading

import pytest

from benchmarks.rounds import Spread, interleave
from benchmarks.timed import repeat, repeat_each


def test_contestants_are_measured_in_turns_and_every_sample_is_kept():
    order = []

    def contestant(name, values):
        given = iter(values)

        def measure():
            order.append(name)
            return {"images_per_s": next(given)}

        return measure

    seen = []
    rounds = interleave(
        {"a": contestant("a", (10.0, 30.0)), "b": contestant("b", (20.0, 40.0))},
        2,
        lambda number, found: seen.append((number, found["a"]["images_per_s"])),
    )
    assert order == ["a", "b", "a", "b"]
    assert seen == [(1, 10.0), (2, 30.0)]
    assert rounds.contestants == ("a", "b")
    assert rounds.samples("b", "images_per_s") == (20.0, 40.0)
    assert rounds.ratios("a", "b", "images_per_s") == (0.5, 0.75)


def test_noise_that_hits_a_whole_round_cancels_in_its_ratio():
    noise = [1.0, 0.5, 0.8]
    fast, slow = iter(noise), iter(noise)
    rounds = interleave(
        {"fast": lambda: {"x": 20 * next(fast)}, "slow": lambda: {"x": 10 * next(slow)}}, 3
    )
    assert rounds.ratios("fast", "slow", "x") == pytest.approx((2.0, 2.0, 2.0))
    assert rounds.spread("fast", "x").least < rounds.spread("fast", "x").most


def test_a_ratio_over_nothing_is_nothing():
    rounds = interleave({"a": lambda: {"x": 1.0}, "b": lambda: {"x": 0.0}}, 1)
    assert rounds.ratios("a", "b", "x") == (0.0,)


def test_the_spread_has_the_quartiles():
    spread = Spread.of((1.0, 2.0, 3.0, 4.0, 100.0))
    assert (spread.median, spread.low, spread.high) == (3.0, 2.0, 4.0)
    assert (spread.least, spread.most) == (1.0, 100.0)
    assert spread.text(1) == "3.0 (1.0 to 100.0)"
    assert Spread.of((7.0,)) == Spread(7.0, 7.0, 7.0, 7.0, 7.0)
    with pytest.raises(statistics.StatisticsError):
        Spread.of(())


def test_a_call_is_made_at_least_once_and_counted():
    timed = repeat(lambda: 3, 0.0)
    assert timed.items == 3
    assert len(timed.latencies_s) == 1
    assert timed.per_s == pytest.approx(3 / timed.wall_s)


def test_callers_call_at_the_same_time():
    together = threading.Barrier(3, timeout=10)
    timed = repeat(lambda: together.wait() * 0 + 1, 0.0, callers=3)
    assert timed.items == 3
    assert len(timed.latencies_s) == 3


def test_each_of_several_calls_has_its_own_thread():
    threads = set()

    def call():
        threads.add(threading.get_ident())
        return 1

    repeat_each([call, call], 0.01)
    assert len(threads) >= 1
    assert threading.get_ident() not in threads


def test_a_failure_in_a_caller_is_raised():
    def fail():
        raise OSError("no such camera")

    with pytest.raises(OSError, match="no such camera"):
        repeat(fail, 0.0, callers=2)
