"""`IncidentFilter`: which incidents are meant; lists, counts, exports and statistics share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from pydantic import AwareDatetime, Field
from sqlalchemy import ColumnElement, exists

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
        found.append(row.is_open == int(wanted.state == "open"))
    for name in _SEVERAL:
        values = getattr(wanted, name)
        if values:
            found.append(row[name].in_(values))
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value is not None:
            found.append(row[name] == value)
    if wanted.severity is not None:
        found.append(row.level >= LEVELS[wanted.severity])
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


def _in_case_state(state: CaseStates) -> ColumnElement[bool]:
    """Whether the case of an incident is in a state; one that nobody has touched is new."""
    is_other = state == "new"
    wanted = CASES.c.state != state if is_other else CASES.c.state == state
    same_case = CASES.c.case_id == CASE_INCIDENTS.c.case_id
    kept = exists().where(OF_INCIDENT, same_case, wanted)
    return ~kept if is_other else kept
