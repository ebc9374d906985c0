"""Brings spooled keyframes into the store; none leaves the spool before the store has it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from camera_adapters.backoff import BackoffPolicy, Jitter
from pipelines.delivery.backoff import Backoff
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.store import KeyframeStore
from pipelines.errors import KeyframeAltered, SpoolDamaged, SpoolUnavailable, StoreError
from pipelines.event import KeyframeData

log = logging.getLogger(__name__)

BURST = 32
"""Keyframes before the caller gets a chance to stop."""


@dataclass(slots=True)
class UploaderCounters:
    """What an uploader has done since it started."""

    stored: int = 0
    failed: int = 0
    lost: int = 0


class Uploader:
    """Stores keyframes one after the other. Not thread-safe: one thread calls `round`."""

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        store: KeyframeStore,
        backoff: BackoffPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.random,
    ) -> None:
        self.counters = UploaderCounters()
        self._outbox = outbox
        self._spool = spool
        self._store = store
        self._monotonic = monotonic
        self._backoff = Backoff(backoff or BackoffPolicy(), jitter)

    def round(self) -> float | None:
        """Stores what waits; gives seconds until more is due, None while nothing waits.

        Raises:
            OutboxUnavailable: The outbox cannot be read or written.
        """
        for _ in range(BURST):
            if wait_s := self._backoff.due_in_s(self._monotonic()):
                return wait_s
            keyframe = self._outbox.next_blob()
            if keyframe is None:
                return None
            self._store_one(keyframe)
        return 0.0

    def _store_one(self, keyframe: KeyframeData) -> None:
        try:
            data = self._spool.read(keyframe.name, keyframe.sha256)
            self._store.put(keyframe.key, data, keyframe.sha256, keyframe.media_type)
        except (SpoolDamaged, KeyframeAltered) as error:
            self._missing(keyframe, error)
            return
        except (StoreError, SpoolUnavailable) as error:
            self._failed(keyframe, error)
            return
        except Exception as error:
            # A store is foreign code; its mistakes must not end the thread that retries it.
            log.exception("relay.store_failed", extra={"key": keyframe.key})
            self._failed(keyframe, error)
            return
        self._stored(keyframe)

    def _stored(self, keyframe: KeyframeData) -> None:
        self._backoff.succeeded()
        self._outbox.blob_stored(keyframe.key)
        self._spool.remove(keyframe.name)
        self.counters.stored += 1

    def _missing(self, keyframe: KeyframeData, error: Exception) -> None:
        # A crash may have come between the upload and its being noted down.
        try:
            stored = self._store.exists(keyframe.key)
        except StoreError as store_error:
            self._failed(keyframe, store_error)
            return
        if stored:
            self._stored(keyframe)
            return
        self._outbox.blob_lost(keyframe.key)
        self._spool.remove(keyframe.name)
        self.counters.lost += 1
        log.error("relay.keyframe_lost", extra={"key": keyframe.key, "error": str(error)})

    def _failed(self, keyframe: KeyframeData, error: Exception) -> None:
        self.counters.failed += 1
        self._backoff.failed(self._monotonic())
        self._outbox.blob_failed(keyframe.key)
        log.warning("relay.store_unavailable", extra={"key": keyframe.key, "error": str(error)})
