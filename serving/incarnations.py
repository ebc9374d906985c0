"""Numbers of worker starts: each start of a worker gets a greater number than all before it.

The newest number is on disk before it is used, so the order of starts outlives the director and the
machine. Where the file was lost, numbers go on from the wall clock, which no number of starts has
ever overtaken; where it cannot be written, workers start all the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipelines.delivery import make_folder, write_durably

log = logging.getLogger(__name__)

FILE: Final = "incarnation.txt"
"""In the state folder: the newest number as text."""


class Incarnations:
    """Hands out numbers; safe for use from several threads of one process."""

    def __init__(self, state: Path, wall_clock: Callable[[], float] = time.time) -> None:
        """`state` is the folder of the file; `wall_clock` gives seconds since 1970."""
        self._path = state / FILE
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._newest = self._read()

    def next(self) -> int:
        """A number that is greater than every one before it."""
        with self._lock:
            self._newest = max(self._newest + 1, int(self._wall_clock()))
            try:
                make_folder(self._path.parent)
                write_durably(self._path, f"{self._newest}\n".encode())
            except OSError as error:
                log.error("incarnation_not_kept", extra={"reason": str(error)})
            return self._newest

    def _read(self) -> int:
        try:
            return int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            log.warning("incarnation_unreadable", extra={"reason": str(error)})
            return 0
