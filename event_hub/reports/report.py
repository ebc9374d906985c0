"""Makes a report of a period, beside the numbers of the period before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from event_hub import queries
from event_hub.answers import CameraStatus
from event_hub.cases.precision import PrecisionFilter, precision_report
from event_hub.incidents import IncidentFilter
from event_hub.incidents.counts import incident_counts
from event_hub.people.visible import Visible
from event_hub.reports.answers import CityReport, CountedCamera, CountedIncidents
from event_hub.reports.blind_cameras import blind_cameras
from event_hub.reports.case_numbers import case_numbers
from event_hub.reports.period import ReportPeriod
from event_hub.statistics.incidents import counted
from pipelines.event_incident import LEVELS


def city_report(
    connection: Connection,
    period: ReportPeriod,
    cameras: Iterable[CameraStatus],
    now: datetime,
    sees: Visible,
) -> CityReport:
    """The report of a period.

    Args:
        connection: To the database.
        period: Which day or week.
        cameras: Those that the caller sees.
        now: The time.
        sees: The same cameras, for queries.
    """
    known = list(cameras)
    before = period.before
    wanted, earlier = _filter(period, sees), _filter(before, sees)
    counts, counts_before = (incident_counts(connection, one) for one in (wanted, earlier))
    return CityReport(
        period=period.name,
        first_day=period.first,
        last_day=period.last,
        time_zone=period.zone.key,
        since=period.since,
        until=period.until,
        made_at=now,
        is_over=period.until <= now,
        kept_from=queries.first_received(connection),
        before_since=before.since,
        total=counts.total,
        total_before=counts_before.total,
        severities=_severities(counts.severities, counts_before.severities),
        kinds=_kinds(counts.kinds, counts_before.kinds),
        cameras=_cameras(connection, wanted, earlier, known),
        cases=case_numbers(connection, period, sees),
        cases_before=case_numbers(connection, before, sees),
        blind=blind_cameras(connection, period, now, known, sees),
        precision=precision_report(
            connection, PrecisionFilter(since=period.since, until=period.until, sees=sees)
        ).rows,
    )


def _filter(period: ReportPeriod, sees: Visible) -> IncidentFilter:
    return IncidentFilter(since=period.since, until=period.until, sees=sees)


def _severities(now: Mapping[str, int], before: Mapping[str, int]) -> list[CountedIncidents]:
    """The worst first, all of them."""
    names = sorted(LEVELS, key=lambda name: -LEVELS[name])
    return [
        CountedIncidents(code=name, count=now.get(name, 0), before=before.get(name, 0))
        for name in names
    ]


def _kinds(now: Mapping[str, int], before: Mapping[str, int]) -> list[CountedIncidents]:
    """Those that there were in either period, the most frequent first."""
    found = [
        CountedIncidents(code=name, count=now.get(name, 0), before=before.get(name, 0))
        for name in now.keys() | before.keys()
    ]
    return sorted(found, key=lambda one: (-one.count, -one.before, one.code))


def _cameras(
    connection: Connection,
    wanted: IncidentFilter,
    earlier: IncidentFilter,
    known: Iterable[CameraStatus],
) -> list[CountedCamera]:
    """Those with incidents in either period, likewise."""
    names = {(one.city, one.camera.id): one.camera.name for one in known}
    now, before = (_by_camera(connection, part) for part in (wanted, earlier))
    found = [
        CountedCamera(
            city=city,
            camera=camera,
            name=names.get((city, camera), "") or camera,
            count=now.get((city, camera), 0),
            before=before.get((city, camera), 0),
        )
        for city, camera in now.keys() | before.keys()
    ]
    return sorted(found, key=lambda one: (-one.count, -one.before, one.name))


def _by_camera(connection: Connection, wanted: IncidentFilter) -> dict[tuple[str, str], int]:
    found = counted(connection, wanted, ("city", "camera"))
    return {(city, camera): counts["total"] for (city, camera), counts in found.items()}
