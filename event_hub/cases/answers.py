"""What the API answers about cases."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from event_hub.answers import HubAnswer
from pipelines.event_case import (
    CaseActorData,
    CaseCheckData,
    CaseIncidentData,
    CaseLimitData,
    CaseStates,
)


class CaseStep(HubAnswer):
    """Something that was done with a case: what, when, by whom and why.

    `action` is an open list; `number` is the revision afterwards. `incidents` are those that were
    joined or split off.
    """

    number: int
    at: datetime
    action: str
    previous: CaseStates
    state: CaseStates
    by: CaseActorData
    reason: str
    text: str
    to: str
    incidents: list[str] = Field(default_factory=list)
    limit: CaseLimitData | None = None
    check: CaseCheckData | None = None


class CaseDue(HubAnswer):
    """The time limit that a case has now.

    `stage` counts the warnings, and `escalated_to` is who got the last one; empty where nobody is
    named.
    """

    name: str
    due_at: datetime
    is_passed: bool
    stage: int
    escalated_to: str


class CaseSummary(HubAnswer):
    """A case as it is now.

    An incident that nobody has touched is a case in state `new` with revision 0, without an id.
    `last` is what was done last. `since` is when it came into this state. `due` is null where there
    is no limit, and where it is closed. A case with `joined_into` has given its incidents to that
    one.
    """

    case_id: str | None
    city: str
    state: CaseStates
    revision: int
    since: datetime
    reason: str
    to: str
    joined_into: str | None
    split_from: str | None
    incidents: list[CaseIncidentData]
    last: CaseStep | None
    due: CaseDue | None


class CaseRecord(CaseSummary):
    """A case with everything that was done with it, in order."""

    history: list[CaseStep]


class CasePage(HubAnswer):
    """Cases, those of the newest incidents first. Pass `next_before` as `before` for the next."""

    cases: list[CaseSummary]
    next_before: str | None


class SameIncident(HubAnswer):
    """An incident of the same kind at the same place, and what people made of it."""

    incident_id: str
    opened_at: datetime
    is_open: bool
    state: CaseStates


class Recurrence(HubAnswer):
    """How often there was the same at the same place in the days before; the newest 20 by name.

    Camera, zone and kind are the same. False alarms do not count, nor what is one case with it.
    """

    days: float
    count: int
    incidents: list[SameIncident]
