"""The routes of the audit trail: who saw and did what, and whether somebody altered the trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import AwareDatetime, ConfigDict

from event_hub.answers import HubAnswer, described
from pipelines.access import AuditError, AuditFilter, AuditTrail

MOST: Final = 1000


class AuditRecord(HubAnswer):
    """Who saw or changed what, when and why; `parent` is the token that a session is of."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    token: str
    name: str
    parent: str
    action: str
    key: str
    reason: str
    server: str


class AuditList(HubAnswer):
    """Entries, newest first. Pass `next_before` as `before` for the next page."""

    entries: list[AuditRecord]
    next_before: str | None


class AuditCheck(HubAnswer):
    """Where the trail was altered, a sentence each, and the digests of the newest lines.

    The end of a trail can be cut off without a trace in it. Whoever notes `newest` elsewhere finds
    out: it must be the digest of a line that is still there, or of one that is newer.
    """

    problems: list[str]
    newest: dict[str, str]


def audit_filter(
    name: str | None = None,
    action: str | None = None,
    key: str | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> AuditFilter:
    """The filter of a request."""
    return AuditFilter(name, action, key, since, until)


def audit_router(trail: AuditTrail) -> APIRouter:
    """Its routes."""
    router = APIRouter()

    @router.get("/api/audit", **described("audit", "Who saw and changed what, and why", 422, 503))
    def list_audit(
        wanted: Annotated[AuditFilter, Depends(audit_filter)],
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        before: str | None = None,
    ) -> AuditList:
        """The newest first, of this hub and of the control API on this machine.

        `action` is as in an entry or its beginning, for example `user`. `name` is of a user or a
        token, `key` what it was about.
        """
        try:
            entries, rest = trail.page(limit, wanted, before)
        except ValueError:
            raise HTTPException(422, "parameter 'before' is not a page's next_before") from None
        except AuditError as error:
            raise HTTPException(503, str(error)) from None
        return AuditList.model_validate({"entries": entries, "next_before": rest})

    @router.get(
        "/api/audit/check", **described("audit", "Whether somebody altered the audit trail", 503)
    )
    def check_audit() -> AuditCheck:
        """Each line has the digest of the one before, so a change shows in the next line."""
        try:
            return AuditCheck(problems=trail.problems(), newest=trail.newest())
        except AuditError as error:
            raise HTTPException(503, str(error)) from None

    return router
