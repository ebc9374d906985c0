"""The routes of the hub for clips and clean images: they need scope and reason, and are audited."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from event_hub import queries
from event_hub.answers import described
from event_hub.keyframes import KeyframeSource
from event_hub.lookup import stored_under
from event_hub.people.noting import noted
from event_hub.people.visible import Sees, Visible
from event_hub.store import EventStore
from pipelines.access import SEEN, AuditTrail, ReasonedRequest
from pipelines.keyframe_key import is_restricted_key, media_type_of

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def add_restricted(
    router: APIRouter, store: EventStore, source: KeyframeSource, trail: AuditTrail
) -> None:
    """Adds the routes.

    Args:
        router: Where to.
        store: Names what there is.
        source: Has it.
        trail: Keeps who saw what.
    """
    how = described("evidence", "A clip or clean image that an event names", 404, 422, 502, 503)
    how["responses"][200] = {"content": {"video/mp4": {}, "image/jpeg": {}}}

    @router.post("/api/evidence/{key:path}", response_class=Response, **how)
    def show_restricted(
        key: str, why: ReasonedRequest, request: Request, sees: Sees, city: str | None = None
    ) -> Response:
        """It is not masked: the audit trail keeps who saw it and the `reason`. 422 without one."""
        if not is_restricted_key(key):
            raise HTTPException(404, "this is no key of a clip or clean image")
        data = _fetched(store, source, key, city, sees)
        noted(trail, request, key, SEEN, why.reason)
        return Response(data, media_type=media_type_of(key), headers=HEADERS)


def _fetched(
    store: EventStore, source: KeyframeSource, key: str, city: str | None, sees: Visible
) -> bytes:
    """What is stored, as an event names it. Raises 404, 502 and 503."""
    with store.database.read() as connection:
        found = queries.keyframes(connection, [key], sees).values()
    expected = {one.sha256 for one in found if city in (None, one.city)}
    if not expected:
        raise HTTPException(404, "no event that is kept names this")
    data = stored_under(source, key)
    if hashlib.sha256(data).hexdigest() not in expected:
        raise HTTPException(502, "what is stored is not what the event names")
    return data
