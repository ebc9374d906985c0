"""One reader's stream of server-sent events (WHATWG HTML, section 9.2), for as long as it reads.

Every event of incidents and cases that is stored after the reader's position is sent once and in
order; the position stands in its `id`, so that a reader that comes back with `Last-Event-ID` misses
none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from fastapi.sse import format_sse_event

from event_hub.answers import CameraStatus
from event_hub.camera_key import CameraKey
from event_hub.errors import StoreUnavailableError
from event_hub.feed.source import CHECK_EVERY_S, FeedSource, FeedWish

logger = logging.getLogger(__name__)

RETRY_MS: Final = 2000
KEEP_ALIVE_S: Final = 10.0


async def stream(
    source: FeedSource, wish: FeedWish, after: int | None, goes_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """The feed.

    Args:
        source: Where from.
        wish: What is wanted.
        after: The last position that the reader has; None for what is new from now on.
        goes_on: Asked a few times per second; the stream ends when it says no.
    """
    yield format_sse_event(comment="CityEye live feed", retry=RETRY_MS)
    sent_s = time.monotonic()
    reader = _Reader(source, wish)
    try:
        async for piece in reader.start(after):
            yield piece
        while await goes_on():
            async for piece in reader.news(goes_on):
                sent_s = time.monotonic()
                yield piece
            if time.monotonic() - sent_s >= KEEP_ALIVE_S:
                sent_s = time.monotonic()
                yield format_sse_event(comment="still here")
            await asyncio.sleep(CHECK_EVERY_S)
    except StoreUnavailableError as error:
        # The reader comes back, and goes on where it was.
        logger.warning("feed_ended", extra={"error": str(error)})


class _Reader:
    """What one reader has got so far."""

    def __init__(self, source: FeedSource, wish: FeedWish) -> None:
        self._source = source
        self._wish = wish
        self._position = 0
        self._cameras: dict[CameraKey, tuple[object, ...]] = {}

    async def start(self, after: int | None) -> AsyncIterator[bytes]:
        """Finds the place to go on from; a `reset` says that events before it are not there."""
        # The reader may know of a newer event than other readers do.
        newest = await self._source.newest(now=True)
        self._position = newest if after is None else after
        if after is None:
            return
        oldest = await self._source.oldest()
        if not oldest - 1 <= after <= newest:
            self._position = newest
            yield _reset(newest)

    async def news(self, goes_on: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """What has happened since the last call."""
        newest = await self._source.newest()
        if newest < self._position:
            # The database was damaged and another took its place.
            self._position = newest
            yield _reset(newest)
        while self._position < newest and await goes_on():
            if not self._wish.types:
                self._position = newest
                break
            found, self._position = await self._source.events(self._position, newest, self._wish)
            for one in found:
                yield format_sse_event(event=one.about, data_str=one.body, id=str(one.position))
        if self._wish.camera_states:
            visible = await self._source.visible(self._wish)
            for key, status in (await self._source.cameras()).items():
                division = status.camera.place.division
                is_meant = self._wish.has(*key) and visible.sees(*key, division)
                if is_meant and self._is_new(key, status):
                    yield format_sse_event(event="camera", data_str=status.model_dump_json())

    def _is_new(self, key: CameraKey, status: CameraStatus) -> bool:
        said = (status.state, status.reason, status.view, status.since, status.camera)
        if self._cameras.get(key) == said:
            return False
        self._cameras[key] = said
        return True


def _reset(newest: int) -> bytes:
    return format_sse_event(event="reset", data_str="{}", id=str(newest))
