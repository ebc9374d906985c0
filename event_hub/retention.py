"""Deletes what is older than the limits say, the oldest first, and nothing that is evidence.

Where there is too much, measurements go before anything else.

Each batch is a transaction of its own with a pause behind it, so that deliveries wait for one batch
at most. Events of incidents that are open, held or worked on stay, and so does everything that is
younger than the time in which a repeated event must be known again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, or_, select, true, tuple_, update

from event_hub.cases.forgetting import forget_cases, unfinished_incidents
from event_hub.database import Database
from event_hub.measured_hours import forget_hours
from event_hub.measurements import forget_measurements
from event_hub.settings import DEDUPLICATED_DAYS, HubRetention
from event_hub.tables import EVENTS, INCIDENTS, KEYFRAMES, USAGE, to_us
from pipelines.event import IncidentData, MeasurementEvent

BATCH: Final = 500
PAUSE_S: Final = 0.05
DAY_US: Final = 24 * 3600 * 1_000_000
MEASUREMENT: Final = MeasurementEvent.model_fields["type"].default
_READ: Final = ("position", "incident_id", "received_us", "size_bytes")


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one transaction did: how many events it deleted, and from where the next one reads."""

    deleted: int
    after: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be deleted: all before `old_us`, and before `young_us` what is too much."""

    kinds: ColumnElement[bool]
    max_bytes: float
    old_us: int
    young_us: int


def delete_old(
    database: Database,
    limits: HubRetention,
    *,
    stopped: Callable[[], bool] = lambda: False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause_s: float = PAUSE_S,
) -> int:
    """Deletes every event that is over the limits, with incidents of which nothing is left.

    Args:
        database: The hub's.
        limits: How much is kept.
        stopped: Whether to give up after the batch.
        now: The time.
        pause_s: Seconds between two batches.

    Returns:
        How many events were deleted.

    Raises:
        StoreUnavailableError: A batch did not succeed; those before it did.
    """
    now_us = to_us(now())
    old_us = 0 if limits.days is None else now_us - int(limits.days * DAY_US)
    young_us = now_us - int(DEDUPLICATED_DAYS * DAY_US)
    deleted = 0
    # What is too much is taken from measurements before anything else: there are many of them.
    for kinds, before_us in ((EVENTS.c.type == MEASUREMENT, 0), (true(), old_us)):
        due, after = _Due(kinds, limits.max_bytes, before_us, young_us), 0
        while True:
            with database.write() as connection:
                batch = _delete_batch(connection, after, due)
            deleted += batch.deleted
            if batch.is_last:
                break
            if stopped():
                return deleted
            after = batch.after
            time.sleep(pause_s)
    if old_us:
        with database.write() as connection:
            forget_hours(connection, old_us)
    return deleted


def _delete_batch(connection: Connection, after: int, wanted: _Due) -> _Batch:
    used = connection.execute(select(USAGE).with_for_update()).one()
    over = used.bytes - wanted.max_bytes
    if over <= 0 and not wanted.old_us:
        return _Batch(0, after, is_last=True)
    query = select(*(EVENTS.c[name] for name in _READ)).where(EVENTS.c.position > after)
    query = query.where(wanted.kinds)
    rows = connection.execute(query.order_by(EVENTS.c.position).limit(BATCH)).all()
    kept = _kept_incidents(connection, rows)
    gone: list[Row[Any]] = []
    due = True
    for row in rows:
        is_young = row.received_us >= wanted.young_us
        due = row.received_us < wanted.old_us or (over > 0 and not is_young)
        if not due:
            break
        if row.incident_id not in kept:
            gone.append(row)
            over -= row.size_bytes
    if gone:
        positions = [row.position for row in gone]
        forget_measurements(connection, positions)
        connection.execute(delete(EVENTS).where(EVENTS.c.position.in_(positions)))
        left = {
            "events": used.events - len(gone),
            "bytes": used.bytes - sum(row.size_bytes for row in gone),
        }
        connection.execute(update(USAGE).values(left))
        _delete_incidents(connection, {row.incident_id for row in gone if row.incident_id})
    is_last = not due or len(rows) < BATCH
    return _Batch(len(gone), rows[-1].position if rows else after, is_last)


def _kept_incidents(connection: Connection, rows: Sequence[Row[Any]]) -> Collection[str]:
    """The incidents of some events that are open or held, or that somebody works on."""
    ids = {row.incident_id for row in rows if row.incident_id}
    kept = or_(INCIDENTS.c.is_open == 1, INCIDENTS.c.held_us.is_not(None))
    query = select(INCIDENTS.c.incident_id).where(INCIDENTS.c.incident_id.in_(ids), kept)
    return set(connection.scalars(query)) | unfinished_incidents(connection, ids)


def _delete_incidents(connection: Connection, ids: Collection[str]) -> None:
    """Deletes those of which no event is left, and the evidence that they name."""
    left = connection.scalars(
        select(EVENTS.c.incident_id).where(EVENTS.c.incident_id.in_(ids)).distinct()
    )
    ids = set(ids) - set(left)
    forget_cases(connection, ids)
    gone = INCIDENTS.c.incident_id.in_(ids)
    rows = connection.execute(select(INCIDENTS.c.city, INCIDENTS.c.data).where(gone)).all()
    keyframes = [
        (row.city, one.key)
        for row in rows
        for one in IncidentData.model_validate_json(row.data).evidence
    ]
    for start in range(0, len(keyframes), BATCH):
        part = keyframes[start : start + BATCH]
        # Said once more for the key alone: SQLite looks up no pairs in an index.
        keys = KEYFRAMES.c.key.in_([key for _, key in part])
        pairs = tuple_(KEYFRAMES.c.city, KEYFRAMES.c.key).in_(part)
        connection.execute(delete(KEYFRAMES).where(keys, pairs))
    connection.execute(delete(INCIDENTS).where(gone))
