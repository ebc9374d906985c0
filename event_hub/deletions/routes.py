"""The routes of deletions: ask for one, and read its records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request

from event_hub.answers import HubAnswer, described
from event_hub.database import Database
from event_hub.deletions.deleter import (
    AmbiguousIncidentError,
    EvidenceDeleter,
    HeldEvidenceError,
    NothingToDeleteError,
    TooMuchToDeleteError,
)
from event_hub.deletions.found import DeletedItem, DeletionRequest
from event_hub.deletions.records import broken_record, records_of
from event_hub.people.noting import refusing_unnoted
from pipelines.access import caller_of


class DeletionRecord(HubAnswer):
    """One record. `digest` is the SHA-256 of `text`, which has that of the record before."""

    digest: str
    text: str


class GoneItem(HubAnswer):
    """An image or clip that the store did not have any more at a time."""

    key: str
    at: datetime


class Deletion(HubAnswer):
    """What was asked to be deleted, by whom and why, and what is gone.

    It is complete when everything is gone; the store may be away until then, and nothing is given
    away meanwhile.
    """

    number: int
    asked_at: datetime
    by: str
    reason: str
    evidence: list[DeletedItem]
    complete: bool
    gone: list[GoneItem]
    records: list[DeletionRecord]


class DeletionList(HubAnswer):
    """Every deletion, newest first; `broken` is the first record that somebody altered."""

    deletions: list[Deletion]
    broken: int | None


def deletions_router(database: Database, deleter: EvidenceDeleter) -> APIRouter:
    """Every route of deletions."""
    router = APIRouter()

    def read(deletion: int | None = None) -> list[Deletion]:
        with database.read() as connection:
            found = records_of(connection, deletion)
        steps: dict[int, list[dict[str, Any]]] = {}
        for record in found:
            steps.setdefault(record["deletion"], []).append(record)
        return [_deletion(records) for _, records in sorted(steps.items(), reverse=True)]

    @router.post(
        "/api/deletions",
        **described("deletions", "Delete what shows a person", 404, 409, 413, 422, 503),
    )
    def ask_for_deletion(wanted: DeletionRequest, request: Request) -> Deletion:
        """Keyframes, clean images and clips, in the store and at the hub; nothing brings them back.

        Held evidence is refused. The answer holds the records of it, which stay; the incidents say
        `deleted_at`.
        """
        with refusing_unnoted():
            try:
                number = deleter.delete(caller_of(request.scope), wanted)
            except NothingToDeleteError as error:
                raise HTTPException(404, str(error)) from None
            except (AmbiguousIncidentError, HeldEvidenceError) as error:
                raise HTTPException(409, str(error)) from None
            except TooMuchToDeleteError as error:
                raise HTTPException(413, str(error)) from None
            except OSError:
                sentence = "it cannot be found out now whether some of it is held: try again"
                raise HTTPException(503, sentence) from None
        return read(number)[0]

    @router.get("/api/deletions", **described("deletions", "List what was deleted", 503))
    def list_deletions() -> DeletionList:
        """Newest first, with the records."""
        with database.read() as connection:
            broken = broken_record(connection)
        return DeletionList(deletions=read(), broken=broken)

    @router.get(
        "/api/deletions/{number}",
        **described("deletions", "The records of a deletion", 404, 422, 503),
    )
    def get_deletion(number: Annotated[int, Path(ge=1, lt=2**63)]) -> Deletion:
        """What was deleted, when, by whom and why."""
        found = read(number)
        if not found:
            raise HTTPException(404, "there is no deletion of this number")
        return found[0]

    return router


def _deletion(records: list[dict[str, Any]]) -> Deletion:
    asked, *rest = records
    return Deletion(
        number=asked["number"],
        asked_at=asked["at"],
        by=asked["by"],
        reason=asked["reason"],
        evidence=asked["evidence"],
        complete=bool(rest),
        gone=[one for record in rest for one in record["gone"]],
        records=[DeletionRecord(digest=one["digest"], text=one["text"]) for one in records],
    )
