"""What a request means: an incident, or what is stored under a key."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection, Row

from event_hub import queries
from event_hub.deletions.guard import why_not
from event_hub.keyframes import KeyframeSource
from event_hub.people.visible import Visible
from pipelines.http_api import RequestProblem
from pipelines.keyframe_key import why_missing


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


def stored_under(source: KeyframeSource, key: str) -> bytes:
    """What the keyframe store has. Raises 404 with the reason, and 503."""
    try:
        return source.fetch(key)
    except LookupError as error:
        raise HTTPException(404, why_not(error, why_missing(key))) from None
    except OSError:
        raise HTTPException(503, "the keyframe store does not answer: try again") from None
