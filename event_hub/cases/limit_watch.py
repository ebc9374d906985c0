"""`LimitWatch`: warns of every case whose time limit has passed, each stage once.

A warning is a step in the history of its case and an event, written in one transaction: over
restarts, and with two hubs on one database, none comes twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, func, select

from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.cases.case_work import record_deed
from event_hub.cases.kept import (
    SYSTEM,
    Case,
    CaseDeed,
    case_by_id,
    case_of_incident,
    case_of_row,
    incident_row,
    incidents_of,
    untouched,
)
from event_hub.cases.states import UNFINISHED
from event_hub.cases.time_limits import TimeLimits
from event_hub.store import EventRecorder, EventStore
from event_hub.tables import INCIDENTS, to_us
from pipelines.event_case import CaseLimitData

logger = logging.getLogger(__name__)

MOST: Final = 200
"""Warnings of one round; the rest comes in the next."""


class LimitWatch:
    """Watches the limits of a store; to be called by one thread."""

    def __init__(self, store: EventStore, limits: TimeLimits) -> None:
        self._store = store
        self._limits = limits

    def check(self) -> int:
        """Warns of what has passed its limit.

        Returns:
            How many warnings there were.

        Raises:
            StoreUnavailableError: Those before were kept.
        """
        with self._store.database.read() as connection:
            since_us = self._limits.since_us(connection)
        if (since_us is None) != (self._limits.shortest_us is None):
            # They are new, or there are none any more, or the database began anew.
            with self._store.database.write() as connection:
                self._limits.note_begin(connection)
        if self._limits.shortest_us is None:
            return 0
        now_us = to_us(datetime.now(UTC))
        with self._store.database.read() as connection:
            found = [
                one
                for one, level, is_open in _candidates(connection, now_us, self._limits)
                if self._is_due(connection, one, level, is_open, now_us)
            ]
        return sum(self._warn(one) for one in found[:MOST])

    def _is_due(
        self, connection: Connection, one: Case, level: int, is_open: bool, now_us: int
    ) -> bool:
        since_us = self._limits.since_us(connection)
        due = self._limits.due(one, level, is_open, since_us, now_us)
        return due is not None and self._limits.is_stage_due(one, due, now_us)

    def _warn(self, seen: Case) -> bool:
        """Whether the warning was made: somebody may have come first."""
        with self._store.recording() as recorder:
            now = _as_it_is(recorder.connection, seen)
            if now is None or (now.revision, now.stage) != (seen.revision, seen.stage):
                return False
            self._record(recorder, now)
        return True

    def _record(self, recorder: EventRecorder, now: Case) -> None:
        connection = recorder.connection
        own = incident_row(connection, now.city, now.lead)
        rows = incidents_of(connection, [now.case_id]).get(now.case_id) or ([own] if own else [])
        level = max(row.level for row in rows)
        since_us = self._limits.since_us(connection)
        is_open = any(row.is_open for row in rows)
        due = self._limits.due(now, level, is_open, since_us, recorder.now_us)
        if due is None:
            return
        stage = now.stage + 1
        limit = CaseLimitData(name=due.name, due_at=due.due_at, stage=stage)
        deed = CaseDeed(
            "escalated",
            SYSTEM,
            assignee=self._limits.receiver(stage),
            detail={"limit": limit.model_dump(mode="json")},
        )
        record_deed(recorder, now, replace(now, stage=stage), deed, rows)
        logger.info(
            "case_escalated", extra={"case": now.case_id, "limit": due.name, "stage": stage}
        )


def _candidates(
    connection: Connection, now_us: int, limits: TimeLimits
) -> Iterator[tuple[Case, int, bool]]:
    """Cases whose limit may have passed, with the severity, and whether it is going on."""
    begun_us = now_us - (limits.shortest_us or 0)
    kept = (
        select(
            CASES,
            func.max(INCIDENTS.c.level).label("level"),
            func.max(INCIDENTS.c.is_open).label("open"),
        )
        .join(CASE_INCIDENTS, CASE_INCIDENTS.c.case_id == CASES.c.case_id)
        .join(INCIDENTS, OF_INCIDENT)
        .where(CASES.c.state.in_(("new", *UNFINISHED)), CASES.c.stage < limits.stages)
        .where(CASES.c.clock_us <= begun_us)
        .group_by(*CASES.c)
    )
    for row in connection.execute(kept).all():
        yield case_of_row(row), row.level, bool(row.open)
    new = (
        select(INCIDENTS)
        .outerjoin(CASE_INCIDENTS, OF_INCIDENT)
        .where(CASE_INCIDENTS.c.case_id.is_(None), INCIDENTS.c.is_open == 1)
        .where(INCIDENTS.c.opened_us.between(limits.since_us(connection) or 0, begun_us))
        .order_by(INCIDENTS.c.opened_us)
    )
    for row in connection.execute(new).all():
        yield untouched(connection, row), row.level, True


def _as_it_is(connection: Connection, seen: Case) -> Case | None:
    """A case now; None where it is not there any more."""
    if seen.revision:
        return case_by_id(connection, seen.case_id)
    own = incident_row(connection, seen.city, seen.lead)
    return None if own is None else case_of_incident(connection, own)
