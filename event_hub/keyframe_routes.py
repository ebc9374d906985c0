"""The routes of the hub for keyframes: with a token, and by an address that works for minutes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy import Connection, select

from event_hub import queries
from event_hub.answers import HubAnswer, described
from event_hub.keyframe_links import LINKS, MOST_MINUTES, USUAL_MINUTES, KeyframeLinks
from event_hub.keyframes import KEY_MAX_CHARS, KeyframeSource
from event_hub.lookup import stored_under
from event_hub.people.visible import ALL, Sees
from event_hub.queries import NamedKeyframe
from event_hub.store import EventStore
from event_hub.tables import EVENTS, KEYFRAMES
from pipelines.event import EVENT, CaseEvent, IncidentEvent
from pipelines.event_evidence import KeyframeData
from pipelines.keyframe_key import RESTRICTED_PREFIX

IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
IMAGE_HEADERS: Final = {
    # A browser may keep it, and asks each time: it may have been deleted meanwhile.
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
UNNAMED: Final = "no event that is kept names this keyframe"


class KeyframeLink(HubAnswer):
    """The path of an address that shows a keyframe until a time, without a token."""

    path: str
    until: datetime


def add_keyframes(
    router: APIRouter, store: EventStore, source: KeyframeSource, links: KeyframeLinks
) -> None:
    """Adds the routes."""
    how = described("keyframes", "A keyframe that an event names", 404, 502, 503)
    how["responses"] |= {200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not Modified"}}

    @router.get("/api/keyframes/{key:path}", response_class=Response, **how)
    def get_keyframe(key: str, request: Request, sees: Sees, city: str | None = None) -> Response:
        """Only keys that a stored event names are looked up, and the digest must be the event's."""
        with store.database.read() as connection:
            found = queries.keyframes(connection, [key], sees).values()
        return _image(request, source, key, [one for one in found if city in (None, one.city)])

    _add_links(router, store, source, links)


def _add_links(
    router: APIRouter, store: EventStore, source: KeyframeSource, links: KeyframeLinks
) -> None:
    @router.get(
        "/api/keyframe-links",
        **described("keyframes", "A link to a masked keyframe", 404, 409, 503),
    )
    def make_link(
        key: Annotated[str, Query(max_length=KEY_MAX_CHARS)],
        sees: Sees,
        city: str | None = None,
        minutes: Annotated[int, Query(ge=1, le=MOST_MINUTES)] = USUAL_MINUTES,
    ) -> KeyframeLink:
        """For where nobody can send a token. Whoever has the link sees the image until it ends.

        409 where the image is not masked: `POST /api/evidence` shows it to who says why.
        """
        with store.database.read() as connection:
            found = queries.keyframes(connection, [key], sees).values()
            chosen = next((one for one in found if city in (None, one.city)), None)
            if chosen is None or key.startswith(RESTRICTED_PREFIX):
                raise HTTPException(404, UNNAMED)
            if not _is_masked(connection, chosen):
                raise HTTPException(409, "this keyframe is not masked, so there is no link to it")
        path, until = links.path_to(key, chosen.sha256, minutes)
        return KeyframeLink(path=path, until=until)

    how: dict[str, Any] = described("keyframes", "A masked keyframe by a link", 404, 502, 503)
    how["responses"] |= {200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not Modified"}}

    @router.get(f"{LINKS}/{{until}}/{{signature}}/{{key:path}}", response_class=Response, **how)
    def follow_link(until: int, signature: str, key: str, request: Request) -> Response:
        """Without a token, until it ends."""
        with store.database.read() as connection:
            found = queries.keyframes(connection, [key], ALL).values()
        chosen = [one for one in found if links.opens(key, one.sha256, until, signature)]
        if not chosen:
            raise HTTPException(404, "this link has ended, or was never one; ask for another")
        return _image(request, source, key, chosen)


def _image(
    request: Request, source: KeyframeSource, key: str, found: Iterable[NamedKeyframe]
) -> Response:
    """The stored image, if it is one that events name. Raises 404, 502 and 503."""
    expected = {one.sha256: one for one in found}
    if not expected or key.startswith(RESTRICTED_PREFIX):
        raise HTTPException(404, UNNAMED)
    data = stored_under(source, key)
    digest = hashlib.sha256(data).hexdigest()
    named = expected.get(digest)
    if named is None:
        raise HTTPException(502, "the stored keyframe is not the one that the event names")
    headers = {**IMAGE_HEADERS, "ETag": f'"{digest}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    media_type = named.media_type if named.media_type in IMAGE_TYPES else "image/jpeg"
    return Response(data, media_type=media_type, headers=headers)


def _is_masked(connection: Connection, named: NamedKeyframe) -> bool:
    """Whether the event that named it first says so; one that is gone says nothing."""
    same = (EVENTS.c.source == KEYFRAMES.c.source) & (EVENTS.c.event_id == KEYFRAMES.c.event_id)
    own = (KEYFRAMES.c.key == named.key) & (KEYFRAMES.c.city == named.city)
    body = connection.scalar(select(EVENTS.c.body).join(KEYFRAMES, same).where(own))
    if body is None:
        return False
    event = EVENT.validate_json(body)
    keyframes: Iterable[KeyframeData] = ()
    if isinstance(event, IncidentEvent):
        keyframes = event.data.keyframes
    elif isinstance(event, CaseEvent) and event.data.check is not None:
        keyframes = [one.keyframe for one in event.data.check.places if one.keyframe]
    return any(one.key == named.key and one.masked for one in keyframes)
