"""Keeps every event once and, from whatever order they arrive in, one state per incident.

An event is identified by (source, id); storing it again changes nothing. The projections keep the
greatest of an order over the events' own attributes, never of their times, so duplicates, replays
and out-of-order deliveries lead to the same tables. A call that returned is on disk, but for
heartbeats, which are only noted.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from event_hub.answers import Receipt
from event_hub.case_tables import HUB
from event_hub.database import Database
from event_hub.envelope import Received
from event_hub.errors import DatabaseDamagedError, MalformedEventError, StoreUnavailableError
from event_hub.heard import HeardCameras
from event_hub.heard_rows import known_cameras, save_heard
from event_hub.migrations.upgrade import prepare
from event_hub.projections import origin, project
from event_hub.settings import SILENCE_LIMIT_S
from event_hub.tables import EVENTS, USAGE, to_us
from pipelines.event import HeartbeatEvent

logger = logging.getLogger(__name__)

SAVE_HEARD_EVERY_S = 30.0


class EventStore:
    """What the hub keeps in a database by SQLAlchemy URL; safe to use from several threads.

    Raises:
        DatabaseUrlError: The URL cannot be used.
        DatabaseInUseError: Another hub has the file.
        DatabaseVersionError: A newer program wrote it.
        StoreUnavailableError: The database cannot be opened.
    """

    def __init__(self, url: str, silence_limit_s: float = SILENCE_LIMIT_S) -> None:
        """Opens or creates the database; `silence_limit_s` as in `HubSettings`."""
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
        logger.error("database_damaged error=%s kept_as=%s", damage, aside)
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
        now_us = to_us(datetime.now(UTC))
        events = [one for one in received if not isinstance(one.event, HeartbeatEvent)]
        new = 0
        if events:
            with self.recording() as recorder:
                new = sum(recorder.add(one) for one in events)
        for one in received:
            if isinstance(one.event, HeartbeatEvent):
                self.heard.note(one.event, now_us)
        if time.monotonic() >= self._heard_due_s:
            self._save_heard()
        return Receipt(stored=new, duplicates=len(events) - new)

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
            logger.warning("heartbeats_not_saved error=%s", error)


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
        if not _insert(self.connection, received, self.next_position, self.now_us):
            return False
        self.new += 1
        self.shown += received.event.measurement is None
        self._size += len(received.body)
        return True

    def note_usage(self) -> None:
        """Counts what was added; the last thing in the transaction."""
        if self.new:
            now_used = {
                "position": self._used.position + self.new,
                "events": self._used.events + self.new,
                "bytes": self._used.bytes + self._size,
            }
            self.connection.execute(update(USAGE).values(now_used))


def _insert(connection: Connection, received: Received, position: int, now_us: int) -> bool:
    event = received.event
    digest = hashlib.sha256(received.body).hexdigest()
    same = (EVENTS.c.source == event.source) & (EVENTS.c.event_id == event.id)
    known = connection.scalar(select(EVENTS.c.sha256).where(same))
    if known is not None:
        if known != digest:
            logger.warning("event_id_reused source=%s id=%s", event.source, event.id)
        return False
    row = {
        **origin(event),
        "position": position,
        "received_us": now_us,
        "time_us": to_us(event.time),
        "type": received.type,
        "partitionkey": event.partitionkey,
        "incident_id": event.incident_id,
        "revision": event.incident.revision if event.incident else None,
        "sha256": digest,
        "size_bytes": len(received.body),
        "body": received.body,
    }
    connection.execute(insert(EVENTS).values(row))
    project(event, connection, now_us)
    return True
