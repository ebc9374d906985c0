"""`WorkerUpkeep`: looks after what a worker keeps on disk, in a thread of its own, in small steps.

It does what the disk did not let the worker do at its start, publishes what was lost or damaged,
deletes what is older or more than it shall be, and says what is wrong at present. No camera waits
for any of it. It also gives free memory back: decoders come and go with their cameras' connections,
and leave holes in the heaps of the threads that they had.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pipelines import EvidenceRecorder, OutboxUnavailable
from pipelines.delivery import (
    Kept,
    Outbox,
    Relay,
    Retention,
    Spool,
    mark_reported,
    set_aside_beside,
    take_over,
)
from pipelines.free_memory import FreeMemory
from serving.kept_files import KeptFiles

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
JOIN_S: Final = 5.0
COVERAGE_EVERY_S: Final = 60.0
"""Between two looks at how much the coverage ledger has."""

LOSSES_EVERY_S: Final = 300.0
"""So that what is published about a full outbox does not fill it."""
LOSSES: Final = {
    "events_lost": "events were lost because the disk took none for too long",
    "events_shed": "events were given up because the outbox is full",
    "keyframes_lost": "keyframes were lost before they were stored",
}
"""What is published when a count has grown."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """A disk at one moment, in bytes; `free` is what this user may still write."""

    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What is known of the worker before.

    Attributes:
        replaced: Why it was replaced; empty where that is not known.
        open_elsewhere: See `WorkerPlan`.
    """

    replaced: str = ""
    open_elsewhere: tuple[bytes, ...] = ()


def publish_set_aside(outbox: Outbox, recorder: EvidenceRecorder, worker: str) -> tuple[str, ...]:
    """Publishes what was set aside and not published yet; gives a sentence for all that is there.

    Raises:
        OutboxUnavailable: The outbox is not open; nothing was published.
    """
    path = outbox.file.path
    reports = set_aside_beside(path)
    if outbox.file.fault:
        return tuple(one.text for one in reports)
    for one in reports:
        if not one.reported:
            numbers = {"events": one.events, "unreadable": one.unreadable}
            recorder.publish_notice(worker, "outbox_damaged", one.text, one.at, numbers)
            mark_reported(path, one)
    return tuple(one.text for one in reports)


class WorkerUpkeep:
    """One per worker.

    Attributes:
        disk: The disk that it looks after, as of the newest round; None where it does not answer.
    """

    def __init__(
        self,
        worker: str,
        outbox: Outbox,
        spool: Spool,
        recorder: EvidenceRecorder,
        relay: Relay,
        cameras: Callable[[], Mapping[str, Collection[str]]],
        retention: Retention = Retention(),  # noqa: B008 - it cannot be changed
        *,
        before: Predecessor = Predecessor(),
    ) -> None:
        """Prepares.

        Args:
            worker: Its name.
            outbox: Looked after, with the files beside it.
            spool: Looked after.
            recorder: Publishes what there is to say.
            relay: Asked what is wrong with the store.
            cameras: Gives the tasks of the worker's cameras, by their ids.
            retention: What is kept for how long.
            before: The worker that had the cameras before this one.
        """
        self.disk: DiskSpace | None = None
        self._worker = worker
        self._outbox = outbox
        self._spool = spool
        self._recorder = recorder
        self._relay = relay
        self._cameras = cameras
        self._replaced = before.replaced
        self._open_elsewhere = before.open_elsewhere
        self._counting_since: Mapping[str, datetime] | None = None
        self._coverage_due_s = float("-inf")
        self._coverage = Kept(f"{worker} coverage", retention.coverage)
        self._files = KeptFiles(worker, outbox.file.path.parent, retention)
        self._events = Kept(f"{worker} events", retention.events)
        self._recovered = False
        self._losses_due_s = float("-inf")
        self._set_aside: tuple[str, ...] = ()
        self._unreadable = 0
        self._lost = dict.fromkeys(LOSSES, 0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Starts the thread; call `round` once before any camera publishes."""
        self._thread.start()

    def recover_coverage(self, counting_since: Mapping[str, datetime]) -> None:
        """Publishes what nobody watched until then; call it before any camera publishes.

        Args:
            counting_since: From when on it is counted what each camera can see, UTC.
        """
        self._counting_since = counting_since
        self.round()

    def stop(self) -> None:
        """Ends the thread, after a last round for what was lost since the newest one."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        self._losses_due_s = float("-inf")
        self.round()

    def round(self) -> None:
        """Does what is due."""
        self.disk = self._disk_space()
        try:
            if self._open_elsewhere:
                take_over(self._outbox, self._open_elsewhere)
                self._open_elsewhere = ()
            if not self._recovered:
                recovered = self._recorder.recover(self._cameras(), self._replaced)
                self._recovered = True
                if recovered:
                    facts = {"worker": self._worker, "count": recovered}
                    log.info("incidents_left_open", extra=facts)
            self._recorder.end_left_open(self._cameras(), at_once=self._stopping.is_set())
            if self._counting_since is not None:
                self._recorder.recover_coverage(self._cameras(), self._counting_since)
                self._counting_since = None
            self._set_aside = publish_set_aside(self._outbox, self._recorder, self._worker)
            self._unreadable = self._outbox.deliveries.unreadable_lately()
            self._files.step()
            self._spool.check()
            used, oldest = self._outbox.usage()
            self._events = replace(self._events, bytes=used, oldest=oldest and oldest.date())
            self._keep_coverage()
            if not self._outbox.fault and time.monotonic() >= self._losses_due_s:
                self._publish_losses()
        except OutboxUnavailable as error:
            log.debug("upkeep_waits", extra={"error": str(error)})

    def problems(self) -> tuple[str, ...]:
        """What is wrong with what the worker keeps, a sentence each."""
        found = (self._outbox_problem(), *self._images_problems(), self._events_problem())
        return (*filter(None, found), *self._set_aside)

    def kept(self) -> tuple[Kept, ...]:
        """What it keeps beside what waits to be delivered, and its limits."""
        return (self._events, self._coverage, *self._files.kept)

    def _keep_coverage(self) -> None:
        if time.monotonic() < self._coverage_due_s:
            return
        self._coverage_due_s = time.monotonic() + COVERAGE_EVERY_S
        table, limit = self._outbox.coverage, self._coverage.limit
        deleted = table.prune(time.time() - limit.max_age_s, limit.max_bytes)
        used, oldest = table.usage()
        self._coverage = replace(
            self._coverage,
            bytes=used,
            oldest=oldest and oldest.date(),
            deleted=self._coverage.deleted + deleted,
        )

    def _outbox_problem(self) -> str:
        fault = self._outbox.fault
        if not fault:
            return ""
        counters = self._outbox.counters
        return (
            f"{fault}; events that wait in memory: {counters.unsaved}, lost: {counters.lost};"
            f" {self._free()}"
        )

    def _images_problems(self) -> tuple[str, ...]:
        spool, store = self._spool.fault, self._relay.store_fault
        return (spool and f"{spool}; {self._free()}", store)

    def _events_problem(self) -> str:
        if not self._unreadable:
            return ""
        return (
            "events were damaged on the disk within the last day and cannot be sent:"
            f" {self._unreadable}; `cityeye events dead` lists them; check the disk"
        )

    def _disk_space(self) -> DiskSpace | None:
        try:
            usage = shutil.disk_usage(self._outbox.file.path.parent)
        except OSError:
            return None
        return DiskSpace(usage.free, usage.total)

    def _free(self) -> str:
        folder, disk = self._outbox.file.path.parent, self._disk_space()
        if disk is None:
            return f"the disk of {folder} does not answer"
        return f"{disk.free} bytes are free on the disk of {folder}"

    def _publish_losses(self) -> None:
        counters = self._outbox.counters
        now = {
            "events_lost": counters.lost,
            "events_shed": counters.shed,
            "keyframes_lost": counters.keyframes_lost,
        }
        for kind, count in now.items():
            if (new := count - self._lost[kind]) > 0:
                self._lost[kind] = count
                self._losses_due_s = time.monotonic() + LOSSES_EVERY_S
                text = f"{new} {LOSSES[kind]}"
                at = datetime.now(UTC)
                self._recorder.publish_notice(self._worker, kind, text, at, {"count": new})

    def _run(self) -> None:
        free_memory = FreeMemory()
        while not self._stopping.wait(EVERY_S):
            free_memory.give_back()
            try:
                self.round()
            except Exception:
                # A mistake of ours in one round must not end the next.
                log.exception("upkeep_failed")
