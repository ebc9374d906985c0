"""Outboxes of workers that there are no more: what they had to say still reaches every sink.

How many workers a city has may change from one start to the next. Cameras of a worker that crashed
and does not come back are said to be stopped, its open incidents end, and its events are delivered,
however long that takes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from pipelines import CoveredPeriod, EvidenceRecorder, OutboxInUse, OutboxUnavailable
from pipelines.delivery import DeadLetter, Outbox, PendingEvent, Relay, Spool
from serving.city_plan import OUTBOX_FILE, SPOOL_FOLDER, DeliveryPlan
from serving.worker_upkeep import publish_set_aside

log = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
STOP_S: Final = 5.0


class _LeftOver:
    """One outbox and the thread that delivers it."""

    def __init__(self, folder: Path, delivery: DeliveryPlan, city: str) -> None:
        self.name = folder.name
        self._folder = folder
        self._delivery = delivery
        self._city = city
        self._stopping = threading.Event()
        self.open: tuple[Outbox, Relay] | None = None
        self.thread = threading.Thread(target=self._run, name=f"left-over-{self.name}", daemon=True)

    def stop(self) -> None:
        """Lets the file go; what was not delivered stays in it."""
        self._stopping.set()
        if self.thread.ident is not None:
            self.thread.join(STOP_S)

    def _run(self) -> None:
        try:
            self._deliver()
        except Exception:
            # Whatever is wrong with it, the cameras that there are do not depend on it.
            log.exception("left_over_outbox_failed", extra={"worker": self.name})

    def _deliver(self) -> None:
        outbox = self._opened()
        if outbox is None:
            return
        with contextlib.closing(outbox):
            spool = Spool(self._folder / SPOOL_FOLDER)
            recorder = EvidenceRecorder(outbox, spool, self._city)
            recorder.recover(())
            recorder.recover_coverage({}, {})
            publish_set_aside(outbox, recorder, self.name)
            sinks = [settings.open() for settings in self._delivery.sinks]
            relay = Relay(outbox, spool, self._delivery.keyframes.open(), sinks)
            relay.start()
            self.open = outbox, relay
            while not self._is_done(outbox) and not self._stopping.wait(CHECK_EVERY_S):
                pass
            self.open = None
            relay.stop()

    def _opened(self) -> Outbox | None:
        """The outbox as soon as the worker that had it lets it go; None where this stops before."""
        while True:
            try:
                return Outbox(self._folder / OUTBOX_FILE)
            except OutboxInUse:
                if self._stopping.wait(CHECK_EVERY_S):
                    return None

    def _is_done(self, outbox: Outbox) -> bool:
        with contextlib.suppress(OutboxUnavailable):
            left = outbox.deliveries.backlogs().values()
            return not any(one.pending or one.dead for one in left) and not outbox.blobs_pending()
        return False


class LeftOverOutboxes:
    """Delivers each in a thread of its own; a file is let go as soon as nothing is left in it."""

    def __init__(self, delivery: DeliveryPlan, city: str, workers: Collection[str]) -> None:
        """Finds them: those under the state folder that belong to none of `workers`."""
        self._delivery = delivery
        self._city = city
        folders = sorted(one.parent for one in delivery.state.glob(f"*/{OUTBOX_FILE}"))
        self._files = {
            one.name: _LeftOver(one, delivery, city) for one in folders if one.name not in workers
        }

    def start(self) -> None:
        """Returns at once."""
        for one in self._files.values():
            one.thread.start()

    def adopt(self, worker: str) -> None:
        """Delivers what a worker has left that is on another machine from now on."""
        folder = self._delivery.state / worker
        if worker not in self._files and (folder / OUTBOX_FILE).exists():
            self._files[worker] = _LeftOver(folder, self._delivery, self._city)
            self._files[worker].thread.start()

    def release(self, worker: str) -> None:
        """Lets the file of a worker go that there is to be again."""
        if (one := self._files.pop(worker, None)) is not None:
            one.stop()

    def stop(self) -> None:
        """Lets the files go; what was not delivered is delivered after the next start."""
        for one in self._files.values():
            one.stop()

    def notes(self) -> Mapping[str, str]:
        """What of them still waits, a sentence for each that there is, by its name."""
        notes = {}
        for name, _, relay in self._open():
            if pending := relay.counters.pending:
                notes[name] = f"{name} is no worker any more, and events of it wait: {pending}"
        return notes

    def pending_events(self, limit: int) -> Sequence[PendingEvent]:
        """Events that wait for a sink, of each outbox at most `limit`."""
        found: list[PendingEvent] = []
        for _, _, relay in self._open():
            with contextlib.suppress(OutboxUnavailable):
                found += relay.waiting(limit)
        return found

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Events that a sink refused for good, of each outbox at most `limit`."""
        found: list[DeadLetter] = []
        for _, outbox, _ in self._open():
            with contextlib.suppress(OutboxUnavailable):
                found += outbox.deliveries.dead.listed(limit)
        return found

    def coverage(
        self, since: datetime, until: datetime, camera: str | None
    ) -> Sequence[CoveredPeriod]:
        """What is known of the time of tasks in them; see `CoverageTable.read`."""
        found: list[CoveredPeriod] = []
        for _, outbox, _ in self._open():
            with contextlib.suppress(OutboxUnavailable):
                found += outbox.coverage.read(since, until, camera)
        return found

    def replay_dead(self, event: str | None, sink: str | None) -> int:
        """See `DeadLetters.request_replay`."""
        count = 0
        for _, outbox, _ in self._open():
            with contextlib.suppress(OutboxUnavailable):
                count += outbox.deliveries.dead.request_replay(event, sink)
        return count

    def _open(self) -> list[tuple[str, Outbox, Relay]]:
        return [(one.name, *one.open) for one in tuple(self._files.values()) if one.open]
