"""Cases for who sees some cameras only: what belongs to others is left out, and not worked on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row

from event_hub.cases.kept import case_of_incident, described_incident, incidents_of
from event_hub.cases.states import CaseConflictError
from event_hub.people.visible import Visible
from pipelines.event import CaseEvent
from pipelines.event_identity import city_of


def seen_among(rows: Iterable[Row[Any]], sees: Visible) -> list[Row[Any]]:
    """Those of some incidents that are seen."""
    return [row for row in rows if sees.is_all or _is_seen(row, sees)]


def check_seen(connection: Connection, incident: Row[Any], sees: Visible) -> None:
    """Makes sure that the case of an incident is about nothing that is not seen.

    Raises:
        CaseConflictError: It is.
    """
    case = case_of_incident(connection, incident)
    rows = incidents_of(connection, [case.case_id]).get(case.case_id, [])
    if len(seen_among(rows, sees)) < len(rows):
        raise CaseConflictError(
            "the case was joined with incidents of cameras that you do not see: somebody who sees"
            " them has to do this, or to split it"
        )


def is_event_seen(event: CaseEvent, sees: Visible) -> bool:
    """Whether an event of a case is about incidents of cameras that are seen, and no others."""
    city, cameras = city_of(event.source), [one.camera for one in event.data.incidents]
    return sees.is_all or (
        bool(cameras) and all(sees.sees(city, one.id, one.place.division) for one in cameras)
    )


def _is_seen(row: Row[Any], sees: Visible) -> bool:
    camera = described_incident(row).camera
    return sees.sees(row.city, camera.id, camera.place.division)
