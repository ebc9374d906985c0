"""Outboxes of workers that there are no more: what they had to say still reaches every sink.

How many workers a city has may change from one start to the next. Cameras of a worker that crashed
and does not come back are said to be stopped, its open incidents end, and its events are delivered.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from pipelines import EvidenceRecorder, OutboxUnavailable
from pipelines.delivery import Outbox, Relay, Spool
from serving.city_plan import OUTBOX_FILE, SPOOL_FOLDER, DeliveryPlan
from serving.worker_upkeep import publish_set_aside

log = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
LONGEST_S: Final = 120.0
"""A file is let go after so long, delivered or not: a worker of its name may come to need it."""
STOP_S: Final = 5.0


class LeftOverOutboxes:
    """Delivers each in a thread of its own; a file is let go as soon as nothing waits in it."""

    def __init__(self, delivery: DeliveryPlan, city: str, workers: Collection[str]) -> None:
        """Finds them: those under the state folder that belong to none of `workers`."""
        self._delivery = delivery
        self._city = city
        self._stopping = threading.Event()
        folders = sorted(one.parent for one in delivery.state.glob(f"*/{OUTBOX_FILE}"))
        self._threads = [
            threading.Thread(
                target=self._run, args=(one,), name=f"left-over-{one.name}", daemon=True
            )
            for one in folders
            if one.name not in workers
        ]

    def start(self) -> None:
        """Returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets the files go; what was not delivered is delivered after the next start."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(STOP_S)

    def _run(self, folder: Path) -> None:
        try:
            self._deliver(folder)
        except Exception:
            # Whatever is wrong with it, the cameras that there are do not depend on it.
            log.exception("left_over_outbox_failed", extra={"worker": folder.name})

    def _deliver(self, folder: Path) -> None:
        with contextlib.closing(Outbox(folder / OUTBOX_FILE)) as outbox:
            spool = Spool(folder / SPOOL_FOLDER)
            recorder = EvidenceRecorder(outbox, spool, self._city)
            recorder.recover(())
            publish_set_aside(outbox, recorder, folder.name)
            sinks = [settings.open() for settings in self._delivery.sinks]
            relay = Relay(outbox, spool, self._delivery.keyframes.open(), sinks)
            relay.start()
            deadline_s = time.monotonic() + LONGEST_S
            while time.monotonic() < deadline_s and not self._is_empty(outbox):
                if self._stopping.wait(CHECK_EVERY_S):
                    break
            relay.stop()

    def _is_empty(self, outbox: Outbox) -> bool:
        with contextlib.suppress(OutboxUnavailable):
            return outbox.deliveries.idle() and not outbox.blobs_pending()
        return False
