"""Hop 2, the micro-batcher: takes the due frames of all its cameras, work-conserving.

There is no timer: whoever has a free detector calls `take` and gets what is ready. Cameras take
turns at being first, so that none starves when more frames are due than a batch may hold.

Guarantees that a frame is inferred by the versions of one set of routes, and that a camera's frames
never go back to an older set: a new one takes over with the first frame that was scaled for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from camera_adapters import Frame, Mailbox, ViewSpec
from pipelines.detector import MicroBatch
from pipelines.plan import ModelRef, Routes, model_keys

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


@dataclass(slots=True)
class _GrowingBatch:
    """The frames of one analysis size and fit, and the rows of each model that is due."""

    frames: list[Frame] = field(default_factory=list)
    routes: list[Routes] = field(default_factory=list)
    rows: dict[ModelRef, tuple[int, ...]] = field(default_factory=dict)


class MicroBatcher:
    """Collects newest frames into micro-batches, one per size and fit. One thread uses it.

    Attributes:
        misfits: Frames left out because they were scaled for versions that are over already.
    """

    def __init__(
        self,
        routes: Mapping[str, CameraRoutes],
        mailboxes: Mapping[str, Mailbox],
        arrival: threading.Event,
        max_frames: int = 16,
    ) -> None:
        """Prepares to take frames, at most `max_frames` together, whatever the models accept.

        Routes and mailboxes are by camera id. The mailboxes' `on_arrival` sets `arrival`.
        """
        self._routes = routes
        self._order = list(routes)
        self._mailboxes = mailboxes
        self._arrival = arrival
        self._max_frames = max_frames
        self.misfits = 0

    def take(self, timeout_s: float) -> list[MicroBatch]:
        """What is ready now; waits up to `timeout_s` for a first frame, then may be empty."""
        if timeout_s > 0:
            self._arrival.wait(timeout_s)
        # Cleared first: what arrives from here on is either taken now or ends the next wait.
        self._arrival.clear()
        frames: list[Frame] = []
        most = self._max_frames
        for routes in self._routes.values():
            most = min(most, routes.max_batch)
        for camera in tuple(self._order):
            frame = self._mailboxes[camera].take()
            if frame is None:
                continue
            frames.append(frame)
            # Served cameras queue up again behind those that still wait.
            self._order.remove(camera)
            self._order.append(camera)
            if len(frames) == most:
                # Somebody may still have a frame; the next take must not wait for a new arrival.
                self._arrival.set()
                break
        return self._assemble(frames)

    def _assemble(self, frames: Sequence[Frame]) -> list[MicroBatch]:
        growing: dict[ViewSpec, _GrowingBatch] = {}
        for frame in frames:
            routes = self._routes[frame.camera].route(frame)
            if routes is None:
                self.misfits += 1
                continue
            for task in sorted(frame.tasks):
                model = routes[task].model
                batch = growing.setdefault(model.view, _GrowingBatch())
                if not batch.frames or batch.frames[-1] is not frame:
                    batch.frames.append(frame)
                    batch.routes.append(routes)
                row, rows = len(batch.frames) - 1, batch.rows.get(model, ())
                if row not in rows:
                    batch.rows[model] = (*rows, row)
        batches = []
        for view, batch in growing.items():
            images = np.stack([frame.views[view].image for frame in batch.frames])
            batches.append(MicroBatch(images, tuple(batch.frames), tuple(batch.routes), batch.rows))
        return batches
