"""`CityChild`: a city process, seen from the main process. Imports little, so it starts early."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cityeye.city_messages import Answer, CityJob, Order

MODULE: Final = "cityeye.city_process"


class CityChild:
    """A city process. It does nothing but import what it needs until it gets its job."""

    def __init__(self) -> None:
        self._connection, there = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(there.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            # Signals of the terminal go to the main process alone.
            start_new_session=True,
        )
        there.close()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs; negative where a signal has ended it."""
        return self._process.poll()

    def send(self, message: CityJob | Order) -> None:
        """Sends something; lost where the process has ended."""
        try:
            self._connection.send(message)
        except OSError:
            return

    def answers(self, timeout_s: float) -> list[Answer]:
        """What it has sent since; waits for the first up to `timeout_s` seconds."""
        found: list[Answer] = []
        try:
            while self._connection.poll(0.0 if found else timeout_s):
                found.append(self._connection.recv())
        except (EOFError, OSError):
            pass
        return found

    def __enter__(self) -> CityChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kills the process, but not what is below it."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
