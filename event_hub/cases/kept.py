"""A case as the tables keep it, and its rows read and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from event_hub.case_tables import CASE_ACTIONS, CASE_INCIDENTS, CASES, HUB, OF_INCIDENT
from event_hub.cases.states import as_state
from event_hub.tables import INCIDENTS
from pipelines.event import IncidentData
from pipelines.event_case import CaseActorData, CaseIncidentData, CaseStates
from pipelines.event_identity import event_id

STEPS_MAX: Final = 500
_COLUMNS: Final = tuple(column.name for column in CASES.c)


@dataclass(frozen=True, slots=True)
class Case:
    """A case; with revision 0 it is not in the tables yet.

    Attributes:
        lead: Id of its first incident; the incident of a case that is not kept.
        changed_us: When it came into its state.
        clock_us: When the present time limit began; None where the case is closed.
        stage: Warnings since then.
        check_until_us: How long the cameras are asked whether it is over; None where they are not.
    """

    case_id: str
    city: str
    lead: str
    state: CaseStates
    revision: int
    changed_us: int
    reason: str = ""
    assignee: str = ""
    joined_into: str | None = None
    split_from: str | None = None
    clock_us: int | None = None
    stage: int = 0
    check_until_us: int | None = None


@dataclass(frozen=True, slots=True)
class CaseActor:
    """Who does something with a case: the id and name of a person or token, and the role."""

    id: str
    name: str
    role: str

    @property
    def data(self) -> CaseActorData:
        """As events and answers name it."""
        return CaseActorData(name=self.name, role=self.role)


SYSTEM: Final = CaseActor("", "system", "system")
"""The hub itself."""


@dataclass(frozen=True, slots=True)
class CaseDeed:
    """What is done with a case.

    Attributes:
        action: What, as the history names it.
        detail: What else belongs to it, as JSON would have it.
    """

    action: str
    by: CaseActor
    text: str = ""
    reason: str = ""
    assignee: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def hub_name(connection: Connection) -> str:
    """The name that this database's own events carry in their source."""
    return str(connection.execute(select(HUB.c.name)).scalar_one())


def case_by_id(connection: Connection, case_id: str) -> Case | None:
    """A case that is kept."""
    row = connection.execute(select(CASES).where(CASES.c.case_id == case_id)).first()
    return None if row is None else case_of_row(row)


def case_of_incident(connection: Connection, incident: Row[Any]) -> Case:
    """The case of a row of the incidents."""
    same = (CASE_INCIDENTS.c.incident_id == incident.incident_id) & (
        CASE_INCIDENTS.c.city == incident.city
    )
    query = select(CASES).join(CASE_INCIDENTS, CASE_INCIDENTS.c.case_id == CASES.c.case_id)
    row = connection.execute(query.where(same)).first()
    return untouched(connection, incident) if row is None else case_of_row(row)


def untouched(connection: Connection, incident: Row[Any]) -> Case:
    """The case of an incident that nobody has done anything with."""
    own = event_id("case", hub_name(connection), incident.city, incident.incident_id)
    opened_us = incident.opened_us
    return Case(own, incident.city, incident.incident_id, "new", 0, opened_us, clock_us=opened_us)


def case_of_row(row: Row[Any], prefix: str = "") -> Case:
    """A case from a row that has all columns of the table, under names with a prefix."""
    given = {name: getattr(row, prefix + name) for name in _COLUMNS}
    return Case(**given | {"state": as_state(given["state"])})


def keep_case(connection: Connection, case: Case) -> None:
    """Writes a case; its first revision is a new row."""
    values = {name: getattr(case, name) for name in _COLUMNS}
    if case.revision == 1:
        connection.execute(insert(CASES).values(values))
    else:
        connection.execute(update(CASES).where(CASES.c.case_id == case.case_id).values(values))


def keep_step(
    connection: Connection, case: Case, previous: CaseStates, deed: CaseDeed, at_us: int
) -> None:
    """Adds what was done to the history of a case that is at its new revision."""
    row = {
        "case_id": case.case_id,
        "number": case.revision,
        "at_us": at_us,
        "action": deed.action,
        "previous": previous,
        "state": case.state,
        "actor_id": deed.by.id,
        "actor": deed.by.name,
        "role": deed.by.role,
        "reason": deed.reason,
        "assignee": deed.assignee,
        "text": deed.text,
        "detail": json.dumps(deed.detail),
    }
    connection.execute(insert(CASE_ACTIONS).values(row))


def keep_incident(connection: Connection, case_id: str, incident: Row[Any]) -> None:
    """Notes that an incident belongs to a case."""
    row = {"incident_id": incident.incident_id, "city": incident.city, "case_id": case_id}
    connection.execute(insert(CASE_INCIDENTS).values(row))


def incident_row(connection: Connection, city: str, incident_id: str) -> Row[Any] | None:
    """The row of an incident."""
    same = (INCIDENTS.c.incident_id == incident_id) & (INCIDENTS.c.city == city)
    return connection.execute(select(INCIDENTS).where(same)).first()


def incidents_of(connection: Connection, cases: Iterable[str]) -> dict[str, list[Row[Any]]]:
    """The rows of the incidents of some cases by case, the one that opened first first."""
    query = select(CASE_INCIDENTS.c.case_id, INCIDENTS).join(INCIDENTS, OF_INCIDENT)
    query = query.where(CASE_INCIDENTS.c.case_id.in_(list(cases)))
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(INCIDENTS.c.opened_us, INCIDENTS.c.incident_id)):
        found.setdefault(row.case_id, []).append(row)
    return found


def described_incident(row: Row[Any]) -> CaseIncidentData:
    """What events and answers of a case say of an incident."""
    return CaseIncidentData.model_validate(IncidentData.model_validate_json(row.data))


def steps_of(connection: Connection, case_id: str) -> Sequence[Row[Any]]:
    """The newest things that were done with a case, in order."""
    query = select(CASE_ACTIONS).where(CASE_ACTIONS.c.case_id == case_id)
    newest = query.order_by(CASE_ACTIONS.c.number.desc()).limit(STEPS_MAX)
    return list(reversed(connection.execute(newest).all()))


def last_steps(connection: Connection, cases: Iterable[str]) -> dict[str, Row[Any]]:
    """What was done last with each of some cases."""
    same = (CASE_ACTIONS.c.case_id == CASES.c.case_id) & (CASE_ACTIONS.c.number == CASES.c.revision)
    query = select(CASE_ACTIONS).join(CASES, same).where(CASES.c.case_id.in_(list(cases)))
    return {row.case_id: row for row in connection.execute(query)}
