"""Back-off: grows to its cap, varies by a fifth, and keeps refused logins on their own path."""

from __future__ import annotations

import pytest

from camera_adapters.backoff import BackoffPolicy, CameraBackoff, RestartLimit, RetryDelays


def middle() -> float:
    return 0.5


def test_waits_grow_to_the_cap():
    backoff = CameraBackoff(RetryDelays(), middle)
    assert [backoff.next_s(slow=False) for _ in range(7)] == [1, 2, 4, 8, 15, 15, 15]


def test_refused_logins_wait_long_enough_not_to_lock_the_account():
    backoff = CameraBackoff(RetryDelays(), middle)
    assert [backoff.next_s(slow=True) for _ in range(4)] == [60, 300, 900, 900]


def test_a_short_outage_in_between_does_not_shorten_the_slow_path():
    backoff = CameraBackoff(RetryDelays(), middle)
    backoff.next_s(slow=True)
    assert backoff.next_s(slow=False) == 1
    assert backoff.next_s(slow=True) == 300


@pytest.mark.parametrize(("drawn", "wait_s"), [(0.0, 0.8), (1.0, 1.2)])
def test_jitter_stays_within_its_share(drawn, wait_s):
    backoff = CameraBackoff(RetryDelays(), lambda: drawn)
    assert backoff.next_s(slow=False) == pytest.approx(wait_s)


def test_after_a_reset_the_next_failure_is_a_first_one():
    backoff = CameraBackoff(RetryDelays(), middle)
    for slow in (False, False, True):
        backoff.next_s(slow=slow)
    backoff.reset()
    assert backoff.next_s(slow=False) == 1
    assert backoff.next_s(slow=True) == 60


def test_nothing_is_waited_for_before_a_first_failure():
    assert BackoffPolicy(first_s=1.0).wait_s(0) == 0


def test_a_restart_too_many_is_refused_until_the_oldest_is_long_ago():
    limit = RestartLimit(2, within_s=10.0)
    assert [limit.note(at_s) for at_s in (0.0, 5.0, 6.0, 9.9)] == [True, True, False, False]
    assert limit.recent(9.9) == 2
    assert limit.note(10.0)
    assert not limit.note(14.0)
