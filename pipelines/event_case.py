"""What events of a hub say of a case: what people made of one or more incidents.

A part of the contract in `pipelines.event`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from pipelines.event_evidence import Contract, KeyframeData
from pipelines.event_incident import Severities
from pipelines.event_place import CameraData, VersionData

CaseStates = Literal["new", "confirmed", "false_alarm", "dispatched", "resolved"]
"""`new` until somebody decides; `confirmed` and `dispatched` until it is `resolved`."""

CaseTypes = Literal[
    "cityeye.case.confirmed",
    "cityeye.case.false_alarm",
    "cityeye.case.dispatched",
    "cityeye.case.resolved",
    "cityeye.case.reopened",
    "cityeye.case.joined",
    "cityeye.case.split",
    "cityeye.case.escalated",
    "cityeye.case.checked",
]
"""The types of events of cases: what was done."""

LimitName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""`decide`, the time to the first decision, or `resolve`, the time from there to the end. An open
list."""


class CaseIncidentData(Contract):
    """An incident of a case: where it was, and which versions found it."""

    incident_id: str
    kind: str
    camera: CameraData
    zone: str
    severity: Severities
    model: VersionData
    rule: VersionData


class CaseActorData(Contract):
    """Who did it: the name of a person or token, and the role. The hub itself is `system`."""

    name: str
    role: str


class CaseLimitData(Contract):
    """A time limit that was passed.

    Attributes:
        name: Which one.
        due_at: When it was passed.
        stage: How often the limit has been passed by its own length: 1 for the first warning.
    """

    name: LimitName
    due_at: datetime
    stage: int = Field(ge=1)


CheckOutcome = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""`clear`, `still_there`, or `unseen` where the camera cannot say. An open list."""


class CasePlaceCheckData(Contract):
    """What a camera says of the place of one incident after its case was resolved.

    Attributes:
        reason: Why nothing can be said; else empty.
        keyframe: The place as it is now; None where the camera gave no image.
    """

    incident_id: str
    camera: str
    outcome: CheckOutcome
    reason: str = ""
    keyframe: KeyframeData | None = None


class CaseCheckData(Contract):
    """Whether what a case was about is over: the worst of all places decides."""

    outcome: CheckOutcome
    places: tuple[CasePlaceCheckData, ...]


class CaseWorkData(Contract):
    """A case after something was done with it.

    Attributes:
        revision: Counts what was done; of two events of a case the greater one is newer.
        previous: The state before.
        at: When it was done, by the clock of the hub.
        reason: Why it is a false alarm, from a list of the hub; else empty.
        text: The words of whoever did it.
        to: To whom it was dispatched or escalated; else empty.
        incidents: All that are one case, the first one first.
        limit: Which time limit was passed; only of an escalation.
        check: What the cameras say after the case was resolved; only of a closing check.
    """

    case_id: str
    revision: int = Field(ge=1)
    state: CaseStates
    previous: CaseStates
    at: datetime
    by: CaseActorData
    reason: str = ""
    text: str = ""
    to: str = ""
    incidents: tuple[CaseIncidentData, ...]
    limit: CaseLimitData | None = None
    check: CaseCheckData | None = None
