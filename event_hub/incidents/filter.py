"""`IncidentFilter`: which incidents are meant; lists, counts, exports and statistics share it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Query
from pydantic import AwareDatetime, Field
from sqlalchemy import Column, ColumnElement, String, exists, literal_column
from sqlalchemy.sql.visitors import iterate

from event_hub.case_tables import CASE_INCIDENTS, CASES, OF_INCIDENT
from event_hub.incident_words import plain
from event_hub.people.visible import ALL, Sees
from event_hub.tables import INCIDENTS, to_us
from pipelines.event_case import CaseStates
from pipelines.event_incident import LEVELS, Severities

OpenOrEnded = Literal["open", "ended"]
VALUES_MAX: Final = 100
TEXT_CHARS: Final = 100

Several = Annotated[
    list[Annotated[str, Field(max_length=512)]] | None,
    Query(max_length=VALUES_MAX, description="may be given several times: any of them"),
]
_SEVERAL: Final = ("kind", "camera", "zone")
_EQUAL: Final = ("city", "model", "model_version")


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are meant; None means any.

    Attributes:
        state: Whether they go on.
        since: They opened then or later.
        until: They opened before.
        severity: They are at least so severe.
        model: Name of the model behind them.
        held: Whether they are kept as evidence.
        case: What people have made of them; `new` where nobody has decided.
        sees: They are of the cameras that a caller sees.
        text: Every word of it occurs in zone, camera, kind, case code and title, or numbers.
    """

    state: OpenOrEnded | None = None
    kind: Several = None
    city: str | None = None
    camera: Several = None
    zone: Several = None
    severity: Annotated[Severities | None, Query(description="at least")] = None
    model: str | None = None
    model_version: str | None = None
    since: Annotated[AwareDatetime | None, Query(description="opened then or later")] = None
    until: Annotated[AwareDatetime | None, Query(description="opened before")] = None
    held: bool | None = None
    case: Annotated[CaseStates | None, Query(description="what people made of them")] = None
    text: Annotated[
        str | None,
        Query(
            max_length=TEXT_CHARS,
            description="every word occurs in zone, camera, kind, case code and title, or numbers",
        ),
    ] = None
    sees: Sees = ALL


WantedIncidents = Annotated[IncidentFilter, Depends()]
"""The filter as parameters of a route."""


def conditions(wanted: IncidentFilter) -> Sequence[ColumnElement[bool]]:
    """What holds of the rows of incidents that are meant."""
    row = INCIDENTS.c
    found = [wanted.sees.of(INCIDENTS)]
    if wanted.state is not None:
        # Few are open, which an index finds; nearly all have ended, and that does not help it.
        found.append(row.is_open == 1 if wanted.state == "open" else row.is_open + 0 == 0)
    for name in _SEVERAL:
        values = getattr(wanted, name)
        if values:
            found.append(row[name].in_(values))
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value is not None:
            found.append(row[name] == value)
    if wanted.severity is not None:
        # An index begins with the level, of which there are four: SQLite would take it, and read
        # most incidents as a whole, where another index has all that is asked for.
        found.append(row.level + 0 >= LEVELS[wanted.severity])
    if wanted.since is not None:
        found.append(row.opened_us >= to_us(wanted.since))
    if wanted.until is not None:
        found.append(row.opened_us < to_us(wanted.until))
    if wanted.held is not None:
        found.append(row.held_us.is_not(None) == wanted.held)
    if wanted.case is not None:
        found.append(_in_case_state(wanted.case))
    found += [
        row.words.contains(word, autoescape=True) for word in plain(wanted.text or "").split()
    ]
    return found


def columns_to_group_by(
    names: Sequence[str], where: Iterable[ColumnElement[bool]], index: Collection[str]
) -> list[ColumnElement[Any]]:
    """Columns to group by, so that no index is read in their order that lacks what is asked.

    SQLite reads an index in the order of the groups to save the sorting, and for what is asked
    besides each row as a whole, where another index has all of that.

    Args:
        names: Those to group by.
        where: What is asked of the incidents.
        index: The columns of the index that has the groups in their order.
    """
    asked = {
        one.name
        for condition in where
        for one in iterate(condition)
        if isinstance(one, Column) and one.table is INCIDENTS
    }
    columns = (INCIDENTS.c[name] for name in names)
    covers = asked <= set(index)
    return [one if covers else _hidden(one).label(one.name) for one in columns]


def _hidden(column: Column[Any]) -> ColumnElement[Any]:
    # As a parameter it would be another one for PostgreSQL where it stands again.
    nothing = "''" if isinstance(column.type, String) else "0"
    return column + literal_column(nothing, column.type)


def _in_case_state(state: CaseStates) -> ColumnElement[bool]:
    """Whether the case of an incident is in a state; one that nobody has touched is new."""
    is_other = state == "new"
    wanted = CASES.c.state != state if is_other else CASES.c.state == state
    same_case = CASES.c.case_id == CASE_INCIDENTS.c.case_id
    kept = exists().where(OF_INCIDENT, same_case, wanted)
    return ~kept if is_other else kept
