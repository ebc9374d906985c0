"""The mailbox between one reader and whoever infers: one slot, newest wins, no task is left out.

Guarantees that the reader never waits for a slow consumer, that what is taken is the newest image
of the camera, and that a task that was due on a frame nobody took is due on the frame that
replaced it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from camera_adapters.frame import Frame

NO_TASKS: frozenset[str] = frozenset()


class Mailbox:
    """Holds the newest frame of one camera while a task waits for it. One reader puts.

    Attributes:
        taken: How many frames were taken.
        dropped: How many due frames were replaced by another due one before anybody took them.
        waiting_tasks: Tasks of the frame in the slot; empty while there is none.
    """

    def __init__(self, on_arrival: Callable[[], None] = lambda: None) -> None:
        """Starts empty; `on_arrival` is called after every `put`, on its thread: no blocking."""
        self._on_arrival = on_arrival
        self._change = threading.Condition()
        self._frame: Frame | None = None
        self.taken = 0
        self.dropped = 0
        self.waiting_tasks = NO_TASKS

    def put(self, frame: Frame) -> None:
        """Leaves a frame that is due; the tasks of one that is still in the slot carry over."""
        with self._change:
            if self._frame is not None:
                self.dropped += 1
                frame = replace(frame, tasks=frame.tasks | self._frame.tasks)
            self._frame, self.waiting_tasks = frame, frame.tasks
        self._on_arrival()

    def refresh(self, frame: Frame) -> None:
        """Replaces the frame in the slot by a newer one that no further task is due on."""
        with self._change:
            if self._frame is not None:
                self._frame = replace(frame, tasks=self._frame.tasks)

    def take(self, tasks: frozenset[str] | None = None) -> Frame | None:
        """The newest frame for some of its tasks, or None where none of them waits.

        Args:
            tasks: Only for these; the frame stays in the slot for its other tasks. None for all.
        """
        with self._change:
            frame = self._frame
            wanted = self.waiting_tasks if tasks is None else self.waiting_tasks & tasks
            if frame is None or not (wanted or tasks is None):
                return None
            self.waiting_tasks = self.waiting_tasks - wanted
            self._frame = replace(frame, tasks=self.waiting_tasks) if self.waiting_tasks else None
            self.taken += 1
            self._change.notify_all()
            return frame if wanted == frame.tasks else replace(frame, tasks=wanted)

    def wait_empty(self, timeout_s: float) -> bool:
        """Waits until the slot is empty; false when it is still full after `timeout_s`."""
        with self._change:
            return self._change.wait_for(lambda: self._frame is None, timeout_s)
