"""`ArmingSchedule`: when a rule is armed, by the clock on the wall where the city is.

A span that goes over midnight belongs to the day on which it begins. Where clocks are put back the
hour that comes twice is armed twice, and where they are put forward the missing one never: what
counts is what a clock shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN: Final = 24 * 60
_SPAN: Final = re.compile(
    r"(?:(?P<days>[a-z,-]+) +)?(?P<begin>\d{1,2}:\d\d) ?- ?(?P<end>\d{1,2}:\d\d)", re.IGNORECASE
)


class ScheduleError(ValueError):
    """A span is not written as it must be; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class ArmedSpan:
    """Some hours of some days.

    Attributes:
        text: As a person wrote it: `mon-fri 07:00-19:00`.
        days: The days on which it begins, Monday is 0.
        begin_min: Minutes after midnight from which on it is armed.
        end_min: Minutes after midnight at which it is over; not after `begin_min` for a span that
            ends on the next day.
    """

    text: str
    days: frozenset[int]
    begin_min: int
    end_min: int

    @classmethod
    def parse(cls, text: str) -> ArmedSpan:
        """Reads `DAYS HH:MM-HH:MM`: days as `mon-fri` or `sat,sun`, every day without them.

        Raises:
            ScheduleError: It is written in another way.
        """
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            raise ScheduleError(f"`{text}` is no span of time")
        begin_min, end_min = _minutes(found["begin"]), _minutes(found["end"])
        if begin_min in {end_min, DAY_MIN}:
            raise ScheduleError(f"`{text}` has no length")
        return cls(text.strip(), _days(found["days"]), begin_min, end_min)

    def holds(self, local: datetime) -> bool:
        """Whether a time of the city's clock lies in it."""
        at_min, day = local.hour * 60 + local.minute, local.weekday()
        if self.begin_min < self.end_min:
            return day in self.days and self.begin_min <= at_min < self.end_min
        is_evening = day in self.days and at_min >= self.begin_min
        return is_evening or ((day - 1) % len(DAYS) in self.days and at_min < self.end_min)


@dataclass(frozen=True, slots=True)
class ArmingSchedule:
    """When a rule is armed.

    Attributes:
        spans: It is armed in each of them.
        time_zone: IANA name of the zone in which they are meant: `Asia/Shanghai`.
        shift: What a time must be moved by before it is asked about: a recording has its own.
    """

    spans: tuple[ArmedSpan, ...]
    time_zone: str
    shift: timedelta = timedelta()

    def armed(self, at: datetime) -> bool:
        """Whether it is armed at a time with time zone."""
        local = (at + self.shift).astimezone(ZoneInfo(self.time_zone))
        return any(span.holds(local) for span in self.spans)

    def __str__(self) -> str:
        """For people."""
        return f"{', '.join(span.text for span in self.spans)} {self.time_zone}"


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    total = int(hours) * 60 + int(minutes)
    if int(minutes) >= 60 or total > DAY_MIN:  # noqa: PLR2004 - minutes of an hour
        raise ScheduleError(f"`{clock}` is no time of day")
    return total


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(len(DAYS)))
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ScheduleError(f"`{part}` is no day or span of days")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % len(DAYS) if dash else 0
        found.update((begin + day) % len(DAYS) for day in range(length + 1))
    return frozenset(found)
