"""The routes of case work: what people do with an incident, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from sqlalchemy import Row

from event_hub.answers import described
from event_hub.cases.answers import CasePage, CaseRecord, Recurrence
from event_hub.cases.case_work import CaseWork, NoteDeed
from event_hub.cases.joining import CaseJoiner
from event_hub.cases.kept import CaseActor, case_by_id, case_of_incident
from event_hub.cases.noting import noting
from event_hub.cases.orders import CaseOrder, DispatchOrder, FalseAlarmOrder, JoinOrder, NoteOrder
from event_hub.cases.reading import CaseFilter, case_page, case_record
from event_hub.cases.recurrence import recurrence
from event_hub.cases.seen import check_seen
from event_hub.cases.states import CaseAction, CaseConflictError
from event_hub.cases.time_limits import TimeLimits
from event_hub.lookup import one_incident
from event_hub.people.noting import refusing_unnoted
from event_hub.people.visible import Sees, Visible
from event_hub.store import EventStore
from pipelines.access import AuditTrail, caller_of
from pipelines.http_api import RequestProblem

PAGE_MAX: Final = 200
NO_PAGE: Final = "parameter 'before' is not a page's next_before"
PATH: Final = "/api/incidents/{incident_id}"


def cases_router(
    store: EventStore, limits: TimeLimits, trail: AuditTrail, checked_city: str
) -> APIRouter:
    """Every route of case work; the trail keeps who did what, `checked_city` as in `CaseWork`."""
    router = APIRouter()
    note = noting(trail)
    _add_actions(router, store, CaseWork(store, limits, note, checked_city))
    _add_joining(router, store, limits, note)
    _add_readers(router, store, limits)
    return router


def actor_of(request: Request) -> CaseActor:
    """Who is behind a request: a user, or the token that was shown or that a session is of."""
    caller = caller_of(request.scope)
    return CaseActor(caller.user or caller.parent or caller.id, caller.name, caller.scope)


def _add_actions(router: APIRouter, store: EventStore, work: CaseWork) -> None:
    def act(
        request: Request,
        sees: Visible,
        incident_id: str,
        city: str | None,
        action: CaseAction,
        order: CaseOrder,
    ) -> CaseRecord:
        with _conflicts():
            (incident,) = _workable(store, sees, city, incident_id)
            return work.act(incident, action, order, actor_of(request))

    @router.post(f"{PATH}/confirm", **_how("Say that an incident is real"))
    def confirm(
        incident_id: str, order: CaseOrder, request: Request, sees: Sees, city: str | None = None
    ) -> CaseRecord:
        """The case of the incident becomes `confirmed`."""
        return act(request, sees, incident_id, city, "confirmed", order)

    @router.post(f"{PATH}/false-alarm", **_how("Say that there was no such incident"))
    def call_false_alarm(
        incident_id: str,
        order: FalseAlarmOrder,
        request: Request,
        sees: Sees,
        city: str | None = None,
    ) -> CaseRecord:
        """The case becomes `false_alarm`, with a reason that models can be improved by."""
        return act(request, sees, incident_id, city, "false_alarm", order)

    @router.post(f"{PATH}/dispatch", **_how("Send somebody"))
    def dispatch(
        incident_id: str,
        order: DispatchOrder,
        request: Request,
        sees: Sees,
        city: str | None = None,
    ) -> CaseRecord:
        """The case becomes `dispatched`, which also confirms it; once more to send others."""
        return act(request, sees, incident_id, city, "dispatched", order)

    @router.post(f"{PATH}/resolve", **_how("Say that it is done"))
    def resolve(
        incident_id: str, order: CaseOrder, request: Request, sees: Sees, city: str | None = None
    ) -> CaseRecord:
        """The case becomes `resolved`."""
        return act(request, sees, incident_id, city, "resolved", order)

    @router.post(f"{PATH}/reopen", **_how("Take a decision back"))
    def reopen(
        incident_id: str, order: CaseOrder, request: Request, sees: Sees, city: str | None = None
    ) -> CaseRecord:
        """A false alarm becomes `new`, a resolved case `confirmed`."""
        return act(request, sees, incident_id, city, "reopened", order)

    @router.post(f"{PATH}/note", **_how("Add a note"))
    def add_note(
        incident_id: str, order: NoteOrder, request: Request, sees: Sees, city: str | None = None
    ) -> CaseRecord:
        """The words go into the history; nothing else changes, and there is no event."""
        return act(request, sees, incident_id, city, "noted", order)


def _add_joining(router: APIRouter, store: EventStore, limits: TimeLimits, note: NoteDeed) -> None:
    joiner = CaseJoiner(store, limits, note)

    @router.post(f"{PATH}/join", **_how("Make two incidents one case"))
    def join(
        incident_id: str, order: JoinOrder, request: Request, sees: Sees, city: str | None = None
    ) -> CaseRecord:
        """The case of this incident takes in the other one, with all that are one with that."""
        with _conflicts():
            incident, other = _workable(store, sees, city, incident_id, order.incident)
            return joiner.join(incident, other, order, actor_of(request))

    @router.post(f"{PATH}/split", **_how("Take an incident out of its case"))
    def split(
        incident_id: str, order: CaseOrder, request: Request, sees: Sees, city: str | None = None
    ) -> CaseRecord:
        """It gets a case of its own, in state `new`."""
        with _conflicts():
            (incident,) = _workable(store, sees, city, incident_id)
            return joiner.split(incident, order, actor_of(request))


def _workable(
    store: EventStore, sees: Visible, city: str | None, first: str, *others: str
) -> list[Row[Any]]:
    """The incidents that are meant, of cases that the caller sees as a whole.

    `others` are of the city of the first one.

    Raises:
        HTTPException: 404 and 409, see `one_incident`.
        CaseConflictError: A case has incidents that the caller does not see.
    """
    with store.database.read() as connection:
        found = [one_incident(connection, first, city, sees)]
        found += [one_incident(connection, one, found[0].city, sees) for one in others]
        for incident in found:
            check_seen(connection, incident, sees)
    return found


@contextmanager
def _conflicts() -> Iterator[None]:
    """Answers 409 where a case is not what it was taken for, and 503 where nothing can be noted."""
    try:
        with refusing_unnoted():
            yield
    except CaseConflictError as error:
        raise HTTPException(409, str(error)) from None


def _how(summary: str) -> dict[str, Any]:
    return described("cases", summary, 404, 409, 422, 503)


def _add_readers(router: APIRouter, store: EventStore, limits: TimeLimits) -> None:
    @router.get(f"{PATH}/case", **described("cases", "The case of an incident", 404, 409, 503))
    def get_case_of_incident(incident_id: str, sees: Sees, city: str | None = None) -> CaseRecord:
        """What people made of it; state `new` and revision 0 where nobody has touched it."""
        with store.database.read() as connection:
            incident = one_incident(connection, incident_id, city, sees)
            case = case_of_incident(connection, incident)
            return case_record(connection, case, limits, sees)

    @router.get(
        f"{PATH}/recurrence",
        **described("cases", "Whether there was the same before", 404, 409, 422, 503),
    )
    def get_recurrence(
        incident_id: str,
        sees: Sees,
        city: str | None = None,
        days: Annotated[float, Query(gt=0, le=366)] = 30,
    ) -> Recurrence:
        """Incidents of the same kind at the same camera and zone, in the days before it."""
        with store.database.read() as connection:
            return recurrence(connection, one_incident(connection, incident_id, city, sees), days)

    @router.get("/api/cases/{case_id}", **described("cases", "One case and its history", 404, 503))
    def get_case(case_id: str, sees: Sees) -> CaseRecord:
        """Who did what with it, when and why."""
        with store.database.read() as connection:
            case = case_by_id(connection, case_id)
            record = None if case is None else case_record(connection, case, limits, sees)
            # A case that went into another one has no incidents left.
            if record is None or not (record.incidents or sees.is_all):
                raise HTTPException(404, "no such case")
            return record

    @router.get("/api/cases", **described("cases", "List cases, newest first", 422, 503))
    def get_cases(
        wanted: Annotated[CaseFilter, Depends()],
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        before: str | None = None,
    ) -> CasePage:
        """Also those of incidents that nobody has touched. `before` takes a `next_before`."""
        with store.database.read() as connection:
            try:
                return case_page(connection, wanted, limits, limit, before)
            except ValueError:
                raise RequestProblem(422, NO_PAGE, parameter="before") from None
