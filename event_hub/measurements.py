"""Measurements that the hub keeps: found by what they are of and when, and gone with their events.

They are read beside incidents and never mixed with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import AwareDatetime
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    delete,
    select,
    tuple_,
)

from event_hub.answers import CityMeasurement, MeasurementPage
from event_hub.page_cursor import PageEnd, cursor_of, end_of
from event_hub.people.visible import ALL, Sees
from event_hub.tables import EVENTS, MEASUREMENTS, to_us
from pipelines.event import MeasurementEvent

ORDER: Final = ("begins_us", "source", "event_id")


@dataclass(frozen=True, slots=True)
class MeasurementFilter:
    """Which measurements to list; None means any. Those are meant that begin within the time."""

    kind: str | None = None
    city: str | None = None
    camera: str | None = None
    task: str | None = None
    zone: str | None = None
    line: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    sees: Sees = ALL


def forget_measurements(connection: Connection, positions: Sequence[int]) -> None:
    """Deletes those of events that are about to be deleted."""
    keys = select(EVENTS.c.source, EVENTS.c.event_id).where(EVENTS.c.position.in_(positions))
    named = tuple_(MEASUREMENTS.c.source, MEASUREMENTS.c.event_id).in_(keys)
    connection.execute(delete(MEASUREMENTS).where(named))


def measurement_page(
    connection: Connection, wanted: MeasurementFilter, limit: int, before: str | None = None
) -> MeasurementPage:
    """Measurements by the begin of their period, newest first.

    Raises:
        ValueError: `before` is not a `next_before` of an earlier page.
    """
    query = select(MEASUREMENTS).where(wanted.sees.of(MEASUREMENTS))
    for name in ("kind", "city", "camera", "task", "zone", "line"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(MEASUREMENTS.c[name] == value)
    if wanted.since is not None:
        query = query.where(MEASUREMENTS.c.begins_us >= to_us(wanted.since))
    if wanted.until is not None:
        query = query.where(MEASUREMENTS.c.begins_us < to_us(wanted.until))
    if before is not None:
        query = query.where(_older_than(before))
    newest_first = (MEASUREMENTS.c[name].desc() for name in ORDER)
    # Which ones they are is found in an index; PostgreSQL else reads the bodies of all that match.
    page = query.order_by(*newest_first).limit(limit + 1).subquery()
    same = (EVENTS.c.source == page.c.source) & (EVENTS.c.event_id == page.c.event_id)
    bodies = select(page, EVENTS.c.body).join(EVENTS, same)
    rows = connection.execute(bodies.order_by(*(page.c[name].desc() for name in ORDER))).all()
    shown = rows[:limit]
    return MeasurementPage(
        measurements=[_measurement(row) for row in shown],
        next_before=_cursor(shown[-1]) if len(rows) > limit else None,
    )


def _measurement(row: Row[Any]) -> CityMeasurement:
    data = MeasurementEvent.model_validate_json(row.body).data
    return CityMeasurement(**dict(data), city=row.city)


def _cursor(row: Row[Any]) -> str:
    return cursor_of(PageEnd(row.begins_us, row.source, row.event_id))


def _older_than(cursor: str) -> ColumnElement[bool]:
    columns = tuple_(*(MEASUREMENTS.c[name] for name in ORDER))
    return columns < tuple(end_of(cursor))
