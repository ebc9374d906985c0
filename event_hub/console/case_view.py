"""What people made of incidents, and what they may do next, for the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Row, func, select

from event_hub.answers import CityIncident
from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.cases.answers import CaseRecord, Recurrence
from event_hub.cases.kept import case_of_incident
from event_hub.cases.reading import case_record
from event_hub.cases.recurrence import recurrence
from event_hub.cases.states import TRANSITIONS, CaseAction
from event_hub.cases.time_limits import TimeLimits
from event_hub.console.markup import query_url
from event_hub.people.visible import ALL, Visible
from event_hub.queries import city_incident
from event_hub.tables import INCIDENTS

RECURRENCE_DAYS: Final = 30.0
JOINABLE: Final = 15
"""So many incidents before one, and after it, are offered to be joined with it."""
ROUTES: Final[Mapping[CaseAction, str]] = {
    "confirmed": "confirm",
    "dispatched": "dispatch",
    "resolved": "resolve",
    "false_alarm": "false-alarm",
    "reopened": "reopen",
    "noted": "note",
}
"""The API's name of each action, in the order of the buttons."""

NEXT: Final[Mapping[str, CaseAction]] = {
    "new": "confirmed",
    "confirmed": "dispatched",
    "dispatched": "resolved",
}
"""What usually comes next in a state."""

DIRECT: Final = "confirmed"
"""Needs no words: one click, or one key."""


@dataclass(frozen=True, slots=True)
class CaseOffer:
    """Something that may be done with the case now.

    Attributes:
        url: Of the API, where the order is posted.
        is_direct: Whether it is done without asking for anything.
        is_next: Whether it is what usually comes next.
    """

    action: CaseAction
    url: str
    is_direct: bool
    is_next: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """The case of one incident.

    Attributes:
        joinable: Incidents that it may be joined with, the nearest in time first, and the revision
            of the case of each.
    """

    record: CaseRecord
    offers: tuple[CaseOffer, ...]
    recurrence: Recurrence
    joinable: tuple[tuple[CityIncident, int], ...] = ()


def case_view(
    connection: Connection, incident: Row[Any], limits: TimeLimits, sees: Visible = ALL
) -> CaseView:
    """What people made of an incident, what they may do next, and whether it recurs."""
    record = case_record(connection, case_of_incident(connection, incident), limits, sees)
    path = f"/api/incidents/{quote(incident.incident_id, safe='')}"
    city = query_url({"city": incident.city})
    offers = tuple(
        CaseOffer(
            action,
            f"{path}/{route}{city}",
            is_direct=action == DIRECT,
            is_next=NEXT.get(record.state) == action,
        )
        for action, route in ROUTES.items()
        if record.state in TRANSITIONS[action]
    )
    others = _joinable(connection, incident, record, sees)
    return CaseView(record, offers, recurrence(connection, incident, RECURRENCE_DAYS), others)


def _joinable(
    connection: Connection, incident: Row[Any], record: CaseRecord, sees: Visible
) -> tuple[tuple[CityIncident, int], ...]:
    """Incidents of the same city that opened just before and after it, not of its case."""
    own = [one.incident_id for one in record.incidents]
    opened_us = INCIDENTS.c.opened_us
    query = (
        select(INCIDENTS, func.coalesce(CASES.c.revision, 0).label("case_revision"))
        .outerjoin(CASE_INCIDENTS, OF_INCIDENT)
        .outerjoin(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
        .where(INCIDENTS.c.city == incident.city, INCIDENTS.c.incident_id.not_in(own))
        .where(sees.of(INCIDENTS))
        .limit(JOINABLE)
    )
    later = query.where(opened_us > incident.opened_us).order_by(opened_us)
    earlier = query.where(opened_us <= incident.opened_us).order_by(opened_us.desc())
    rows = [*connection.execute(later), *connection.execute(earlier)]
    rows.sort(key=lambda row: abs(row.opened_us - incident.opened_us))
    return tuple((city_incident(row), row.case_revision) for row in rows)


def case_states(
    connection: Connection, incidents: Sequence[CityIncident]
) -> dict[tuple[str, str], str]:
    """The states of the cases that somebody has touched, by city and id of their incidents."""
    ids = [one.incident_id for one in incidents]
    columns = (CASE_INCIDENTS.c.city, CASE_INCIDENTS.c.incident_id, CASES.c.state)
    query = select(*columns).join(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
    rows = connection.execute(query.where(CASE_INCIDENTS.c.incident_id.in_(ids)))
    return {(row.city, row.incident_id): row.state for row in rows}
