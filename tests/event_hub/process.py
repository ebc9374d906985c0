"""A hub in a process of its own, started the way people start it."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.event_hub.conftest import Client, http_of

START_S = 90
STOP_S = 20.0


@dataclass
class Process:
    """The process with a client of its hub."""

    popen: subprocess.Popen[str]
    client: Client

    def end(self) -> int:
        self.popen.terminate()
        return self.popen.wait(STOP_S)


def command(folder: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "cityeye", "hub", "--port", "0",
        "--database", f"sqlite:///{folder}/hub.db", "--keyframes", str(folder / "kf"),
        "--state", str(folder), *options,
    ]  # fmt: skip


@contextmanager
def hub_process(folder: Path, *options: str, wrap: Sequence[str] = ()) -> Iterator[Process]:
    """`wrap` is a command that executes the one behind it."""
    log = (folder / "hub.log").open("a")
    popen = subprocess.Popen(
        [*wrap, *command(folder, *options)], stdout=subprocess.PIPE, stderr=log, text=True
    )
    watchdog = threading.Timer(START_S, popen.kill)
    watchdog.start()
    try:
        assert popen.stdout is not None
        line = popen.stdout.readline()
        watchdog.cancel()
        assert line.startswith("CityEye event hub at http://"), (folder / "hub.log").read_text()
        with http_of(folder) as http:
            yield Process(popen, Client(line.split()[-1], http))
    finally:
        watchdog.cancel()
        popen.kill()
        popen.wait()
        popen.stdout.close() if popen.stdout else None
        log.close()
