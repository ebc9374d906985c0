"""The city process: `python -m cityeye.city_process FD`, started by the main process alone.

It is the driver of Ray. The main process, at the other end of the pipe `FD`, gives its orders, gets
a beat every second, and starts another one where this one ends unasked. The kernel ends it with the
main process, and Ray with it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Final

from rich.console import Console

from cityeye.city_messages import (
    Answer,
    CityBeat,
    CityJob,
    Done,
    Failed,
    HubAddress,
    Notes,
    Reconfigured,
    Stop,
)
from cityeye.city_run import CityRun
from cityeye.config import Config
from cityeye.errors import is_ours
from cityeye.logs import redact, set_up_logs
from cityeye.processes import end_with_parent
from cityeye.progress import Progress

BEAT_EVERY_S: Final = 1.0


class PipedOrders:
    """Orders from the main process, and beats to it; see `Orders`."""

    def __init__(self, connection: Connection) -> None:
        self.notes: Mapping[str, str] = {}
        self._connection = connection
        self._sending = threading.Lock()
        self._stopping = threading.Event()
        self._hub_known = threading.Event()
        self._hub_url: str | None = None
        self._beat = CityBeat("starting", 0.0)
        self._came_on_s = time.monotonic()
        self._lost: Callable[[], str] | None = None

    def start(self) -> None:
        """Begins to take orders and to send beats."""
        for work in (self._receive, self._send_beats):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def hub_url(self) -> str | None:
        """See `Orders`."""
        self._hub_known.wait()
        return self._hub_url

    def wait(self, timeout_s: float) -> bool:
        """See `Orders`."""
        return self._stopping.wait(timeout_s)

    def came_on(self, beat: CityBeat) -> None:
        """See `Orders`."""
        self._beat = beat
        self._came_on_s = time.monotonic()

    def took(self, config: Config) -> None:
        """See `Orders`."""
        self.send(Reconfigured(config))

    def guard(self, lost: Callable[[], str]) -> None:
        """See `Orders`; it is asked once a second."""
        self._lost = lost

    def send(self, answer: Answer) -> None:
        """Sends something to the main process."""
        with self._sending:
            self._connection.send(answer)

    def _receive(self) -> None:
        while True:
            try:
                order = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # There is no main process any more.
            if isinstance(order, HubAddress):
                self._hub_url = order.url
                self._hub_known.set()
            elif isinstance(order, Notes):
                self.notes = order.notes
            elif isinstance(order, Stop):
                self._stopping.set()

    def _send_beats(self) -> None:
        while True:
            beat, idle_s = self._beat, time.monotonic() - self._came_on_s
            try:
                self.send(replace(beat, idle_s=round(idle_s, 3)))
                lost = self._lost() if self._lost is not None else ""
                if lost:
                    # Whatever waits for Ray now waits in vain, and in no order.
                    self.send(Failed(lost, "", ""))
                    os._exit(1)
            except OSError:
                return
            time.sleep(BEAT_EVERY_S)


def main(descriptor: int) -> None:
    """Runs the job that the main process sends first."""
    end_with_parent()
    # Ctrl-C at the terminal is the main process's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    try:
        job = connection.recv()
    except EOFError:
        return  # There is nothing to run: the configuration has mistakes.
    orders = PipedOrders(connection)
    orders.start()
    outcome = _outcome(job, orders)
    logging.shutdown()
    sys.stdout.flush()
    orders.send(outcome)
    # What Ray does when Python ends may wait for what has ended already.
    os._exit(0)


def _outcome(job: CityJob, orders: PipedOrders) -> Answer:
    set_up_logs(job.log_format, logging.getLevelName(job.log_level), sys.stderr)
    progress = Progress(Console(), job.started_s, job.incidents)
    try:
        CityRun(job.config, orders, progress).run(job.duration_s, job.until_s, job.json_path)
    except Exception as error:
        kind = "" if is_ours(error) else type(error).__name__
        return Failed(str(error), kind, redact(traceback.format_exc()))
    return Done()


if __name__ == "__main__":
    main(int(sys.argv[1]))
