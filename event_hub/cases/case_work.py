"""`CaseWork`: does something with a case, notes who did it, and makes the event that says so.

All of it is one transaction: what is on disk is in the history and in the log of events, or in
neither. Whoever saw an older revision changes nothing, so that two people never overwrite each
other; whoever repeats the same order gets the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row

from event_hub.cases.answers import CaseRecord
from event_hub.cases.events import case_event
from event_hub.cases.kept import (
    SYSTEM,
    Case,
    CaseActor,
    CaseDeed,
    case_of_incident,
    incidents_of,
    keep_case,
    keep_incident,
    keep_step,
    steps_of,
)
from event_hub.cases.orders import CaseOrder
from event_hub.cases.reading import case_record
from event_hub.cases.states import CLOSED, CaseAction, CaseConflictError, state_after
from event_hub.cases.time_limits import TimeLimits
from event_hub.store import EventRecorder, EventStore

CHECK_US: Final = 120_000_000
"""For so long the cameras are asked whether it is over: somebody may still be sweeping."""

NoteDeed = Callable[[str, CaseDeed], None]
"""Takes the id of an incident and what was done with its case."""


def not_noted(incident_id: str, deed: CaseDeed) -> None:
    """Keeps nothing: the history of the case has it."""


class CaseWork:
    """Works on the cases of a store; safe to use from several threads."""

    def __init__(
        self,
        store: EventStore,
        limits: TimeLimits,
        note: NoteDeed = not_noted,
        checked_city: str = "",
    ) -> None:
        """Prepares.

        Args:
            store: Has the cases.
            limits: Of their time.
            note: Keeps what was done elsewhere too; what it does not take is not done.
            checked_city: Cases of this city are checked by their cameras when resolved.
        """
        self._store = store
        self._limits = limits
        self._note = note
        self._checked_city = checked_city

    def act(
        self, incident: Row[Any], action: CaseAction, order: CaseOrder, by: CaseActor
    ) -> CaseRecord:
        """Does what somebody orders with the case of an incident.

        Args:
            incident: Its row.
            action: What to do.
            order: The revision that was seen, and why.
            by: Who does it.

        Raises:
            CaseConflictError: The case has another revision by now, or a state that does not
                allow it.
            StoreUnavailableError: Nothing was stored.
        """
        deed = CaseDeed(action, by, order.text, order.why, order.assignee)
        with self._store.recording() as recorder:
            case = case_of_incident(recorder.connection, incident)
            if not is_repeated(recorder.connection, case, order.revision, deed):
                check_revision(recorder.connection, case, order.revision)
                changed = self._after(case, action, deed, recorder.now_us)
                record_deed(recorder, case, changed, deed, [incident])
                self._note(incident.incident_id, deed)
            case = case_of_incident(recorder.connection, incident)
            return case_record(recorder.connection, case, self._limits)

    def _after(self, case: Case, action: CaseAction, deed: CaseDeed, now_us: int) -> Case:
        state = state_after(action, case.state)
        if action == "noted":
            return case
        is_checked = bool(self._checked_city) and case.city == self._checked_city
        same_clock = (case.state, state) in {
            ("confirmed", "dispatched"),
            ("dispatched", "dispatched"),
        }
        return replace(
            case,
            state=state,
            changed_us=now_us,
            reason=deed.reason,
            assignee=deed.assignee if action == "dispatched" else case.assignee,
            clock_us=None if state in CLOSED else case.clock_us if same_clock else now_us,
            stage=case.stage if same_clock else 0,
            check_until_us=now_us + CHECK_US if state == "resolved" and is_checked else None,
        )


def check_revision(connection: Connection, case: Case, seen: int) -> None:
    """Refuses what is meant for another state of a case. Raises `CaseConflictError`."""
    if case.revision < seen or _done_since(connection, case, seen):
        raise CaseConflictError(
            f"the case is at revision {case.revision} in state {case.state}, and this was meant"
            f" for revision {seen}: read it again"
        )


def is_repeated(connection: Connection, case: Case, seen: int, deed: CaseDeed) -> bool:
    """Whether the same person did the same with the same revision before."""
    done = next(iter(_done_since(connection, case, seen)), None)
    return done is not None and (
        (done.action, done.actor_id, done.text, done.reason, done.assignee, json.loads(done.detail))
        == (deed.action, deed.by.id, deed.text, deed.reason, deed.assignee, deed.detail)
    )


def _done_since(connection: Connection, case: Case, seen: int) -> list[Row[Any]]:
    """What people did after a revision; a warning by the hub itself changes nothing for them."""
    if case.revision <= seen:
        return []
    steps = steps_of(connection, case.case_id)
    return [one for one in steps if one.number > seen and one.role != SYSTEM.role]


def record_deed(
    recorder: EventRecorder,
    case: Case,
    changed: Case,
    deed: CaseDeed,
    incidents: Sequence[Row[Any]] = (),
) -> Case:
    """Keeps a case after something was done with it, with its history and its event.

    Args:
        recorder: The transaction.
        case: As it was.
        changed: As it is, but for its revision.
        deed: What was done.
        incidents: Those of a case that is not kept yet.

    Returns:
        The case as it is kept.
    """
    kept = replace(changed, revision=case.revision + 1)
    keep_case(recorder.connection, kept)
    if kept.revision == 1:
        for incident in incidents:
            keep_incident(recorder.connection, kept.case_id, incident)
    keep_step(recorder.connection, kept, case.state, deed, recorder.now_us)
    rows = incidents_of(recorder.connection, [kept.case_id]).get(kept.case_id, [])
    event = case_event(recorder, kept, case.state, deed, rows)
    if event is not None:
        recorder.add(event)
    else:
        recorder.shown += 1
    return kept
