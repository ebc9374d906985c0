"""The mailbox between one reader and the batcher: one slot, newest wins, no task is left out.

Guarantees that the reader never waits for a slow consumer, and that a task that was due on a frame
nobody read is due on the frame that replaced it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from camera_adapters.frame import Frame


def _ignore_arrival() -> None:
    pass


class Mailbox:
    """Holds the newest due frame of one camera. One reader puts, anybody takes."""

    def __init__(self, on_arrival: Callable[[], None] = _ignore_arrival) -> None:
        """Starts empty.

        Args:
            on_arrival: Called after every `put`, from the reader's thread; must not block.
        """
        self._on_arrival = on_arrival
        self._change = threading.Condition()
        self._frame: Frame | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many frames were replaced before anybody took them."""
        return self._dropped

    @property
    def waiting_tasks(self) -> frozenset[str]:
        """The tasks of the unread frame, which its successor would have to serve as well."""
        with self._change:
            return self._frame.tasks if self._frame else frozenset()

    def put(self, frame: Frame) -> None:
        """Leaves a frame; one that is still unread is dropped and its tasks carry over.

        The reader converts for `waiting_tasks` too, so that the views of `frame` serve them all.
        """
        with self._change:
            if self._frame is not None:
                self._dropped += 1
                frame = replace(frame, tasks=frame.tasks | self._frame.tasks)
            self._frame = frame
        self._on_arrival()

    def take(self) -> Frame | None:
        """The newest unread frame, or None; empties the slot."""
        with self._change:
            frame, self._frame = self._frame, None
            self._change.notify_all()
            return frame

    def wait_empty(self, timeout_s: float) -> bool:
        """Waits until the slot is empty; false when it is still full after `timeout_s`."""
        with self._change:
            return self._change.wait_for(lambda: self._frame is None, timeout_s)
