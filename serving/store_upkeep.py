"""`StoreUpkeep`: keeps keyframe store and model cache of the city within their limits.

In a thread of the director: workers have other things to do, and share the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from models import RepositoryError
from pipelines import StoreError
from pipelines.delivery import Holds, Kept, KeyframeRetention
from pipelines.keyframe_key import RESTRICTED_PREFIX
from serving.city_plan import DeliveryPlan
from serving.model_source import ModelSource, RemoteModels

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
MODELS_EVERY_S: Final = 3600.0
JOIN_S: Final = 5.0


class StoreUpkeep:
    """One per city."""

    def __init__(
        self, delivery: DeliveryPlan, models: ModelSource | None, in_use: Callable[[], set[str]]
    ) -> None:
        """Nothing is deleted before `start`.

        Args:
            delivery: Store and limits.
            models: Where versions come from; None where there are none.
            in_use: Every `name/version` whose copy must stay.
        """
        self._delivery = delivery
        self._models = models.copies() if isinstance(models, RemoteModels) else None
        self._models_kept = Kept("models", delivery.retention.models)
        self._models_due_s = float("-inf")
        self._in_use = in_use
        self._retentions: tuple[KeyframeRetention, ...] = ()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-upkeep", daemon=True)

    def start(self) -> None:
        """Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the step that it is at."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def kept(self) -> tuple[Kept, ...]:
        """Keyframes and what is restricted in the store, and the model cache where there is one."""
        stored = tuple(one.kept for one in self._retentions)
        if not stored:
            retention = self._delivery.retention
            keyframes = Kept("keyframes", retention.keyframes)
            stored = keyframes, Kept("restricted", retention.restricted)
        return stored if self._models is None else (*stored, self._models_kept)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self._step_models()
                self._step()
            except StoreError as error:
                log.warning("store_upkeep_waits", extra={"reason": str(error)})
            except Exception:
                # A store is foreign code, and its mistakes must not end the thread.
                log.exception("store_upkeep_failed")

    def _step(self) -> None:
        if not self._retentions:
            store, holds = self._delivery.keyframes.open(), Holds(self._delivery.state)
            limits = self._delivery.retention
            self._retentions = (
                KeyframeRetention(store, limits.keyframes, holds),
                KeyframeRetention(store, limits.restricted, holds, prefix=RESTRICTED_PREFIX),
            )
        for one in self._retentions:
            one.step()

    def _step_models(self) -> None:
        if self._models is None or time.monotonic() < self._models_due_s:
            return
        self._models_due_s = time.monotonic() + MODELS_EVERY_S
        limit, kept = self._models_kept.limit, self._models_kept
        try:
            use = self._models.prune(self._in_use(), limit.max_age_s, limit.max_bytes, time.time())
        except RepositoryError as error:
            self._models_kept = replace(kept, fault=str(error))
            return
        oldest = None if use.oldest_s is None else datetime.fromtimestamp(use.oldest_s, UTC).date()
        deleted = kept.deleted + use.deleted
        self._models_kept = Kept("models", limit, use.bytes, oldest, deleted=deleted)
