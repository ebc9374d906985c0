"""Waits grow within bounds and spread the waiting; a breaker lets one probe at a time through."""

from __future__ import annotations

import pytest

from camera_adapters.backoff import BackoffPolicy
from pipelines.delivery.courier import Backoff

STEADY = BackoffPolicy(first_s=1.0, cap_s=8.0, factor=2.0, spread=0.0)


def test_waits_double_up_to_the_cap_and_start_over_after_success():
    backoff = Backoff(STEADY)
    waits = []
    for _ in range(5):
        backoff.failed(now_s=100.0)
        waits.append(backoff.due_in_s(100.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]
    backoff.succeeded()
    assert backoff.due_in_s(100.0) == 0.0
    backoff.failed(100.0)
    assert backoff.due_in_s(100.25) == 0.75


def test_a_year_of_failures_is_still_a_wait():
    backoff = Backoff(STEADY)
    for _ in range(2000):
        backoff.failed(0.0)
    assert backoff.due_in_s(0.0) == 8.0


@pytest.mark.parametrize(("random", "wait_s"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_jitter_spreads_waits_either_way(random, wait_s):
    backoff = Backoff(BackoffPolicy(first_s=1.0, spread=0.2), jitter=lambda: random)
    backoff.failed(0.0)
    assert backoff.due_in_s(0.0) == pytest.approx(wait_s)


def test_a_wait_that_was_asked_for_is_kept():
    backoff = Backoff(STEADY)
    backoff.failed(0.0, at_least_s=120.0)
    assert backoff.due_in_s(0.0) == 120.0


def test_with_a_threshold_waits_begin_after_some_failures_in_a_row():
    breaker = Backoff(STEADY, threshold=3)
    breaker.failed(0.0)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.due_in_s(0.0) == 0.0
    breaker.failed(0.0)
    assert breaker.due_in_s(0.0) == 1.0
    breaker.failed(1.0)
    assert breaker.due_in_s(1.0) == 2.0
    breaker.succeeded()
    assert breaker.due_in_s(1.0) == 0.0


def test_a_wait_that_was_asked_for_counts_below_the_threshold_too():
    breaker = Backoff(STEADY, threshold=3)
    breaker.failed(0.0, at_least_s=30.0)
    assert breaker.due_in_s(0.0) == 30.0
