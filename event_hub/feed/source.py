"""What readers of the feed share: the newest position, and the state of every camera.

Another hub may write into the same database, so that only the database knows what is new. It is
asked once for all readers, a few times per second, and only while there are any.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, get_args

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import func, or_, select

from event_hub import queries
from event_hub.answers import CameraStatus
from event_hub.camera_key import CameraKey
from event_hub.cases.seen import is_event_seen
from event_hub.envelope import parse_event
from event_hub.errors import MalformedEventError
from event_hub.people.visible import ALL, Visible
from event_hub.store import EventStore
from event_hub.tables import EVENTS, USAGE
from pipelines.event import CaseEvent
from pipelines.event_case import CaseTypes
from pipelines.event_identity import city_of

CHECK_EVERY_S: Final = 0.5
CAMERAS_EVERY_S: Final = 1.0
WINDOW: Final = 2000
"""Positions that are searched at a time for incidents among everything else."""
INCIDENT_TYPES: Final = tuple(
    f"cityeye.incident.{phase}" for phase in ("started", "updated", "ended")
)
CASE_TYPES: Final = get_args(CaseTypes)


class FeedWish(NamedTuple):
    """Of what a reader wants to hear; None of `city` and an empty `cameras` mean any.

    `sees` says of which cameras it may hear now: camera groups change while it reads.
    """

    incidents: bool
    camera_states: bool
    city: str | None
    cameras: frozenset[str]
    cases: bool = False
    sees: Callable[[], Visible] = lambda: ALL

    @property
    def types(self) -> tuple[str, ...]:
        """Of the events that are wanted."""
        return (INCIDENT_TYPES if self.incidents else ()) + (CASE_TYPES if self.cases else ())

    def has(self, city: str, camera: str) -> bool:
        """Whether a camera is meant."""
        return self.city in (None, city) and (not self.cameras or camera in self.cameras)


class FeedEvent(NamedTuple):
    """An event of an incident or case, as it was received."""

    about: str
    position: int
    body: str


class FeedSource:
    """For readers of one event loop."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._newest = 0
        self._newest_at_s = self._cameras_at_s = float("-inf")
        self._cameras: Mapping[CameraKey, CameraStatus] = {}
        self._cameras_of: tuple[int, int] | None = None

    async def newest(self, *, now: bool = False) -> int:
        """The position of the newest event; a little old, unless it is wanted as it is `now`.

        Raises:
            StoreUnavailableError: The database cannot be read now.
        """
        async with self._lock:
            if now or time.monotonic() - self._newest_at_s >= CHECK_EVERY_S:
                self._newest = await run_in_threadpool(self._read_newest)
                self._newest_at_s = time.monotonic()
            return self._newest

    async def oldest(self) -> int:
        """The position of the oldest event that is kept; behind the newest where there is none.

        Raises:
            StoreUnavailableError: The database cannot be read now.
        """
        return await run_in_threadpool(self._read_oldest)

    async def cameras(self) -> Mapping[CameraKey, CameraStatus]:
        """The status of every camera; a little old.

        Raises:
            StoreUnavailableError: The database cannot be read now.
        """
        newest = await self.newest()
        async with self._lock:
            state = (self._store.heard.version, newest)
            now_s = time.monotonic()
            if state != self._cameras_of and now_s - self._cameras_at_s >= CAMERAS_EVERY_S:
                self._cameras = await run_in_threadpool(self._read_cameras)
                self._cameras_of, self._cameras_at_s = state, now_s
            return self._cameras

    async def events(
        self, after: int, newest: int, wish: FeedWish
    ) -> tuple[Sequence[FeedEvent], int]:
        """Events of incidents and cases after a position, and up to where they were searched.

        Raises:
            StoreUnavailableError: The database cannot be read now.
        """
        end = min(newest, after + WINDOW)
        return await run_in_threadpool(self._read_events, after, end, wish), end

    async def visible(self, wish: FeedWish) -> Visible:
        """Of which cameras a reader may hear now.

        Raises:
            StoreUnavailableError: The groups cannot be read now.
        """
        return await run_in_threadpool(wish.sees)

    def _read_newest(self) -> int:
        with self._store.database.read() as connection:
            return int(connection.execute(select(USAGE.c.position)).scalar_one())

    def _read_oldest(self) -> int:
        with self._store.database.read() as connection:
            oldest = connection.scalar(select(func.min(EVENTS.c.position)))
            newest = connection.execute(select(USAGE.c.position)).scalar_one()
            return int(oldest if oldest is not None else newest + 1)

    def _read_cameras(self) -> dict[CameraKey, CameraStatus]:
        with self._store.database.read() as connection:
            known = queries.camera_list(connection, self._store.heard).cameras
        return {CameraKey(one.city, one.camera.id): one for one in known}

    def _read_events(self, after: int, end: int, wish: FeedWish) -> list[FeedEvent]:
        table = EVENTS.c
        columns = (table.position, table.type, table.source, table.partitionkey, table.body)
        sees = wish.sees()
        query = select(*columns).where(
            table.type.in_(wish.types),
            table.position > after,
            table.position <= end,
            # Only its body says of which cameras an event of a case is.
            or_(sees.of_events(), table.type.in_(CASE_TYPES)),
        )
        with self._store.database.read() as connection:
            rows = connection.execute(query.order_by(table.position)).all()
        return [
            FeedEvent(row.type.split(".")[1], row.position, row.body.decode())
            for row in rows
            if wish.has(city_of(row.source), row.partitionkey)
            and (sees.is_all or row.type not in CASE_TYPES or _is_case_seen(row.body, sees))
        ]


def _is_case_seen(body: bytes, sees: Visible) -> bool:
    try:
        event = parse_event(body).event
    except MalformedEventError:
        # A program before this one took it.
        return False
    return isinstance(event, CaseEvent) and is_event_seen(event, sees)
