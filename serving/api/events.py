"""Routes of the control API for events that have not arrived: pending ones, and dead letters."""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from serving.api.answers import ApiAnswer
from serving.director_client import ask_director

TIMEOUT_S: Final = 30.0
MOST: Final = 1000

router = APIRouter(prefix="/events", tags=["events"])
EventLimit = Annotated[int, Query(ge=1, le=MOST)]


class PendingEventAnswer(ApiAnswer):
    """An event that one sink has not acknowledged. `reason` is that of the last attempt."""

    sink: str
    event: str
    type: str
    partition: str
    since: datetime
    reason: str


class DeadLetterAnswer(ApiAnswer):
    """An event that one sink refused while it took others; no `sink` where it is unreadable.

    `at` is when it was given up, `replayed` whether it is about to be sent again.
    """

    sink: str | None
    event: str
    type: str
    partition: str
    reason: str
    at: datetime
    replayed: bool


class ReplayRequest(BaseModel):
    """Which dead letters to send again: all, or one event, or those of one sink."""

    model_config = ConfigDict(extra="forbid")

    event: Annotated[str, Field(max_length=256)] | None = None
    sink: Annotated[str, Field(max_length=2048)] | None = None


class ReplayAnswer(ApiAnswer):
    """How many dead letters are sent again."""

    replayed: int


@router.get("/pending", summary="Events that wait for a sink")
async def list_pending(limit: EventLimit = 100) -> list[PendingEventAnswer]:
    """Of every worker, oldest first."""
    waiting = await ask_director("pending_events", limit, timeout_s=TIMEOUT_S)
    oldest = sorted(waiting, key=lambda one: one.since)[:limit]
    return [PendingEventAnswer.of(one) for one in oldest]


@router.get("/dead", summary="Events that a sink refused for good")
async def list_dead(limit: EventLimit = 100) -> list[DeadLetterAnswer]:
    """Of every worker, oldest first."""
    letters = await ask_director("dead_letters", limit, timeout_s=TIMEOUT_S)
    oldest = sorted(letters, key=lambda one: one.at)[:limit]
    return [DeadLetterAnswer.of(one) for one in oldest]


@router.post("/replay", summary="Send dead letters again")
async def replay(request: ReplayRequest) -> ReplayAnswer:
    """They go out at once and out of order, as a receiver orders by incarnation and sequence.

    One that is refused once more stays a dead letter, with the new reason. 404 where there is none.
    """
    arguments = request.event, request.sink
    count = await ask_director("replay_dead", *arguments, timeout_s=TIMEOUT_S)
    if not count:
        raise HTTPException(404, "there is no such dead letter; GET /events/dead lists them")
    return ReplayAnswer(replayed=count)
