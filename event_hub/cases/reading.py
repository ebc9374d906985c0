"""Reads of cases, each bounded: one with its history, and pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, tuple_

from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.cases.answers import CaseDue, CasePage, CaseRecord, CaseStep, CaseSummary
from event_hub.cases.kept import (
    Case,
    case_of_row,
    described_incident,
    incident_row,
    incidents_of,
    last_steps,
    steps_of,
    untouched,
)
from event_hub.cases.seen import seen_among
from event_hub.cases.states import CLOSED, as_state
from event_hub.cases.time_limits import TimeLimits
from event_hub.page_cursor import PageEnd, cursor_of, end_of
from event_hub.people.visible import ALL, Sees, Visible
from event_hub.tables import INCIDENTS, from_us, to_us
from pipelines.event_case import CaseActorData, CaseStates

PAGE_ORDER = ("opened_us", "incident_id", "city")


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases to list; None means any.

    `camera` is that of the first incident; `overdue` those of which somebody was warned.
    """

    state: CaseStates | None = None
    city: str | None = None
    camera: str | None = None
    overdue: bool | None = None
    sees: Sees = ALL


def case_record(
    connection: Connection, case: Case, limits: TimeLimits, sees: Visible = ALL
) -> CaseRecord:
    """A case with its newest actions (at most 500), and those of its incidents that are seen."""
    rows = incidents_of(connection, [case.case_id]).get(case.case_id, [])
    if not case.revision:
        own = incident_row(connection, case.city, case.lead)
        rows = [] if own is None else [own]
    rows = seen_among(rows, sees)
    history = [_step(row) for row in steps_of(connection, case.case_id)]
    dues = _Dues(connection, limits)
    summary = _summary(case, rows, history[-1] if history else None, dues)
    return CaseRecord(**dict(summary), history=history)


def case_page(
    connection: Connection,
    wanted: CaseFilter,
    limits: TimeLimits,
    limit: int,
    before: str | None = None,
) -> CasePage:
    """Cases by the opening of their first incident, newest first.

    Raises:
        ValueError: `before` is not a `next_before` of an earlier page.
    """
    own = [column.label(f"case_{column.name}") for column in CASES.c]
    query = (
        select(INCIDENTS, *own)
        .outerjoin(CASE_INCIDENTS, OF_INCIDENT)
        .outerjoin(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
        .where(or_(CASES.c.case_id.is_(None), CASES.c.lead == INCIDENTS.c.incident_id))
    )
    query = query.where(*_conditions(wanted), wanted.sees.of(INCIDENTS))
    if before is not None:
        end = end_of(before)
        columns = tuple_(*(INCIDENTS.c[name] for name in PAGE_ORDER))
        query = query.where(columns < (end.at_us, end.id, end.origin))
    newest_first = (INCIDENTS.c[name].desc() for name in PAGE_ORDER)
    rows = connection.execute(query.order_by(*newest_first).limit(limit + 1)).all()
    shown = rows[:limit]
    last = PageEnd(shown[-1].opened_us, shown[-1].city, shown[-1].incident_id) if shown else None
    return CasePage(
        cases=_summaries(connection, shown, _Dues(connection, limits), wanted.sees),
        next_before=cursor_of(last) if last and len(rows) > limit else None,
    )


def _conditions(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state == "new":
        found.append(or_(CASES.c.state.is_(None), CASES.c.state == "new"))
    elif wanted.state is not None:
        found.append(CASES.c.state == wanted.state)
    if wanted.overdue is not None:
        warned = and_(CASES.c.stage > 0, CASES.c.state.not_in(CLOSED))
        found.append(func.coalesce(warned, False) == wanted.overdue)
    if wanted.city is not None:
        found.append(INCIDENTS.c.city == wanted.city)
    if wanted.camera is not None:
        found.append(INCIDENTS.c.camera == wanted.camera)
    return found


def _summaries(
    connection: Connection, rows: Sequence[Row[Any]], dues: _Dues, sees: Visible
) -> list[CaseSummary]:
    kept = [row.case_case_id for row in rows if row.case_case_id is not None]
    incidents, last = incidents_of(connection, kept), last_steps(connection, kept)
    found = []
    for row in rows:
        case_id = row.case_case_id
        if case_id is None:
            found.append(_summary(untouched(connection, row), [row], None, dues))
        else:
            case = case_of_row(row, "case_")
            step = _step(last[case_id]) if case_id in last else None
            seen = seen_among(incidents.get(case_id, []), sees)
            found.append(_summary(case, seen, step, dues))
    return found


class _Dues:
    """By when something is to be done with cases that are read now."""

    def __init__(self, connection: Connection, limits: TimeLimits) -> None:
        self._limits = limits
        self._since_us = limits.since_us(connection)
        self._now_us = to_us(datetime.now(UTC))

    def of(self, case: Case, incidents: Sequence[Row[Any]]) -> CaseDue | None:
        """The limit of a case, with its incidents."""
        level = max((row.level for row in incidents), default=0)
        is_open = any(row.is_open for row in incidents)
        return self._limits.due(case, level, is_open, self._since_us, self._now_us)


def _summary(
    case: Case, incidents: list[Row[Any]], last: CaseStep | None, dues: _Dues
) -> CaseSummary:
    return CaseSummary(
        case_id=case.case_id if case.revision else None,
        city=case.city,
        state=case.state,
        revision=case.revision,
        since=from_us(case.changed_us),
        reason=case.reason,
        to=case.assignee,
        joined_into=case.joined_into,
        split_from=case.split_from,
        incidents=[described_incident(row) for row in incidents],
        last=last,
        due=dues.of(case, incidents),
    )


def _step(row: Row[Any]) -> CaseStep:
    return CaseStep(
        number=row.number,
        at=from_us(row.at_us),
        action=row.action,
        previous=as_state(row.previous),
        state=as_state(row.state),
        by=CaseActorData(name=row.actor, role=row.role),
        reason=row.reason,
        text=row.text,
        to=row.assignee,
        **json.loads(row.detail),
    )
