"""Hours and days by the clock of a time zone, in whatever way databases can count them.

A stretch of time with one offset from UTC is divided by integers alone; where the clock is set
forward or back, the stretch ends and another begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from event_hub.tables import from_us, to_us

ClockStep = Literal["hour", "day"]
STEP_US: Final[dict[ClockStep, int]] = {"hour": 3600 * 1_000_000, "day": 24 * 3600 * 1_000_000}
LONGEST: Final[dict[ClockStep, timedelta]] = {
    "hour": timedelta(days=32),
    "day": timedelta(days=400),
}
USUAL: Final[dict[ClockStep, timedelta]] = {"hour": timedelta(days=1), "day": timedelta(days=30)}
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


class TimeRange(NamedTuple):
    """From `since` to before `until`, both in UTC."""

    since: datetime
    until: datetime


class OffsetSpan(NamedTuple):
    """Microseconds since 1970 UTC from when to when the clock is ahead of UTC by an offset."""

    begin_us: int
    end_us: int
    offset_us: int


def time_range(step: ClockStep, since: datetime | None, until: datetime | None) -> TimeRange:
    """The time that is meant; without a begin or an end the last day of hours or month of days.

    Raises:
        ValueError: It is empty, or too long for the step; says so in a sentence.
    """
    end = min(max((until or datetime.now(UTC)).astimezone(UTC), EARLIEST), LATEST)
    begin = min(max((since or end - USUAL[step]).astimezone(UTC), EARLIEST), LATEST)
    if not timedelta() < end - begin <= LONGEST[step]:
        raise ValueError(
            f"`since` must lie before `until`, for each {step} by {LONGEST[step].days} days at most"
        )
    return TimeRange(begin, end)


def spans(within: TimeRange, zone: tzinfo) -> list[OffsetSpan]:
    """The stretches of a time with one offset each, in order."""
    edges = [within.since, *_changes(within, zone), within.until]
    return [
        OffsetSpan(to_us(begin), to_us(end), _offset(begin, zone) // timedelta(microseconds=1))
        for begin, end in pairwise(edges)
        if begin < end
    ]


def begin_us(number: int, step: ClockStep, span: OffsetSpan, zone: ZoneInfo) -> int:
    """When an hour or day begins that a database counted within a span, microseconds since 1970.

    Args:
        number: (microseconds since 1970 UTC + offset) divided by the length of the step.
        step: What was counted.
        span: In which.
        zone: Whose clock.
    """
    wall_us = number * STEP_US[step]
    if step == "hour":
        # An hour that comes twice is told apart by its offset.
        return wall_us - span.offset_us
    midnight = from_us(wall_us).replace(tzinfo=zone)
    return to_us(midnight.astimezone(UTC))


def begins_us(within: TimeRange, step: ClockStep, zone: ZoneInfo) -> list[int]:
    """The begin of every hour or day that touches a time, in order."""
    found: set[int] = set()
    for span in spans(within, zone):
        first = (span.begin_us + span.offset_us) // STEP_US[step]
        last = (span.end_us - 1 + span.offset_us) // STEP_US[step]
        found |= {begin_us(number, step, span, zone) for number in range(first, last + 1)}
    return sorted(found)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _changes(within: TimeRange, zone: tzinfo) -> Iterator[datetime]:
    """When the clock is set, to the minute."""
    day = timedelta(days=1)
    at = within.since
    while at < within.until:
        later = min(at + day, within.until)
        if _offset(at, zone) != _offset(later, zone):
            yield _change(at, later, zone)
        at = later


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    minute = timedelta(minutes=1)
    before = _offset(low, zone)
    low = low.replace(second=0, microsecond=0)
    while high - low > minute:
        middle = low + (high - low) // 2 // minute * minute
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high.replace(second=0, microsecond=0)
