"""Whether there was the same before, at the same place: camera, zone and kind are the same."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, func, or_, select

from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.cases.answers import Recurrence, SameIncident
from event_hub.cases.states import as_state
from event_hub.tables import INCIDENTS, from_us

DAY_US: Final = 24 * 3600 * 1_000_000
SHOWN_MAX: Final = 20
PLACE: Final = ("city", "camera", "kind", "zone")


def recurrence(connection: Connection, incident: Row[Any], days: float) -> Recurrence:
    """Incidents of the same kind at the same place in the days before one.

    Those that are one case with it, and false alarms, do not count.
    """
    own = select(CASE_INCIDENTS.c.case_id).where(
        CASE_INCIDENTS.c.incident_id == incident.incident_id,
        CASE_INCIDENTS.c.city == incident.city,
    )
    another = CASES.c.case_id != (connection.scalar(own) or "")
    begin_us = incident.opened_us - int(days * DAY_US)
    columns = (INCIDENTS.c[name] for name in ("incident_id", "opened_us", "is_open"))
    query = (
        select(*columns, CASES.c.state)
        .outerjoin(CASE_INCIDENTS, OF_INCIDENT)
        .outerjoin(CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id)
        .where(*(INCIDENTS.c[one] == getattr(incident, one) for one in PLACE))
        .where(INCIDENTS.c.opened_us.between(begin_us, incident.opened_us))
        .where(INCIDENTS.c.incident_id != incident.incident_id)
        .where(or_(CASES.c.case_id.is_(None), another & (CASES.c.state != "false_alarm")))
    )
    count = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = connection.execute(query.order_by(INCIDENTS.c.opened_us.desc()).limit(SHOWN_MAX))
    shown = [
        SameIncident(
            incident_id=row.incident_id,
            opened_at=from_us(row.opened_us),
            is_open=bool(row.is_open),
            state=as_state(row.state or "new"),
        )
        for row in rows
    ]
    return Recurrence(days=days, count=count, incidents=shown)
