"""`StoreUpkeep`: keeps the keyframe store of the whole city within its limit, in a thread."""

from __future__ import annotations

import logging
import threading
from typing import Final

from pipelines import StoreError
from pipelines.delivery import Holds, Kept, KeyframeRetention
from serving.city_plan import DeliveryPlan

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
JOIN_S: Final = 5.0


class StoreUpkeep:
    """One per city, in the director: workers have other things to do, and share the store."""

    def __init__(self, delivery: DeliveryPlan) -> None:
        """Nothing is deleted before `start`."""
        self._delivery = delivery
        self._retention: KeyframeRetention | None = None
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

    def kept(self) -> Kept:
        """What is in the store."""
        if self._retention is None:
            return Kept("keyframes", self._delivery.retention.keyframes)
        return self._retention.kept

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self._step()
            except StoreError as error:
                log.warning("store_upkeep_waits", extra={"reason": str(error)})
            except Exception:
                # A store is foreign code, and its mistakes must not end the thread.
                log.exception("store_upkeep_failed")

    def _step(self) -> None:
        if self._retention is None:
            self._retention = KeyframeRetention(
                self._delivery.keyframes.open(),
                self._delivery.retention.keyframes,
                Holds(self._delivery.state),
            )
        self._retention.step()
