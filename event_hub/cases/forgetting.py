"""What retention does with cases: unfinished ones stay, others go with their incidents."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import Connection, delete, select, update

from event_hub.case_tables import CASE_ACTIONS, CASE_INCIDENTS, CASES
from event_hub.cases.kept import incidents_of
from event_hub.cases.states import UNFINISHED
from event_hub.tables import KEYFRAMES
from pipelines.event_case import CaseCheckData


def unfinished_incidents(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of some incidents somebody is still working on."""
    query = select(CASE_INCIDENTS.c.incident_id).join(
        CASES, CASES.c.case_id == CASE_INCIDENTS.c.case_id
    )
    query = query.where(CASE_INCIDENTS.c.incident_id.in_(ids), CASES.c.state.in_(UNFINISHED))
    return set(connection.scalars(query))


def forget_cases(connection: Connection, ids: Collection[str]) -> None:
    """Deletes incidents from their cases, and cases of which no incident is left.

    Args:
        connection: Of the transaction that deletes the incidents; they are still there.
        ids: Of the incidents.
    """
    of_them = CASE_INCIDENTS.c.incident_id.in_(ids)
    touched = set(connection.scalars(select(CASE_INCIDENTS.c.case_id).where(of_them)))
    connection.execute(delete(CASE_INCIDENTS).where(of_them))
    left = incidents_of(connection, touched)
    for case_id, (first, *_) in left.items():
        same = CASES.c.case_id == case_id
        connection.execute(update(CASES).where(same).values(lead=first.incident_id))
    gone = touched - left.keys()
    joined = connection.scalars(select(CASES.c.case_id).where(CASES.c.joined_into.in_(gone)))
    gone |= set(joined)
    _forget_images(connection, gone)
    for table in (CASE_ACTIONS, CASES):
        connection.execute(delete(table).where(table.c.case_id.in_(gone)))


def _forget_images(connection: Connection, cases: Collection[str]) -> None:
    """Deletes what names the images of the closing checks of some cases."""
    checked = (CASE_ACTIONS.c.action == "checked") & CASE_ACTIONS.c.case_id.in_(cases)
    for detail in connection.scalars(select(CASE_ACTIONS.c.detail).where(checked)).all():
        check = CaseCheckData.model_validate(json.loads(detail)["check"])
        keys = [place.keyframe.key for place in check.places if place.keyframe]
        connection.execute(delete(KEYFRAMES).where(KEYFRAMES.c.key.in_(keys)))
