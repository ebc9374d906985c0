"""Hop 2, the micro-batcher: takes the due frames of all its cameras, work-conserving.

There is no timer: whoever has a free detector calls `take` and gets what is ready. Cameras take
turns at being first, so that none starves when more frames are due than a batch may hold.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from camera_adapters.frame import Frame
from camera_adapters.geometry import Size
from camera_adapters.mailbox import Mailbox
from pipelines.detector import MicroBatch
from pipelines.plan import CameraPlan, ModelRef


class Bell:
    """Wakes the batcher when a frame has arrived; rings before anybody waits are kept."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """Something arrived."""
        self._rung.set()

    def wait(self, timeout_s: float) -> bool:
        """Waits for a ring since the last wait; false when `timeout_s` passed without one."""
        rung = self._rung.wait(timeout_s)
        self._rung.clear()
        return rung


class MicroBatcher:
    """Collects newest frames into micro-batches, one per analysis size."""

    def __init__(
        self,
        plans: Sequence[CameraPlan],
        mailboxes: Mapping[str, Mailbox],
        bell: Bell,
        max_frames: int = 16,
    ) -> None:
        """Prepares the routes from task to model.

        Args:
            plans: The cameras of this worker.
            mailboxes: Their mailboxes by camera id; their `on_arrival` rings `bell`.
            bell: Rung by every arrival.
            max_frames: Most frames in one turn, whatever the models accept.
        """
        self._models = {
            (plan.camera.id, task.task): task.model for plan in plans for task in plan.tasks
        }
        self._order = [plan.camera.id for plan in plans]
        self._mailboxes = mailboxes
        self._bell = bell
        smallest = min((model.max_batch for model in self._models.values()), default=max_frames)
        self._max_frames = max(1, min(max_frames, smallest))

    def take(self, timeout_s: float) -> list[MicroBatch]:
        """What is ready now; waits up to `timeout_s` for a first frame, then may be empty."""
        frames = self._collect()
        if not frames and timeout_s > 0 and self._bell.wait(timeout_s):
            frames = self._collect()
        return self._assemble(frames)

    def _collect(self) -> list[Frame]:
        frames: list[Frame] = []
        for camera in tuple(self._order):
            frame = self._mailboxes[camera].take()
            if frame is None:
                continue
            frames.append(frame)
            # Served cameras queue up again behind those that still wait.
            self._order.remove(camera)
            self._order.append(camera)
            if len(frames) == self._max_frames:
                # Somebody may still have a frame; the next take must not wait for a new arrival.
                self._bell.ring()
                break
        return frames

    def _assemble(self, frames: Sequence[Frame]) -> list[MicroBatch]:
        wanted: dict[Size, list[tuple[Frame, set[ModelRef]]]] = defaultdict(list)
        for frame in frames:
            models = {self._models[frame.camera, task] for task in frame.tasks}
            for size in sorted({model.size for model in models}):
                wanted[size].append((frame, {model for model in models if model.size == size}))
        return [_stack(size, members) for size, members in wanted.items()]


def _stack(size: Size, members: Sequence[tuple[Frame, set[ModelRef]]]) -> MicroBatch:
    rows: dict[ModelRef, list[int]] = defaultdict(list)
    for row, (_, models) in enumerate(members):
        for model in models:
            rows[model].append(row)
    return MicroBatch(
        pictures=np.stack([frame.views[size].picture for frame, _ in members]),
        frames=tuple(frame for frame, _ in members),
        rows={model: tuple(indices) for model, indices in rows.items()},
    )
