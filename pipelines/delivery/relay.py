"""The relay: takes keyframes to the store and events to every sink, in threads of its own.

One thread stores keyframes and keeps the outbox tidy, one thread per sink delivers; a slow store or
sink therefore holds back neither the others nor the capture.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from camera_adapters import BackoffPolicy
from pipelines.delivery.courier import Backoff, Courier, RetryPolicy
from pipelines.delivery.deliveries import Backlog, PendingEvent
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.refusals import Acceptances
from pipelines.delivery.restricted_rows import Blob
from pipelines.delivery.sink_state import SinkState
from pipelines.delivery.sinks.sink import Delivery, Sink
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.store import KeyframeStore
from pipelines.errors import (
    KeyframeAltered,
    OutboxUnavailable,
    SpoolDamaged,
    SpoolUnavailable,
    StoreError,
)
from pipelines.event_evidence import KeyframeData

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""Longest sleep without news; also how often what the disk did not take is tried again."""
TIDY_EVERY_S = 60.0
DRAIN_STEP_S = 0.05
JOIN_S = 5.0
DAY_S = 24 * 3600.0

BURST = 32
"""Keyframes before the caller gets a chance to stop."""


@dataclass(slots=True)
class UploaderCounters:
    """What an uploader has done since it started, and why the last keyframe was not stored."""

    stored: int = 0
    failed: int = 0
    lost: int = 0
    fault: str = ""


class Uploader:
    """Stores evidence and keeps the outbox tidy. Not thread-safe: one thread calls `round`.

    Nothing leaves the spool before the store has it.
    """

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        store: KeyframeStore,
        backoff: BackoffPolicy,
        keep_s: float,
    ) -> None:
        self.counters = UploaderCounters()
        self._outbox = outbox
        self._spool = spool
        self._store = store
        self._backoff = Backoff(backoff)
        self._keep_s = keep_s
        self._tidy_due_s = time.monotonic()

    def round(self) -> float | None:
        """Stores what waits; gives seconds until more is due, None while nothing waits.

        Raises:
            OutboxUnavailable: The outbox cannot be read or written.
        """
        self._outbox.mend()
        self._outbox.save_unsaved()
        now_s = time.monotonic()
        if now_s >= self._tidy_due_s:
            self._tidy_due_s = now_s + TIDY_EVERY_S
            self._outbox.prune(self._keep_s)
        for _ in range(BURST):
            if wait_s := self._backoff.due_in_s(time.monotonic()):
                return wait_s
            blob = self._outbox.next_blob()
            if blob is None:
                self.counters.fault = ""
                return None
            self._store_one(blob)
        return 0.0

    def _store_one(self, blob: Blob) -> None:
        try:
            data = self._spool.read(blob.name, blob.sha256)
            self._store.put(blob.key, data, blob.sha256, blob.media_type)
        except (SpoolDamaged, KeyframeAltered) as error:
            self._missing(blob, error)
            return
        except (StoreError, SpoolUnavailable) as error:
            self._failed(blob, error)
            return
        except Exception as error:
            # A store is foreign code; its mistakes must not end the thread that retries it.
            log.exception("relay.store_failed", extra={"key": blob.key})
            self._failed(blob, error)
            return
        self._stored(blob)

    def _stored(self, blob: Blob) -> None:
        self._backoff.succeeded()
        self.counters.fault = ""
        self._outbox.blob_stored(blob.key)
        self._spool.remove(blob.name)
        self.counters.stored += isinstance(blob, KeyframeData)

    def _missing(self, blob: Blob, error: Exception) -> None:
        # A crash may have come between the upload and its being noted down.
        try:
            stored = self._store.exists(blob.key)
        except StoreError as store_error:
            self._failed(blob, store_error)
            return
        if stored:
            self._stored(blob)
            return
        self._outbox.blob_lost(blob.key)
        self._spool.remove(blob.name)
        self.counters.lost += isinstance(blob, KeyframeData)
        log.error("relay.keyframe_lost", extra={"key": blob.key, "error": str(error)})

    def _failed(self, blob: Blob, error: Exception) -> None:
        self.counters.failed += 1
        self.counters.fault = str(error)
        self._backoff.failed(time.monotonic())
        self._outbox.blob_failed(blob.key)
        log.warning("relay.store_unavailable", extra={"key": blob.key, "error": str(error)})


class WitnessedSink:
    """A `Sink` for what is not in the outbox: it notes what is accepted."""

    def __init__(self, sink: Sink, acceptances: Acceptances) -> None:
        self.name = sink.name
        self._sink = sink
        self._acceptances = acceptances

    def deliver(self, delivery: Delivery) -> None:
        """See `Sink.deliver`."""
        self._sink.deliver(delivery)
        self._acceptances.note()


@dataclass(frozen=True, slots=True)
class RelayCounters:
    """What a relay has done since it started, and what is before it.

    Attributes:
        events_delivered: Acknowledgements, counted per sink.
        events_failed: Attempts that failed and are tried again.
        events_refused: Of all attempts those that the sink answered with a refusal.
        dead: Dead letters in the outbox, counted per sink.
        pending: Events not yet acknowledged, counted per sink.
        keyframes_stored: Keyframes the store has.
        keyframes_failed: Attempts to store evidence that failed and are tried again.
        keyframes_lost: Keyframes that were gone or altered in the spool.
        keyframes_pending: Files of evidence in the spool: keyframes, clips and clean images.
        sinks: Each sink by itself.
    """

    events_delivered: int
    events_failed: int
    events_refused: int
    dead: int
    pending: int
    keyframes_stored: int
    keyframes_failed: int
    keyframes_lost: int
    keyframes_pending: int
    sinks: tuple[SinkState, ...] = ()


class Relay:
    """Starts with `start`, ends with `stop`; a stopped relay is not started again."""

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        store: KeyframeStore,
        sinks: Sequence[Sink],
        *,
        blob_grace_s: float = 30.0,
        keep_s: float = DAY_S,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Registers the sinks with the outbox.

        Args:
            outbox: Where events come from.
            spool: Where keyframes come from.
            store: Where keyframes go.
            sinks: Where events go; names are unique. A new name gets all that is still kept.
            blob_grace_s: How long an event waits for its keyframes before it goes out without.
            keep_s: How long acknowledged events are kept for replay.
            retry: How failing sinks and a failing store are treated.

        Raises:
            ValueError: Two sinks have the same name.
        """
        names = [sink.name for sink in sinks]
        if len(set(names)) != len(names):
            raise ValueError(f"two sinks have the same name: {', '.join(sorted(names))}")
        outbox.deliveries.register(names)
        self._outbox = outbox
        retry = retry or RetryPolicy()
        self._uploader = Uploader(outbox, spool, store, retry.backoff, keep_s)
        self._couriers = [Courier(sink, outbox.deliveries, blob_grace_s, retry) for sink in sinks]
        self._backlogs: Mapping[str, Backlog] = {}
        self._blobs_pending = 0
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts the threads."""
        rounds = [("store", self._uploader.round)]
        rounds += [(courier.sink.name, courier.round) for courier in self._couriers]
        for name, step in rounds:
            thread = threading.Thread(
                target=self._run, args=(step,), name=f"relay-{name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, drain_s: float = 0.0) -> None:
        """Delivers what it can within `drain_s` seconds, then ends the threads.

        A thread that is waiting for the network ends after that wait; what it was delivering is
        delivered again at the next start.
        """
        deadline_s = time.monotonic() + drain_s
        while time.monotonic() < deadline_s and self._has_work():
            self._stopping.wait(DRAIN_STEP_S)
        self._stopping.set()
        self._outbox.file.wake()
        for thread in self._threads:
            thread.join(JOIN_S)

    @property
    def counters(self) -> RelayCounters:
        """What is pending and dead is the last known where the outbox cannot be read."""
        with contextlib.suppress(OutboxUnavailable):
            self._backlogs = self._outbox.deliveries.backlogs()
            self._blobs_pending = self._outbox.blobs_pending()
        totals = [courier.counters for courier in self._couriers]
        states = tuple(self._state(courier) for courier in self._couriers)
        stored = self._uploader.counters
        return RelayCounters(
            events_delivered=sum(one.delivered for one in totals),
            events_failed=sum(one.failed for one in totals),
            events_refused=sum(one.refused for one in totals),
            dead=sum(one.dead for one in states),
            pending=sum(one.pending for one in states),
            keyframes_stored=stored.stored,
            keyframes_failed=stored.failed,
            keyframes_lost=stored.lost,
            keyframes_pending=self._blobs_pending,
            sinks=states,
        )

    def witnessed(self, sink: Sink) -> Sink:
        """The same sink; what it accepts shows that the courier's sink of that name is well."""
        for courier in self._couriers:
            if courier.sink.name == sink.name:
                return WitnessedSink(sink, courier.acceptances)
        return sink

    def waiting(self, limit: int) -> list[PendingEvent]:
        """Events that wait for a sink, oldest first, with the reason where one is known.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        reasons = {one.sink.name: one.watch.reasons() for one in self._couriers}
        return [
            replace(one, reason=reasons.get(one.sink, {}).get(one.partition, ""))
            if one.is_next
            else one
            for one in self._outbox.deliveries.waiting(limit)
        ]

    def _state(self, courier: Courier) -> SinkState:
        name = courier.sink.name
        known = self._backlogs.get(name, Backlog())
        return replace(
            courier.watch.state(name),
            pending=known.pending,
            dead=known.dead,
            dead_lately=known.dead_lately,
            oldest=known.oldest,
        )

    @property
    def store_fault(self) -> str:
        """Why the keyframe store does not take keyframes now; empty where it does."""
        return self._uploader.counters.fault

    def _has_work(self) -> bool:
        try:
            return bool(
                self._outbox.counters.unsaved
                or self._outbox.blobs_pending()
                or not self._outbox.deliveries.idle()
            )
        except OutboxUnavailable:
            return True

    def _run(self, step: Callable[[], float | None]) -> None:
        seen, fault = 0, ""
        while not self._stopping.is_set():
            try:
                due_s = step()
            except OutboxUnavailable as error:
                # A full disk lasts: it is said once, and not every second into a log on it.
                if str(error) != fault:
                    log.error("relay.outbox_unavailable", extra={"error": str(error)})
                fault = str(error)
                self._stopping.wait(IDLE_S)
                continue
            except Exception:
                # Delivery must outlive a mistake of ours in one round.
                log.exception("relay.round_failed")
                self._stopping.wait(IDLE_S)
                continue
            fault = ""
            if due_s is None or due_s > 0:
                seen = self._outbox.file.wait(seen, min(IDLE_S, due_s or IDLE_S))
