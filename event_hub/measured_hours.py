"""Sums up measurements by the hour while they are stored, so that statistics read few rows.

An hour is one of UTC. Each measurement counts once, in the hour in which its period begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Insert, case, delete
from sqlalchemy.dialects import postgresql, sqlite

from event_hub.tables import MEASURED_HOURS, MEASURED_SERIES, to_us
from pipelines.event import MeasurementData

HOUR_US: Final = 3600 * 1_000_000
_NAMES: Final = ("city", "camera", "kind", "task", "zone", "line", "unit")
_SUMS: Final = ("measurements", "total", "weighted", "watched_s", "able_s", "requested_s")
_Series = tuple[str, ...]
"""What `_NAMES` name."""


def add_to_hours(
    connection: Connection, measured: Iterable[tuple[str, MeasurementData]], now_us: int
) -> None:
    """Adds measurements that are stored now, each with its city, to their hours."""
    hours: dict[tuple[_Series, int], dict[str, Any]] = {}
    for city, data in measured:
        values = (city, data.camera.id, data.kind, data.task, data.zone, data.line, data.unit)
        # What lies ahead of the clock counts as of now: nobody asks for the year 9000.
        begins_us = min(to_us(data.begins_at), now_us) // HOUR_US * HOUR_US
        _merge(hours.setdefault((values, begins_us), {}), data)
    if not hours:
        return
    rows = [
        {"series": _series_id(values), "begins_us": begins_us, **sums}
        for (values, begins_us), sums in hours.items()
    ]
    series_rows = {
        values: {"series": _series_id(values), **dict(zip(_NAMES, values, strict=True))}
        for values, _ in hours
    }
    hour, series = _statements(connection.dialect.name)
    connection.execute(hour, rows)
    connection.execute(series, list(series_rows.values()))


def _series_id(values: _Series) -> str:
    return hashlib.sha256("\0".join(values).encode()).hexdigest()[:32]


@cache
def _statements(dialect: str) -> tuple[Insert, Insert]:
    """What adds a row to its hour, and a series where it is new; made once for each database."""
    make: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]
    hour, known = make(MEASURED_HOURS), MEASURED_HOURS.c
    new = hour.excluded
    added = {name: known[name] + new[name] for name in _SUMS}
    added["least"] = case((known.least > new.least, new.least), else_=known.least)
    added["most"] = case((known.most < new.most, new.most), else_=known.most)
    return (
        hour.on_conflict_do_update(index_elements=["series", "begins_us"], set_=added),
        make(MEASURED_SERIES).on_conflict_do_nothing(),
    )


def _merge(sums: dict[str, Any], data: MeasurementData) -> None:
    value, seen = data.value, data.coverage
    one = {"measurements": 1, "total": value, "weighted": value * seen.watched_s}
    one |= seen.model_dump(include={"watched_s", "able_s", "requested_s"})
    for name in _SUMS:
        sums[name] = sums.get(name, 0) + one[name]
    sums["least"] = min(sums.get("least", value), value)
    sums["most"] = max(sums.get("most", value), value)


def forget_hours(connection: Connection, before_us: int) -> None:
    """Deletes hours that began before a time."""
    connection.execute(delete(MEASURED_HOURS).where(MEASURED_HOURS.c.begins_us < before_us))
