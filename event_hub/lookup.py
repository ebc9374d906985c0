"""Which incident a request means."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection, Row

from event_hub import queries
from event_hub.people.visible import Visible
from pipelines.http_api import RequestProblem


def one_incident(
    connection: Connection, incident_id: str, city: str | None, sees: Visible
) -> Row[Any]:
    """The incident that is meant. Raises 404, also where the caller does not see it, and 409."""
    rows = queries.incident_rows(connection, incident_id, city, sees)
    if not rows:
        raise HTTPException(404, "no such incident")
    if len(rows) > 1:
        cities = ", ".join(row.city or "none" for row in rows)
        sentence = f"several cities have it, give parameter 'city': {cities}"
        raise RequestProblem(409, sentence, parameter="city")
    return rows[0]
