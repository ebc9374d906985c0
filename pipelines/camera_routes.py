"""`CameraRoutes`: the routes of one camera, from a change of versions to the last frame before it.

Guarantees that a frame is inferred by the versions of one set of routes, and that a camera's frames
never go back to an older set: a new one takes over with the first frame that was scaled for it.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from camera_adapters.frame import Frame
from pipelines.plan import Routes, model_keys

SETTLE_S: Final = 5.0
"""After this long no frame can come any more that was scaled before a change of versions."""


class CameraRoutes:
    """Every set of routes of a camera that is still in use. Safe for use from several threads.

    Attributes:
        processed: The set along which the newest frame with a result was sent.
        max_batch: The largest micro-batch that all models of the newest set accept.
    """

    def __init__(self, routes: Routes) -> None:
        # Oldest first; the first one is in force, the others wait for a frame that fits them.
        self._sets = [routes]
        self._lock = threading.Lock()
        self._changed_s: float | None = None
        self.processed = routes
        self.max_batch = _max_batch(routes)

    @property
    def newest(self) -> Routes:
        """The set that was asked for last."""
        return self._sets[-1]

    @property
    def models(self) -> frozenset[str]:
        """Every `name/version` that a frame of the camera may still be sent to."""
        with self._lock:
            return frozenset[str]().union(*map(model_keys, self._sets))

    def change(self, routes: Routes) -> None:
        """Changes versions from the first frame on that has the views that they need."""
        with self._lock:
            self._sets.append(routes)
            self._changed_s = time.monotonic()
            self.max_batch = _max_batch(routes)

    def route(self, frame: Frame) -> Routes | None:
        """The newest set that the frame was scaled for; older ones are over with it.

        None for a frame that was scaled for versions that are over already.
        """
        with self._lock:
            for index in range(len(self._sets) - 1, -1, -1):
                routes = self._sets[index]
                for task in frame.tasks:
                    if not routes[task].views <= frame.views.keys():
                        break
                else:
                    del self._sets[:index]
                    return routes
        return None

    def settle(self, now_s: float) -> bool:
        """Puts the newest set into force once no older frame can come; whether it did so now."""
        with self._lock:
            if self._changed_s is None or now_s - self._changed_s < SETTLE_S:
                return False
            self._changed_s = None
            del self._sets[:-1]
            return True


def _max_batch(routes: Routes) -> int:
    return min(model.max_batch for route in routes.values() for model in route.models)
