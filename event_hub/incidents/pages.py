"""Pages of incidents, newest or worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from event_hub.answers import IncidentPage
from event_hub.incidents.filter import IncidentFilter, conditions
from event_hub.incidents.order import IncidentOrder, after, ordered, page_end
from event_hub.queries import city_incident
from event_hub.tables import INCIDENTS


def incident_page(
    connection: Connection,
    wanted: IncidentFilter,
    limit: int,
    before: str | None = None,
    order: IncidentOrder = "newest",
) -> IncidentPage:
    """Incidents in an order, from the first one or from the end of a page on.

    Raises:
        ValueError: `before` is not a `next_before` of an earlier page of this order.
    """
    rows = page_rows(connection, wanted, limit + 1, before, order)
    shown = rows[:limit]
    return IncidentPage(
        incidents=[city_incident(row) for row in shown],
        next_before=page_end(order, shown[-1]) if len(rows) > limit else None,
    )


def page_rows(
    connection: Connection,
    wanted: IncidentFilter,
    limit: int,
    before: str | None,
    order: IncidentOrder,
) -> Sequence[Row[Any]]:
    """The rows of a page. Raises ValueError as `incident_page`."""
    keys = select(INCIDENTS.c.incident_id, INCIDENTS.c.city).where(*conditions(wanted))
    if before is not None:
        keys = keys.where(after(order, before))
    # Which ones they are is found in an index alone; only these are then read whole.
    page = keys.order_by(*ordered(order)).limit(limit).subquery()
    same = and_(INCIDENTS.c.incident_id == page.c.incident_id, INCIDENTS.c.city == page.c.city)
    return connection.execute(select(INCIDENTS).join(page, same).order_by(*ordered(order))).all()
