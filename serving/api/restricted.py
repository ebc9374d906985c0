"""Clips and clean images: given to who has the scope and a reason, which the audit trail keeps.

Only keys as CityEye makes them are asked for, and an object is given away only where its content is
what its key says, and once the trail has durably noted who sees it.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from datetime import datetime
from functools import cache
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from pipelines.access import AuditError, AuditTrail, ReasonedRequest, caller_of
from pipelines.keyframe_key import is_restricted_key, media_type_of
from serving.api.access import api_access
from serving.api.answers import ApiAnswer
from serving.api.keyframes import MAX_KEY_CHARS, stored_evidence

router = APIRouter(tags=["evidence"])
SERVER: Final = "api"
MOST: Final = 1000
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class AuditAnswer(ApiAnswer):
    """Who saw or changed what, when and why; `parent` is the token that a session is of."""

    at: datetime
    token: str
    name: str
    parent: str
    action: str
    key: str
    reason: str
    server: str


@cache
def trail() -> AuditTrail:
    """The audit trail of the city."""
    return AuditTrail(api_access().audit, SERVER)


@router.post(
    "/evidence/{key:path}",
    summary="A clip or clean image that an event names",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}, "image/jpeg": {}}}},
)
async def show_restricted(
    key: Annotated[str, Path(max_length=MAX_KEY_CHARS)], why: ReasonedRequest, request: Request
) -> Response:
    """It is not masked: the audit trail keeps who saw it and the `reason`. 422 without one."""
    if not is_restricted_key(key):
        raise HTTPException(404, "this is no key of a clip or clean image")
    data = await stored_evidence(key)
    try:
        await asyncio.to_thread(trail().note, caller_of(request.scope), key, why.reason)
    except AuditError as error:
        raise HTTPException(503, str(error)) from None
    return Response(data, media_type=media_type_of(key), headers=HEADERS)


@router.get("/audit", summary="Who saw clips and clean images, who changed what, and why")
async def list_audit(
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> list[AuditAnswer]:
    """The newest first; of this API and of the embedded hub."""
    try:
        entries = await asyncio.to_thread(trail().entries, limit)
    except AuditError as error:
        raise HTTPException(503, str(error)) from None
    return [AuditAnswer.of(one) for one in entries]
