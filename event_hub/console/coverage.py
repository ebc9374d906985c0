"""How much of the last 24 hours each camera was able to see what it was asked to watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from event_hub.measured_hours import HOUR_US
from event_hub.people.visible import Visible
from event_hub.tables import MEASURED_HOURS, MEASURED_SERIES, to_us

HOURS: Final = 24
KIND: Final = "coverage"


@dataclass(frozen=True, slots=True)
class CameraCoverage:
    """The coverage of one camera.

    Attributes:
        share: Seconds in which it was able to see, of those that were asked for; 0 to 1.
        hours: The same for each of 24 hours, the oldest first; None where nothing was asked.
    """

    share: float
    hours: tuple[float | None, ...]


def camera_coverage(
    connection: Connection, now: datetime, sees: Visible
) -> dict[tuple[str, str], CameraCoverage]:
    """The coverage of the last 24 hours of UTC, the present one included, by city and camera."""
    last_us = to_us(now) // HOUR_US * HOUR_US
    first_us = last_us - (HOURS - 1) * HOUR_US
    series, hour = MEASURED_SERIES.c, MEASURED_HOURS.c
    groups = (series.city, series.camera, hour.begins_us)
    sums = (func.sum(hour.able_s).label("able_s"), func.sum(hour.requested_s).label("requested_s"))
    rows = connection.execute(
        select(*groups, *sums)
        .join(MEASURED_SERIES, series.series == hour.series)
        .where(series.kind == KIND, hour.begins_us.between(first_us, last_us))
        .where(sees.of(MEASURED_SERIES))
        .group_by(*groups)
    )
    found: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    for row in rows:
        hours = found.setdefault((row.city, row.camera), {})
        hours[(row.begins_us - first_us) // HOUR_US] = (row.able_s, row.requested_s)
    return {camera: _coverage(hours) for camera, hours in found.items()}


def _coverage(hours: dict[int, tuple[float, float]]) -> CameraCoverage:
    shares = tuple(_share([hours[number]]) if number in hours else None for number in range(HOURS))
    return CameraCoverage(_share(hours.values()) or 0.0, shares)


def _share(hours: Iterable[tuple[float, float]]) -> float | None:
    """Of what was asked for; None where nothing was."""
    able_s, requested_s = (sum(parts) for parts in zip(*hours, strict=True))
    return min(1.0, able_s / requested_s) if requested_s else None
