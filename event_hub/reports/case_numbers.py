"""What people have made of the incidents of a period."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, func, select

from event_hub.case_tables import CASE_ACTIONS, CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.people.visible import Visible
from event_hub.reports.answers import CaseNumbers
from event_hub.reports.period import ReportPeriod
from event_hub.tables import INCIDENTS, to_us

BY_PROGRAM: Final = ("escalated", "checked")
"""What the hub does with a case by itself."""

SECOND_US: Final = 1_000_000
OF_LEAD: Final = and_(
    INCIDENTS.c.incident_id == CASES.c.lead,
    INCIDENTS.c.city == CASES.c.city,
)


def case_numbers(connection: Connection, period: ReportPeriod, sees: Visible) -> CaseNumbers:
    """See `CaseNumbers`."""
    states = _states(connection, period, sees)
    confirmed = states["confirmed"] + states["dispatched"] + states["resolved"]
    return CaseNumbers(
        confirmed=confirmed,
        dispatched=states["dispatched"],
        resolved=states["resolved"],
        false_alarms=states["false_alarm"],
        undecided=states.total() - confirmed - states["false_alarm"],
        first_action_s=_first_action_s(connection, period, sees),
        limits_passed=_limits_passed(connection, period, sees),
    )


def _opened(period: ReportPeriod, sees: Visible) -> ColumnElement[bool]:
    since_us, until_us = to_us(period.since), to_us(period.until)
    opened_us = INCIDENTS.c.opened_us
    return and_(opened_us >= since_us, opened_us < until_us, sees.of(INCIDENTS))


def _states(connection: Connection, period: ReportPeriod, sees: Visible) -> Counter[str]:
    """How many incidents are in which state; one that nobody has touched is new."""
    state = func.coalesce(CASES.c.state, "new")
    query = (
        select(state.label("state"), func.count().label("total"))
        .select_from(INCIDENTS)
        .outerjoin(CASE_INCIDENTS, OF_INCIDENT)
        .outerjoin(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
        .where(_opened(period, sees))
        .group_by(state)
    )
    return Counter({row.state: row.total for row in connection.execute(query)})


def _first_action_s(connection: Connection, period: ReportPeriod, sees: Visible) -> float | None:
    """The median over cases, by the incident of each that opened first."""
    first_us = func.min(CASE_ACTIONS.c.at_us)
    query = (
        select((first_us - INCIDENTS.c.opened_us).label("taken_us"))
        .select_from(CASES)
        .join(INCIDENTS, OF_LEAD)
        .join(CASE_ACTIONS, CASE_ACTIONS.c.case_id == CASES.c.case_id)
        .where(CASE_ACTIONS.c.action.not_in(BY_PROGRAM), CASES.c.joined_into.is_(None))
        .where(_opened(period, sees))
        .group_by(CASES.c.case_id, INCIDENTS.c.opened_us)
    )
    taken_us = connection.scalars(query).all()
    # An incident that opened before the case's first one may have been joined later.
    return max(0.0, median(taken_us) / SECOND_US) if taken_us else None


def _limits_passed(connection: Connection, period: ReportPeriod, sees: Visible) -> int:
    at_us = CASE_ACTIONS.c.at_us
    query = (
        select(func.count(CASE_ACTIONS.c.case_id.distinct()))
        .join(CASES, CASES.c.case_id == CASE_ACTIONS.c.case_id)
        .join(INCIDENTS, OF_LEAD)
        .where(CASE_ACTIONS.c.action == "escalated", sees.of(INCIDENTS))
        .where(at_us >= to_us(period.since), at_us < to_us(period.until))
    )
    return connection.scalar(query) or 0
