"""Hop 2, the micro-batcher: takes the due frames of all its cameras, work-conserving.

There is no timer: whoever has a free detector calls `take` and gets what is ready. Cameras take
turns at being first, so that none starves when more frames are due than a batch may hold.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from camera_adapters.frame import Frame, Image
from camera_adapters.geometry import ViewSpec
from camera_adapters.mailbox import Mailbox
from pipelines.camera_routes import CameraRoutes
from pipelines.detector import MicroBatch
from pipelines.plan import ModelRef, Routes


@dataclass(slots=True)
class _GrowingBatch:
    """The frames of one analysis size and fit, and the rows of each model that is due."""

    frames: list[Frame] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
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
        """Prepares to take frames.

        Args:
            routes: The routes of the cameras by camera id.
            mailboxes: Their mailboxes by camera id; their `on_arrival` sets `arrival`.
            arrival: Set by every arrival, cleared here.
            max_frames: Most frames that are taken together, whatever the models accept.
        """
        self._routes = routes
        self._order = list(routes)
        self._mailboxes = mailboxes
        self._arrival = arrival
        self._max_frames = max_frames
        self.misfits = 0

    def take(self, timeout_s: float) -> list[MicroBatch]:
        """What is ready now; waits up to `timeout_s` for a first frame, then may be empty."""
        frames = self._collect()
        if not frames and timeout_s > 0 and self._arrival.wait(timeout_s):
            frames = self._collect()
        return self._assemble(frames) if frames else []

    def _collect(self) -> list[Frame]:
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
        return frames

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
                    batch.images.append(frame.views[model.view].image)
                    batch.routes.append(routes)
                row, rows = len(batch.frames) - 1, batch.rows.get(model, ())
                if row not in rows:
                    batch.rows[model] = (*rows, row)
        batches = []
        for batch in growing.values():
            images = np.stack(batch.images)
            batches.append(MicroBatch(images, tuple(batch.frames), tuple(batch.routes), batch.rows))
        return batches
