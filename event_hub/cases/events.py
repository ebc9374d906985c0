"""What a hub says of its cases to the city: an event for everything but notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast, get_args

from sqlalchemy import Row

from event_hub.cases.kept import Case, CaseDeed, described_incident, hub_name
from event_hub.envelope import Received
from event_hub.store import EventRecorder
from event_hub.tables import from_us
from pipelines.event import CaseEvent
from pipelines.event_case import CaseStates, CaseTypes, CaseWorkData
from pipelines.event_identity import event_id, hub_source

TYPES: Final = {name.rpartition(".")[2]: name for name in get_args(CaseTypes)}
"""The type of the event of each action; a note has none."""

FIRST: Final = 1
"""The only incarnation: a database that begins anew has another source."""


def case_event_id(hub: str, case_id: str, revision: int) -> str:
    """The id of the event of a revision of a case."""
    return event_id("case", hub, case_id, str(revision))


def case_event(
    recorder: EventRecorder,
    case: Case,
    previous: CaseStates,
    deed: CaseDeed,
    incidents: Sequence[Row[Any]],
) -> Received | None:
    """The event that says what was done with a case, for the place that comes next in the log.

    Args:
        recorder: The transaction.
        case: As it is now.
        previous: Its state before.
        deed: What was done.
        incidents: All of the case.
    """
    if deed.action not in TYPES or not incidents:
        return None
    name = hub_name(recorder.connection)
    described = tuple(map(described_incident, incidents))
    at = from_us(recorder.now_us)
    event = CaseEvent(
        id=case_event_id(name, case.case_id, case.revision),
        source=hub_source(case.city, name),
        subject=case.case_id,
        time=at,
        partitionkey=described[0].camera.id,
        incarnation=FIRST,
        sequence=f"{recorder.next_position:012d}",
        type=cast(CaseTypes, TYPES[deed.action]),
        data=CaseWorkData(
            case_id=case.case_id,
            revision=case.revision,
            state=case.state,
            previous=previous,
            at=at,
            by=deed.by.data,
            reason=deed.reason,
            text=deed.text,
            to=deed.assignee,
            incidents=described,
            limit=deed.detail.get("limit"),
            check=deed.detail.get("check"),
        ),
    )
    return Received(event.model_dump_json().encode(), event, event.type)
