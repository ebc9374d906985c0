"""The route of the live feed, for a bounded number of readers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from event_hub.answers import described
from event_hub.feed.source import FeedSource, FeedWish
from event_hub.feed.stream import stream
from event_hub.people.visible import visible_to
from event_hub.store import EventStore
from pipelines.access import is_still_admitted
from pipelines.http_api import RequestProblem

READERS_MAX: Final = 100
BUSY: Final = {"Retry-After": "10"}
EVENT_STREAM: Final = "text/event-stream"
HEADERS: Final = {
    # Proxies would else collect it.
    "X-Accel-Buffering": "no",
}
POSITION_MAX: Final = 2**63 - 1
About = Literal["incidents", "cameras", "cases"]
Position = Annotated[int | None, Query(ge=0, le=POSITION_MAX, description="as `Last-Event-ID`")]
LastEventId = Annotated[int | None, Header(ge=0, le=POSITION_MAX, alias="Last-Event-ID")]


class _Readers:
    """How many there are now."""

    def __init__(self) -> None:
        self.count = 0


class _Feed(StreamingResponse):
    """A stream that gives its place back when it ends."""

    def __init__(self, readers: _Readers, content: AsyncIterator[bytes], **how: Any) -> None:
        super().__init__(content, **how)
        self._readers = readers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._readers.count >= READERS_MAX:
            raise RequestProblem(503, f"{READERS_MAX} readers have the feed already", headers=BUSY)
        self._readers.count += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._readers.count -= 1


def add_feed(router: APIRouter, store: EventStore) -> None:
    """Adds the route."""
    source, readers = FeedSource(store), _Readers()
    how = described("feed", "Follow the city live", 422, 503)
    how["responses"][200] = {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}

    @router.get("/api/feed", response_class=StreamingResponse, **how)
    async def get_feed(
        request: Request,
        about: Annotated[list[About] | None, Query(max_length=3)] = None,
        city: str | None = None,
        camera: Annotated[list[str] | None, Query(max_length=100)] = None,
        after: Position = None,
        last_event_id: LastEventId = None,
    ) -> StreamingResponse:
        """Server-sent events: each event of an `incident` or `case`, and each status of a `camera`.

        An `incident` or `case` has the position in `id`; a reader that comes back with
        `Last-Event-ID` gets what it missed. `reset` says that this cannot be had any more: read the
        lists anew. Every camera's status comes at the beginning, then those that change.
        """
        topics = about or ["incidents", "cameras", "cases"]
        wish = FeedWish(
            "incidents" in topics,
            "cameras" in topics,
            city,
            frozenset(camera or ()),
            "cases" in topics,
            lambda: visible_to(request),
        )
        begin = last_event_id if last_event_id is not None else after

        async def goes_on() -> bool:
            is_stopping: bool = request.app.state.is_stopping()
            return not is_stopping and await is_still_admitted(request.scope)

        pieces = stream(source, wish, begin, goes_on)
        return _Feed(readers, pieces, media_type=EVENT_STREAM, headers=HEADERS)
