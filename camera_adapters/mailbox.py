"""The mailbox between one reader and the batcher: one slot, newest wins, no task is left out.

Guarantees that the reader never waits for a slow consumer, and that a task that was due on a frame
nobody read is due on the frame that replaced it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from camera_adapters.frame import Frame


class Mailbox:
    """Holds the newest due frame of one camera. One reader puts, anybody takes.

    Attributes:
        dropped: How many frames were replaced before anybody took them.
        waiting_tasks: Tasks of the unread frame, which its successor would have to serve as well.
    """

    def __init__(self, on_arrival: Callable[[], None] = lambda: None) -> None:
        """Starts empty; `on_arrival` is called after every `put`, on its thread: no blocking."""
        self._on_arrival = on_arrival
        self._change = threading.Condition()
        self._frame: Frame | None = None
        self.dropped = 0
        self.waiting_tasks: frozenset[str] = frozenset()

    def put(self, frame: Frame) -> None:
        """Leaves a frame; one that is still unread is dropped and its tasks carry over.

        The reader converts for `waiting_tasks` too, so that the views of `frame` serve them all.
        """
        with self._change:
            if self._frame is not None:
                self.dropped += 1
                frame = replace(frame, tasks=frame.tasks | self._frame.tasks)
            self._frame, self.waiting_tasks = frame, frame.tasks
        self._on_arrival()

    def take(self) -> Frame | None:
        """The newest unread frame, or None; empties the slot."""
        with self._change:
            frame, self._frame = self._frame, None
            self.waiting_tasks = frozenset()
            self._change.notify_all()
            return frame

    def wait_empty(self, timeout_s: float) -> bool:
        """Waits until the slot is empty; false when it is still full after `timeout_s`."""
        with self._change:
            return self._change.wait_for(lambda: self._frame is None, timeout_s)
