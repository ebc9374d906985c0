"""Runs the command line as a person does: a process of its own, its output read at the end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipelines.access import TokenFile, TokenFileError

TIMEOUT_S = 420.0
START_S = 180.0
STOP_S = 60.0
GONE_S = 10.0
ASK_S = 2.0
NEVER_GIVEN = (20000, 32000)
"""Between the ports of Ray's workers and those that Linux gives to who asks for any."""


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    status: int
    output: str

    def said(self, pattern: str) -> bool:
        """Whether the output has a match."""
        return re.search(pattern, self.output) is not None


def cityeye(*arguments: str, folder: Path, timeout_s: float = TIMEOUT_S) -> Ran:
    """Runs `cityeye` in a folder; both outputs are taken together, as on a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "cityeye", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout)


class Running:
    """A `cityeye run` that goes on until it is told to stop."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._output = folder / "output.txt"
        with self._output.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cityeye", "run", "city.yaml", *options],
                cwd=folder,
                env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[2])},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + START_S
        while not holds():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end_s, f"not in time: {what}; {self.output}"
            time.sleep(0.1)

    def end(self, number: int) -> list[psutil.Process]:
        """Sends a signal, waits for the end, and returns what is left 10 s after it."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        assert len(started) > 3
        self.process.send_signal(number)
        self.process.wait(STOP_S)
        return psutil.wait_procs(started, timeout=GONE_S)[1]


def read_json(path: Path) -> Any:
    """A report."""
    return json.loads(path.read_text(encoding="utf-8"))


def auth_of(state: Path) -> dict[str, str]:
    """The header that opens control API and hub of a city whose state is in a folder."""
    return {"Authorization": f"Bearer {TokenFile(state / 'access').first()}"}


def asked(state: Path, port: int, path: str) -> Any:
    """The JSON that a server of a city on this machine answers; None where nobody does."""
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=auth_of(state))
        with urllib.request.urlopen(request, timeout=ASK_S) as answer:
            return json.load(answer)
    except (OSError, http.client.HTTPException, ValueError, TokenFileError):
        return None


def last_states(database: Path) -> list[tuple[str, str]]:
    """What the hub would show of each camera when it is started again."""
    with closing(sqlite3.connect(database)) as file:
        return file.execute("SELECT camera, state FROM camera_states").fetchall()


def free_ports(count: int) -> list[int]:
    """Ports that nobody has right now, and that nobody is given who asks for any free one.

    Two Rays beside each other open dozens of those, and one may be given between this and its use.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*NEVER_GIVEN)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found
