"""`ReportPeriod`: a day or a week by the clock of a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

PeriodName = Literal["day", "week"]
DAYS: Final[dict[PeriodName, int]] = {"day": 1, "week": 7}
FIRST_DAY: Final = date(1971, 1, 4)
LAST_DAY: Final = date(9000, 1, 1)


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """A day, or a week from Monday on.

    Attributes:
        first: Its first day.
    """

    name: PeriodName
    first: date
    zone: ZoneInfo

    @property
    def since(self) -> datetime:
        """When it begins, UTC."""
        return _midnight(self.first, self.zone)

    @property
    def until(self) -> datetime:
        """When it is over, UTC."""
        return _midnight(self.first + timedelta(days=DAYS[self.name]), self.zone)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + timedelta(days=DAYS[self.name] - 1)

    @property
    def before(self) -> ReportPeriod:
        """The one before it."""
        first = self.first - timedelta(days=DAYS[self.name])
        return ReportPeriod(self.name, first, self.zone)


def report_period(
    name: PeriodName, day: date | None, zone: ZoneInfo, now: datetime
) -> ReportPeriod:
    """The period that a day lies in; without a day the last one that is over.

    Raises:
        ValueError: The day is out of range; says so in a sentence.
    """
    if day is None:
        day = now.astimezone(zone).date() - timedelta(days=DAYS[name])
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"`date` must lie between {FIRST_DAY} and {LAST_DAY}")
    first = day - timedelta(days=day.weekday()) if name == "week" else day
    return ReportPeriod(name, first, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
