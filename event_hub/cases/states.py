"""The states of a case and what leads from one to the next: the whole of it in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast

from event_hub.errors import HubError
from pipelines.event_case import CaseStates

CaseAction = Literal["confirmed", "false_alarm", "dispatched", "resolved", "reopened", "noted"]
"""What people do with a case."""

FalseAlarmReason = Literal[
    "nothing_there", "wrong_kind", "allowed", "duplicate", "poor_view", "other"
]
"""Why it is a false alarm: there is nothing, or something else; it may be there; it is known
already; rain, glare or dirt; or what the text says."""

TRANSITIONS: Final[Mapping[CaseAction, Mapping[CaseStates, CaseStates]]] = {
    "confirmed": {"new": "confirmed"},
    "false_alarm": {
        "new": "false_alarm",
        "confirmed": "false_alarm",
        "dispatched": "false_alarm",
    },
    "dispatched": {"new": "dispatched", "confirmed": "dispatched", "dispatched": "dispatched"},
    "resolved": {"confirmed": "resolved", "dispatched": "resolved"},
    "reopened": {"false_alarm": "new", "resolved": "confirmed"},
    "noted": {
        "new": "new",
        "confirmed": "confirmed",
        "false_alarm": "false_alarm",
        "dispatched": "dispatched",
        "resolved": "resolved",
    },
}
"""Where an action leads from each state in which it is allowed."""

UNFINISHED: Final[tuple[CaseStates, ...]] = ("confirmed", "dispatched")
"""Somebody has said that it is so, and it is not over: retention leaves it alone."""

CLOSED: Final[tuple[CaseStates, ...]] = ("false_alarm", "resolved")


class CaseConflictError(HubError):
    """A case is not what whoever wants to change it takes it for."""


def state_after(action: CaseAction, state: CaseStates) -> CaseStates:
    """Where an action leads.

    Raises:
        CaseConflictError: It is not allowed in this state.
    """
    leads = TRANSITIONS[action]
    if state not in leads:
        allowed = " or ".join(leads)
        raise CaseConflictError(
            f"a case in state {state} cannot be {action}: it would have to be {allowed}"
        )
    return leads[state]


def as_state(text: str) -> CaseStates:
    """A state as it is kept in a table."""
    return cast(CaseStates, text)
