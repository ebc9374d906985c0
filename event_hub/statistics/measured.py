"""What was measured, by hour or day: flow of lines and zones, counts of crowds, coverage."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import AwareDatetime
from sqlalchemy import Connection, func, select

from event_hub.measured_hours import HOUR_US
from event_hub.people.visible import ALL, Sees
from event_hub.statistics.answers import MeasuredPoint, MeasuredSeries, MeasuredStatistics
from event_hub.statistics.spans import STEP_US, ClockStep, TimeRange, begin_us, spans
from event_hub.tables import MEASURED_HOURS, MEASURED_SERIES, from_us

POINTS_MAX: Final = 20_000
_PLACE: Final = ("city", "camera", "task", "zone", "line", "unit")
_WISHES: Final = ("kind", *_PLACE[:-1])
_SUMS: Final = ("measurements", "total", "weighted", "watched_s", "able_s", "requested_s")

WantedName = Annotated[str | None, Query(max_length=512)]
MeasuredSince = Annotated[
    AwareDatetime | None, Query(description="without it 1 day of hours, or 30 days, before `until`")
]
MeasuredUntil = Annotated[AwareDatetime | None, Query(description="now without it")]


@dataclass(frozen=True, slots=True)
class MeasuredWish:
    """Which series of a kind, of which time, of the cameras that a caller sees; None means any."""

    kind: Annotated[str, Query(max_length=512, description="such as traffic.flow")]
    city: WantedName = None
    camera: WantedName = None
    task: WantedName = None
    zone: WantedName = None
    line: WantedName = None
    since: MeasuredSince = None
    until: MeasuredUntil = None
    sees: Sees = ALL


class TooManyPointsError(ValueError):
    """More was asked for than one answer holds."""


def measured(
    connection: Connection, wanted: MeasuredWish, within: TimeRange, step: ClockStep, zone: ZoneInfo
) -> MeasuredStatistics:
    """Every series of a kind, with hours or days by the clock of a zone.

    Raises:
        ValueError: The clock is not ahead of UTC by whole hours, as the sums are of hours of UTC.
        TooManyPointsError: There are too many.
    """
    columns = [MEASURED_SERIES.c[name] for name in _PLACE]
    found: defaultdict[tuple[str, ...], dict[int, dict[str, Any]]] = defaultdict(dict)
    count = 0
    for span in spans(within, zone):
        if span.offset_us % HOUR_US:
            raise ValueError(f"the clock of {zone.key} is not ahead of UTC by whole hours")
        hour = MEASURED_HOURS.c
        number = (hour.begins_us + span.offset_us) // STEP_US[step]
        groups = (*columns, number.label("number"))
        sums = [func.sum(hour[name]).label(name) for name in _SUMS]
        ends = (func.min(hour.least).label("least"), func.max(hour.most).label("most"))
        query = select(*groups, *sums, *ends).join(
            MEASURED_SERIES, MEASURED_SERIES.c.series == hour.series
        )
        # The hour that `since` lies in counts as a whole.
        begin = span.begin_us // HOUR_US * HOUR_US
        query = query.where(hour.begins_us >= begin, hour.begins_us < span.end_us)
        query = query.where(wanted.sees.of(MEASURED_SERIES))
        for name in _WISHES:
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(MEASURED_SERIES.c[name] == value)
        rows = connection.execute(query.group_by(*groups).limit(POINTS_MAX + 1)).all()
        count += len(rows)
        if count > POINTS_MAX:
            raise TooManyPointsError(f"more than {POINTS_MAX} points")
        for row in rows:
            at = begin_us(row.number, step, span, zone)
            place = tuple(row[: len(_PLACE)])
            _merge(found[place].setdefault(at, {}), row._asdict())
    series = [
        MeasuredSeries(
            **dict(zip(_PLACE, place, strict=True)),
            points=[_point(at, sums, zone) for at, sums in sorted(points.items())],
        )
        for place, points in sorted(found.items())
    ]
    return MeasuredStatistics(kind=wanted.kind, time_zone=zone.key, series=series)


def _merge(into: dict[str, Any], row: dict[str, Any]) -> None:
    """A day on which the clock is set is counted in two parts."""
    for name in _SUMS:
        into[name] = into.get(name, 0) + row[name]
    into["least"] = min(into.get("least", row["least"]), row["least"])
    into["most"] = max(into.get("most", row["most"]), row["most"])


def _point(at: int, sums: dict[str, Any], zone: ZoneInfo) -> MeasuredPoint:
    watched_s = sums["watched_s"]
    mean = sums.pop("weighted") / watched_s if watched_s else None
    return MeasuredPoint(begins_at=from_us(at).astimezone(zone), mean=mean, **sums)
