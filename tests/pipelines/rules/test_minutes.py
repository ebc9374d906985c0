"""A minute meter gives each UTC minute once, with the seconds that were watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.rules.minutes import MinuteMeter
from pipelines.rules.rule import Moment

BEGIN = datetime(2024, 5, 17, 8, 29, 50, tzinfo=UTC)


def moment(at_s: float, step_s: float = 0.0) -> Moment:
    return Moment(BEGIN + timedelta(seconds=at_s + step_s), 1000.0 + at_s)


def minutes(times_s, step_s=lambda _: 0.0):
    meter = MinuteMeter()
    ended = [meter.observe(moment(at_s, step_s(at_s))) for at_s in times_s]
    return [one for one in ended if one is not None], meter


def test_full_minutes_of_the_clock_after_a_first_one_that_is_short():
    ended, meter = minutes([0.5 * n for n in range(300)])
    spans = [(one.ends_at - one.begins_at).total_seconds() for one in ended]
    assert spans == [10.0, 60.0, 60.0]
    assert [one.ends_at.second for one in ended] == [0, 0, 0]
    assert [one.watched_s for one in ended] == [9.5, 60.0, 60.0]
    last = meter.close(moment(150.0))
    assert last is not None
    assert last.begins_at == ended[-1].ends_at
    assert meter.close(moment(151.0)) is None


def test_what_lies_in_a_gap_is_not_watched_and_minutes_without_frames_are_left_out():
    ended, _ = minutes([*range(10, 40), *range(200, 300)])
    assert [one.begins_at.minute for one in ended] == [30, 33]
    assert ended[0].watched_s == 29.0
    assert ended[1].begins_at.second == 10


def test_a_step_of_the_clock_repeats_no_minute_and_leaves_none_out():
    ended, _ = minutes(range(10, 400), lambda at_s: -45.0 if at_s > 100 else 0.0)
    begins = [one.begins_at for one in ended]
    assert begins == sorted(set(begins))
    assert all((one.ends_at - one.begins_at).total_seconds() <= 60.0 for one in ended)
