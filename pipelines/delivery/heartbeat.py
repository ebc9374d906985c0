"""Heartbeats: a worker says every few seconds that it watches, and how each of its cameras is.

They go to every sink beside the outbox: made of the newest state, never stored, never repeated, and
not sent any more once they have expired or a newer one is there. Each sink has a thread of its own,
so a slow or dead one delays neither the events nor the heartbeats of others.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pipelines.delivery.outbox import Outbox
from pipelines.delivery.sinks.sink import Delivery, Sink
from pipelines.errors import OutboxUnavailable, SinkError
from pipelines.event import HEARTBEAT_EVERY_S, CameraBeat, HeartbeatData, HeartbeatEvent
from pipelines.event_identity import event_id, worker_source

log = logging.getLogger(__name__)

VALID_S: Final = 12.0
"""Two heartbeats may be lost before a camera counts as not watched."""
CAMERAS_PER_EVENT: Final = 50
"""So that an event stays below 64 KiB."""
REASON_MAX_CHARS: Final = 200
JOIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat, as the events that it takes.

    Attributes:
        expires_s: When it is void, in monotonic seconds.
    """

    deliveries: tuple[Delivery, ...]
    expires_s: float


class HeartbeatSender:
    """Sends the newest heartbeat to one sink, in a thread of its own."""

    def __init__(self, sink: Sink, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._newest: Beat | None = None
        self._stopping = False
        self._failing = False
        self.thread = threading.Thread(target=self._run, name=f"heartbeat-{sink.name}", daemon=True)

    def offer(self, beat: Beat) -> None:
        """Replaces the heartbeat that waits, if one does; never waits itself."""
        with self._changed:
            self._newest = beat
            self._changed.notify_all()

    def stop(self) -> None:
        """Sends nothing any more; a delivery that is under way is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (beat := self._take()) is not None:
            for delivery in beat.deliveries:
                if self._monotonic() >= beat.expires_s:
                    break
                try:
                    self._sink.deliver(delivery)
                except Exception as error:
                    # A sink is foreign code, and no failure is worth more than the next heartbeat.
                    self._note_failure(error)
                    break
                self._failing = False

    def _take(self) -> Beat | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._stopping)
            beat, self._newest = self._newest, None
            return None if self._stopping else beat

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            facts = {"sink": self._sink.name, "error": str(error)}
            log.warning(
                "heartbeat.not_sent", extra=facts, exc_info=not isinstance(error, SinkError)
            )
        self._failing = True


class Heartbeats:
    """Makes a heartbeat every few seconds and offers it to every sink."""

    def __init__(
        self,
        worker: str,
        city: str,
        outbox: Outbox,
        cameras: Callable[[], Sequence[CameraBeat]],
        sinks: Sequence[Sink],
        *,
        every_s: float = HEARTBEAT_EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepares; nothing is sent before `start`.

        Args:
            worker: The worker's name.
            city: The city's name in the CloudEvents source.
            outbox: Gives incarnation and sequence, and keeps when the worker was last there.
            cameras: The newest state of each camera.
            sinks: Where heartbeats go, each used by nobody else.
            every_s: Seconds between heartbeats.
            monotonic: Monotonic seconds.
            utc_now: UTC, for people and brokers.
        """
        self._worker = worker
        self._source = worker_source(city, worker)
        self._outbox = outbox
        self._cameras = cameras
        self._every_s = every_s
        self._monotonic = monotonic
        self._utc_now = utc_now
        self._started_s = monotonic()
        self._sequence = ""
        self._count = 0
        self._stopping = threading.Event()
        self._senders = [HeartbeatSender(sink, monotonic) for sink in sinks]
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Sends the first heartbeat at once."""
        for sender in self._senders:
            sender.thread.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends them; a sink that does not answer is not waited for."""
        self._stopping.set()
        for sender in self._senders:
            sender.stop()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def beat(self) -> Beat:
        """The heartbeat of this moment."""
        # Before the states are read, so that they are newer than every event up to it.
        with contextlib.suppress(OutboxUnavailable):
            self._sequence = self._outbox.newest_sequence()
        cameras = self._cameras()
        parts = range(0, len(cameras), CAMERAS_PER_EVENT)
        return Beat(
            tuple(self._delivery(cameras[one : one + CAMERAS_PER_EVENT]) for one in parts),
            self._monotonic() + VALID_S,
        )

    def _delivery(self, cameras: Sequence[CameraBeat]) -> Delivery:
        self._count += 1
        now, incarnation = self._utc_now(), self._outbox.incarnation
        event = HeartbeatEvent(
            id=event_id(self._source, str(incarnation), str(self._count)),
            source=self._source,
            incarnation=incarnation,
            subject=self._worker,
            time=now,
            expirytime=now + timedelta(seconds=VALID_S),
            partitionkey=self._worker,
            sequence=self._sequence or "0",
            data=HeartbeatData(
                worker=self._worker,
                beat=self._count,
                uptime_s=round(self._monotonic() - self._started_s, 3),
                valid_s=VALID_S,
                cameras=tuple(
                    one.model_copy(update={"reason": one.reason[:REASON_MAX_CHARS]})
                    for one in cameras
                ),
            ),
        )
        body = event.model_dump_json().encode()
        return Delivery(0, 0, event.id, self._worker, body)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._outbox.note_alive()
                beat = self.beat()
            except Exception:
                # A mistake of ours in one heartbeat must not silence the next.
                log.exception("heartbeat.failed")
            else:
                for sender in self._senders:
                    sender.offer(beat)
            self._stopping.wait(self._every_s)
