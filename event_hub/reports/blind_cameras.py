"""Which cameras were not able to see for how long, by the coverage that they reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from event_hub.answers import CameraStatus
from event_hub.measured_hours import HOUR_US
from event_hub.people.visible import Visible
from event_hub.reports.answers import BlindCamera
from event_hub.reports.period import ReportPeriod
from event_hub.tables import MEASURED_HOURS, MEASURED_SERIES, to_us

COVERAGE: Final = "coverage"
LEAST_S: Final = 60.0
"""Less is no matter for a report: a camera that reconnects misses some seconds."""

HOUR_S: Final = 3600.0
Camera = tuple[str, str]


def blind_cameras(
    connection: Connection,
    period: ReportPeriod,
    now: datetime,
    cameras: Iterable[CameraStatus],
    sees: Visible,
) -> list[BlindCamera]:
    """Those that missed a minute or more, the longest first.

    Whole hours of UTC count that begin in the period and are over.
    """
    first_us = -(-to_us(period.since) // HOUR_US) * HOUR_US
    end_us = min(to_us(period.until), to_us(now) // HOUR_US * HOUR_US)
    missed, hours = _read(connection, first_us, end_us, sees)
    begun = _begun(connection, sees)
    found = []
    for one in cameras:
        camera = one.city, one.camera.id
        blind_s, requested_s = max(missed.get(camera, [(0.0, 0.0)]))
        since_us = max(first_us, begun.get(camera, end_us))
        due = max(0, (end_us - since_us) // HOUR_US)
        unheard_s = max(0, due - hours.get(camera, 0)) * HOUR_S
        if blind_s + unheard_s >= LEAST_S:
            name = one.camera.name or one.camera.id
            found.append(
                BlindCamera(
                    city=one.city,
                    camera=one.camera.id,
                    name=name,
                    blind_s=blind_s,
                    unheard_s=unheard_s,
                    requested_s=requested_s,
                )
            )
    return sorted(found, key=lambda one: (-one.blind_s - one.unheard_s, one.name))


def _read(
    connection: Connection, first_us: int, end_us: int, sees: Visible
) -> tuple[dict[Camera, list[tuple[float, float]]], dict[Camera, int]]:
    """Seconds that each task missed and was asked for; in how many hours anything was reported."""
    series, hour = MEASURED_SERIES.c, MEASURED_HOURS.c
    of_coverage = (
        series.kind == COVERAGE,
        hour.begins_us >= first_us,
        hour.begins_us < end_us,
        sees.of(MEASURED_SERIES),
    )
    both = MEASURED_HOURS.join(MEASURED_SERIES, series.series == hour.series)
    sums = (func.sum(hour.able_s).label("able_s"), func.sum(hour.requested_s).label("requested_s"))
    tasks = (series.city, series.camera, series.task)
    missed: defaultdict[Camera, list[tuple[float, float]]] = defaultdict(list)
    for row in connection.execute(
        select(*tasks, *sums).select_from(both).where(*of_coverage).group_by(*tasks)
    ):
        lost_s = max(0.0, row.requested_s - row.able_s)
        missed[row.city, row.camera].append((lost_s, row.requested_s))
    count = func.count(hour.begins_us.distinct()).label("hours")
    query = select(series.city, series.camera, count).select_from(both).where(*of_coverage)
    rows = connection.execute(query.group_by(series.city, series.camera))
    return missed, {(row.city, row.camera): row.hours for row in rows}


def _begun(connection: Connection, sees: Visible) -> dict[Camera, int]:
    """The first hour for which a camera reported any coverage, microseconds since 1970 UTC."""
    series, hour = MEASURED_SERIES.c, MEASURED_HOURS.c
    query = (
        select(series.city, series.camera, func.min(hour.begins_us).label("first_us"))
        .join(MEASURED_HOURS, series.series == hour.series)
        .where(series.kind == COVERAGE, sees.of(MEASURED_SERIES))
        .group_by(series.city, series.camera)
    )
    return {(row.city, row.camera): row.first_us for row in connection.execute(query)}
