"""Sums up measurements by the hour while they are stored, so that statistics read few rows.

An hour is one of UTC. Each measurement counts once, in the hour in which its period begins.
"""

from __future__ import annotations

import hashlib
from typing import Final

from sqlalchemy import Connection, case, delete, insert, select, update

from event_hub.tables import MEASURED_HOURS, MEASURED_SERIES, to_us
from pipelines.event import MeasurementData

HOUR_US: Final = 3600 * 1_000_000
_NAMES: Final = ("city", "camera", "kind", "task", "zone", "line", "unit")


def add_to_hour(connection: Connection, city: str, data: MeasurementData, now_us: int) -> None:
    """Adds a measurement that is stored now to its hour."""
    # What lies ahead of the clock counts as of now: nobody asks for statistics of the year 9000.
    begins_us = min(to_us(data.begins_at), now_us) // HOUR_US * HOUR_US
    values = (city, data.camera.id, data.kind, data.task, data.zone, data.line, data.unit)
    series = hashlib.sha256("\0".join(values).encode()).hexdigest()[:32]
    hour = MEASURED_HOURS.c
    watched_s, value = data.coverage.watched_s, data.value
    sums = {
        "measurements": 1,
        "total": value,
        "weighted": value * watched_s,
        "watched_s": watched_s,
        "able_s": data.coverage.able_s,
        "requested_s": data.coverage.requested_s,
    }
    added = {
        **{name: hour[name] + one for name, one in sums.items()},
        "least": case((hour.least > value, value), else_=hour.least),
        "most": case((hour.most < value, value), else_=hour.most),
    }
    same = (hour.series == series) & (hour.begins_us == begins_us)
    if connection.execute(update(MEASURED_HOURS).where(same).values(added)).rowcount:
        return
    first = {"series": series, "begins_us": begins_us, "least": value, "most": value, **sums}
    connection.execute(insert(MEASURED_HOURS).values(first))
    known = select(MEASURED_SERIES.c.series).where(MEASURED_SERIES.c.series == series)
    if connection.scalar(known) is None:
        row = dict(zip(_NAMES, values, strict=True))
        connection.execute(insert(MEASURED_SERIES).values(series=series, **row))


def forget_hours(connection: Connection, before_us: int) -> None:
    """Deletes hours that began before a time."""
    connection.execute(delete(MEASURED_HOURS).where(MEASURED_HOURS.c.begins_us < before_us))
