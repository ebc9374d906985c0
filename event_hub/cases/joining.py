"""Makes two incidents one case, and takes one out of a case again.

A case that was joined into another keeps its history and names where its incidents went.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, update

from event_hub.case_tables import CASE_INCIDENTS
from event_hub.cases.answers import CaseRecord
from event_hub.cases.case_work import NoteDeed, check_revision, is_repeated, not_noted, record_deed
from event_hub.cases.kept import (
    Case,
    CaseActor,
    CaseDeed,
    case_by_id,
    case_of_incident,
    incidents_of,
    keep_case,
    keep_incident,
    keep_step,
)
from event_hub.cases.orders import CaseOrder, JoinOrder
from event_hub.cases.reading import case_record
from event_hub.cases.states import CaseConflictError
from event_hub.cases.time_limits import TimeLimits
from event_hub.store import EventRecorder, EventStore
from pipelines.event_identity import event_id

MOST_INCIDENTS: Final = 40
"""With all of them an event of the case is well below what receivers take."""


class CaseJoiner:
    """Joins and splits cases of a store; safe to use from several threads."""

    def __init__(self, store: EventStore, limits: TimeLimits, note: NoteDeed = not_noted) -> None:
        """`note` is as of `CaseWork`."""
        self._store = store
        self._limits = limits
        self._note = note

    def join(
        self, incident: Row[Any], other: Row[Any], order: JoinOrder, by: CaseActor
    ) -> CaseRecord:
        """Lets the case of an incident take in another incident, with all that are one with it.

        The case stays in its state; what was done with the other one stays in its history.

        Raises:
            CaseConflictError: They are one already, or one of the cases has another revision.
            StoreUnavailableError: Nothing was stored.
        """
        with self._store.recording() as recorder:
            connection = recorder.connection
            case = case_of_incident(connection, incident)
            deed = CaseDeed("joined", by, order.text, detail={"incidents": [other.incident_id]})
            if not is_repeated(connection, case, order.revision, deed):
                check_revision(connection, case, order.revision)
                joined = case_of_incident(connection, other)
                check_revision(connection, joined, order.other_revision)
                if joined.case_id == case.case_id:
                    raise CaseConflictError("they are one case already")
                _check_room(connection, case, joined)
                self._join(recorder, (case, incident), (joined, other), deed)
                self._note(incident.incident_id, deed)
            return case_record(connection, case_of_incident(connection, incident), self._limits)

    def _join(
        self,
        recorder: EventRecorder,
        kept: tuple[Case, Row[Any]],
        joined: tuple[Case, Row[Any]],
        deed: CaseDeed,
    ) -> None:
        connection, (case, incident), (gone, other) = recorder.connection, kept, joined
        if case.revision == 0:
            keep_incident(connection, case.case_id, incident)
        if gone.revision == 0:
            keep_incident(connection, case.case_id, other)
        else:
            _move(connection, gone.case_id, case.case_id)
            left = replace(
                gone,
                revision=gone.revision + 1,
                joined_into=case.case_id,
                clock_us=None,
                check_until_us=None,
            )
            keep_case(connection, left)
            keep_step(connection, left, gone.state, replace(deed, detail={}), recorder.now_us)
        record_deed(recorder, case, replace(case, lead=_first(connection, case.case_id)), deed)

    def split(self, incident: Row[Any], order: CaseOrder, by: CaseActor) -> CaseRecord:
        """Takes an incident out of its case; it gets one of its own, in state `new`.

        Raises:
            CaseConflictError: It is the only one, or the case has another revision.
            StoreUnavailableError: Nothing was stored.
        """
        deed = CaseDeed("split", by, order.text, detail={"incidents": [incident.incident_id]})
        with self._store.recording() as recorder:
            connection = recorder.connection
            case = case_of_incident(connection, incident)
            if not _is_split_already(connection, case, order.revision, deed):
                check_revision(connection, case, order.revision)
                if len(incidents_of(connection, [case.case_id]).get(case.case_id, [])) < 2:  # noqa: PLR2004
                    raise CaseConflictError("it is the only incident of its case")
                _split(recorder, case, incident, deed)
                self._note(incident.incident_id, deed)
            return case_record(connection, case_of_incident(connection, incident), self._limits)


def _check_room(connection: Connection, *cases: Case) -> None:
    """Refuses a case that is too large for one event. Raises `CaseConflictError`."""
    found = incidents_of(connection, [one.case_id for one in cases])
    count = sum(max(1, len(found.get(one.case_id, ()))) for one in cases)
    if count > MOST_INCIDENTS:
        raise CaseConflictError(f"one case has {MOST_INCIDENTS} incidents at most")


def _split(recorder: EventRecorder, case: Case, incident: Row[Any], deed: CaseDeed) -> None:
    connection, now_us = recorder.connection, recorder.now_us
    own_id = event_id("case", case.case_id, str(case.revision), incident.incident_id)
    _move(connection, case.case_id, own_id, [incident.incident_id])
    left = replace(case, lead=_first(connection, case.case_id))
    record_deed(recorder, case, left, deed)
    own = Case(
        own_id, case.city, incident.incident_id, "new", 0, now_us,
        split_from=case.case_id, clock_us=now_us,
    )  # fmt: skip
    record_deed(recorder, own, own, deed)


def _is_split_already(connection: Connection, case: Case, seen: int, deed: CaseDeed) -> bool:
    """Whether the same person took the incident out of the case that was seen."""
    if case.split_from is None:
        return False
    before = case_by_id(connection, case.split_from)
    return before is not None and is_repeated(connection, before, seen, deed)


def _move(connection: Connection, old: str, new: str, ids: Iterable[str] | None = None) -> None:
    """Gives incidents of a case to another."""
    of_them = CASE_INCIDENTS.c.case_id == old
    if ids is not None:
        of_them &= CASE_INCIDENTS.c.incident_id.in_(list(ids))
    connection.execute(update(CASE_INCIDENTS).where(of_them).values(case_id=new))


def _first(connection: Connection, case_id: str) -> str:
    """The incident of a case that opened first."""
    return str(incidents_of(connection, [case_id])[case_id][0].incident_id)
