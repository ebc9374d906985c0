"""Keeps every event once and, from whatever order they arrive in, one state per incident.

An event is identified by (source, id); storing it again changes nothing. The projections keep the
greatest of an order over the events' own attributes, never of their times, so duplicates, replays
and out-of-order deliveries lead to the same tables. A call that returned is on disk, but for
heartbeats, which are only noted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, and_, bindparam, insert, or_, select, update

from event_hub.answers import Receipt
from event_hub.case_tables import HUB
from event_hub.database import Database
from event_hub.envelope import Received
from event_hub.errors import DatabaseDamagedError, MalformedEventError, StoreUnavailableError
from event_hub.heard import HeardCameras
from event_hub.heard_rows import known_cameras, save_heard
from event_hub.migrations.upgrade import prepare
from event_hub.projections import origin, project_all
from event_hub.settings import SILENCE_LIMIT_S
from event_hub.tables import EVENTS, USAGE, to_us
from pipelines.event import HeartbeatEvent

if TYPE_CHECKING:
    from pipelines.tracing import SpanFacts, SpanWriter

logger = logging.getLogger(__name__)

SAVE_HEARD_EVERY_S = 30.0
KEYS_AT_ONCE = 256
"""Events that are searched with one statement; databases bound its parameters."""

_KEY = ("source", "event_id")


class EventStore:
    """What the hub keeps in a database by SQLAlchemy URL; safe to use from several threads.

    Raises:
        DatabaseUrlError: The URL cannot be used.
        DatabaseInUseError: Another hub has the file.
        DatabaseVersionError: A newer program wrote it.
        StoreUnavailableError: The database cannot be opened.
    """

    def __init__(
        self,
        url: str,
        silence_limit_s: float = SILENCE_LIMIT_S,
        spans: SpanWriter | None = None,
    ) -> None:
        """Opens or creates the database.

        Args:
            url: As in `HubSettings`.
            silence_limit_s: As in `HubSettings`.
            spans: Where it is written how long events of traced frames took to be stored.
        """
        self._spans = spans
        self.database = Database(url)
        self.heard = HeardCameras(silence_limit_s)
        self._version = 0
        self._heard_due_s = time.monotonic() + SAVE_HEARD_EVERY_S
        try:
            try:
                self._prepare()
            except DatabaseDamagedError:
                self.replace_damaged()
        except BaseException:
            self.database.close()
            raise

    def _prepare(self) -> None:
        self.database.examine()
        with self.database.write() as connection:
            prepare(connection)
            self.heard.restore(known_cameras(connection))
            self._name = str(connection.execute(select(HUB.c.name)).scalar_one())

    def replace_damaged(self) -> Path:
        """Sets the damaged file aside and goes on with a new one, which is empty.

        Returns:
            What the damaged file is called now.

        Raises:
            StoreUnavailableError: It cannot be replaced now.
        """
        damage = self.database.damage
        aside = self.database.set_aside()
        logger.error("database_damaged", extra={"error": str(damage), "kept_as": aside})
        self._prepare()
        self._version += 1
        return aside

    @property
    def version(self) -> int:
        """Grows when there is something new to show: an event, or a camera fallen silent.

        Measurements are not shown by themselves, and there are many of them.
        """
        return self._version + self.heard.version

    def add(self, received: Sequence[Received]) -> Receipt:
        """Store events in one transaction: all of them or none. Heartbeats are noted, not stored.

        Raises:
            MalformedEventError: One says that this hub made it; nothing was stored.
            StoreUnavailableError: Nothing was stored; the delivery may be repeated.
        """
        own = f"/hubs/{self._name}"
        if any(one.event.source.endswith(own) for one in received):
            raise MalformedEventError("source", "is that of this hub, which takes in no own events")
        begin_s, now_us = time.monotonic(), to_us(datetime.now(UTC))
        events = [one for one in received if not isinstance(one.event, HeartbeatEvent)]
        new = 0
        if events:
            with self.recording() as recorder:
                new = recorder.add_all(events)
            self._trace(events, begin_s)
        for one in received:
            if isinstance(one.event, HeartbeatEvent):
                self.heard.note(one.event, now_us)
        if time.monotonic() >= self._heard_due_s:
            self._save_heard()
        return Receipt(stored=new, duplicates=len(events) - new)

    def _trace(self, events: Sequence[Received], begin_s: float) -> None:
        """Adds this commit to the traces of the frames that events come of."""
        if self._spans is None:
            return
        times = begin_s, time.monotonic()
        for one in events:
            if one.event.traceparent is not None:
                facts: SpanFacts = {"event.id": one.event.id, "event.type": one.type}
                self._spans.add("hub.commit", one.event.traceparent, times, facts)

    @contextmanager
    def recording(self) -> Iterator[EventRecorder]:
        """A transaction for events of the hub's own beside whatever else is written in it.

        Raises:
            StoreUnavailableError: Nothing of it was stored.
        """
        now_us = to_us(datetime.now(UTC))
        with self.database.write() as connection:
            recorder = EventRecorder(connection, now_us)
            yield recorder
            recorder.note_usage()
        if recorder.shown:
            self._version += 1

    def close(self) -> None:
        """Release the database. May be called twice."""
        if self._spans is not None:
            self._spans.close()
        self._save_heard()
        self.database.close()

    def _save_heard(self) -> None:
        """What is lost of it is when silent cameras were last heard of, and nothing else."""
        self._heard_due_s = time.monotonic() + SAVE_HEARD_EVERY_S
        heard = self.heard.take_unsaved()
        try:
            if heard:
                with self.database.write() as connection:
                    save_heard(connection, heard)
        except StoreUnavailableError as error:
            logger.warning("heartbeats_not_saved", extra={"error": str(error)})


class EventRecorder:
    """Adds events in one transaction; whoever makes it holds the row that two hubs queue for.

    Attributes:
        connection: Of the transaction.
        now_us: When it began: the arrival of its events.
        new: How many events were new so far.
        shown: How many of these are worth showing at once.
    """

    def __init__(self, connection: Connection, now_us: int) -> None:
        # The row is locked, so that two hubs on one PostgreSQL give no position twice.
        self._used = connection.execute(select(USAGE).with_for_update()).one()
        self.connection = connection
        self.now_us = now_us
        self.new = self.shown = self._size = 0

    @property
    def next_position(self) -> int:
        """Where the next event will stand in the order of arrival."""
        return int(self._used.position) + self.new + 1

    def add(self, received: Received) -> bool:
        """Adds an event. False where it is known."""
        return self.add_all([received]) == 1

    def add_all(self, received: Sequence[Received]) -> int:
        """Adds those of some events that are not known; how many that were.

        Each kind of row is written with one statement for all events: that is most of the time.
        """
        fresh = _unknown(self.connection, received)
        if not fresh:
            return 0
        begin = self.next_position
        rows = [_row(one, begin + place, self.now_us) for place, one in enumerate(fresh)]
        self.connection.execute(insert(EVENTS), rows)
        project_all([one.event for one in fresh], self.connection, self.now_us)
        self.new += len(fresh)
        self.shown += sum(one.event.measurement is None for one in fresh)
        self._size += sum(len(one.body) for one in fresh)
        return len(fresh)

    def note_usage(self) -> None:
        """Counts what was added; the last thing in the transaction."""
        if self.new:
            now_used = {
                "position": self._used.position + self.new,
                "events": self._used.events + self.new,
                "bytes": self._used.bytes + self._size,
            }
            self.connection.execute(update(USAGE).values(now_used))


def _unknown(connection: Connection, received: Sequence[Received]) -> list[Received]:
    """The events that the database does not have, each once, in their order."""
    known: dict[tuple[str, str], str] = {}
    keys = [(one.event.source, one.event.id) for one in received]
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        asked = 1 << (len(part) - 1).bit_length()
        part += part[-1:] * (asked - len(part))
        values = {
            f"{name}{place}": one
            for place, key in enumerate(part)
            for name, one in zip(_KEY, key, strict=True)
        }
        for row in connection.execute(_named(asked), values):
            known[row.source, row.event_id] = row.sha256
    fresh = []
    for one, name in zip(received, keys, strict=True):
        if name not in known:
            known[name] = one.sha256
            fresh.append(one)
        elif known[name] != one.sha256:
            logger.warning("event_id_reused", extra={"source": name[0], "id": name[1]})
    return fresh


@cache
def _named(count: int) -> Select[Any]:
    """Asks for so many events by their keys; made once for each power of two.

    SQLite reads the whole table for pairs that stand IN a list, and an index for each OR.
    """
    row = EVENTS.c
    same = (
        and_(*(row[name] == bindparam(f"{name}{place}") for name in _KEY)) for place in range(count)
    )
    return select(*(row[name] for name in _KEY), row.sha256).where(or_(*same))


def _row(received: Received, position: int, now_us: int) -> dict[str, Any]:
    event = received.event
    return {
        **origin(event),
        "position": position,
        "received_us": now_us,
        "time_us": to_us(event.time),
        "type": received.type,
        "partitionkey": event.partitionkey,
        "incident_id": event.incident_id,
        "revision": event.incident.revision if event.incident else None,
        "sha256": received.sha256,
        "size_bytes": len(received.body),
        "body": received.body,
    }
