"""A real `cityeye run`, started again as a service manager does it, and asked from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos.city_document import FILE, STATE
from benchmarks.chaos.processes import CityProcess, below, found
from benchmarks.errors import BenchmarkError
from pipelines.access import TokenFile, TokenFileError

WATCHDOG_S: Final = 10.0
"""How long the main process may give no sign; the unit for systemd has more."""

READY_WITHIN_S: Final = 240.0
STOP_S: Final = 90.0
ASK_S: Final = 2.0
_ROOT: Final = Path(__file__).parents[2]
_ROUND_S: Final = 0.25
_LINES: Final = 15


class ChaosCity:
    """Starts with `start` and is kept alive until `stop`.

    Attributes:
        output: File with all that it said at the terminal.
        starts: How often it was started.
        left: Processes that outlived a main process that ended by itself or was killed.
    """

    def __init__(
        self, folder: Path, ports: tuple[int, int], environment: Mapping[str, str]
    ) -> None:
        """`folder` holds its configuration; `ports` are those of hub and control API."""
        self.output = folder / "output.txt"
        self.starts = 0
        self.left: list[str] = []
        self._folder = folder
        self._hub_port, self._api_port = ports
        # An abstract address: no file, and no limit that a long folder could exceed.
        self._manager_name = f"cityeye-chaos-{secrets.token_hex(8)}"
        self._environment = {
            **environment,
            "PYTHONPATH": str(_ROOT),
            "COLUMNS": "200",
            "NOTIFY_SOCKET": f"@{self._manager_name}",
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._known: list[CityProcess] = []
        self._heard_s = 0.0
        self._watched = False
        self._thread = threading.Thread(target=self._attend, name="service-manager", daemon=True)

    @property
    def pid(self) -> int:
        """Of the main process; 0 where there is none."""
        return self._process.pid if self._process is not None else 0

    def find(self, name: str) -> list[CityProcess]:
        """The processes of a kind, see `benchmarks.chaos.processes`."""
        return found(self.pid, name) if self.pid else []

    def start(self) -> None:
        """Starts it, and whoever restarts it."""
        self._manager.bind(f"\0{self._manager_name}")
        self._manager.setblocking(False)
        self._launch()
        self._thread.start()

    def stop(self) -> int | None:
        """Stops it in good order; returns its exit status, None where it had to be killed."""
        self._stopping.set()
        self._thread.join(STOP_S)
        status = None
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                status = self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._known = below(self.pid)
                self._process.kill()
                self._process.wait()
        self._end_known()
        self._manager.close()
        return status

    def apply(self) -> bool:
        """Has it take its configuration as it is now; whether it did."""
        done = subprocess.run(
            [sys.executable, "-m", "cityeye", "apply", FILE],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=READY_WITHIN_S,
            check=False,
        )
        return done.returncode == 0

    def ask_api(self, path: str) -> bytes | None:
        """What the control API answers; None where it does not."""
        return self._ask(self._api_port, path)

    def ask_hub(self, path: str) -> bytes | None:
        """What the hub answers; None where it does not."""
        return self._ask(self._hub_port, path)

    def health(self) -> Any:  # noqa: ANN401 - JSON
        """The answer of `/health`; None where there is none."""
        return parsed(self.ask_api("/health"))

    def said_last(self) -> str:
        """The end of what it said."""
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-_LINES:])

    def check(self) -> None:
        """Makes certain that it could be started at all.

        Raises:
            BenchmarkError: It ended before anything was done to it.
        """
        if self.starts > 1:
            raise BenchmarkError(f"the city does not start; it said last:\n{self.said_last()}")

    def _ask(self, port: int, path: str) -> bytes | None:
        try:
            token = TokenFile(self._folder / STATE / "access").first()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request, timeout=ASK_S) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except (OSError, http.client.HTTPException, ValueError, TokenFileError):
            return None

    def _launch(self) -> None:
        self.starts += 1
        self._heard_s, self._watched = time.monotonic(), False
        with self.output.open("ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cityeye", "run", FILE],
                cwd=self._folder,
                env=self._environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _attend(self) -> None:
        """What systemd does: starts it again when it has ended, ends it where it gives no sign."""
        while not self._stopping.wait(_ROUND_S):
            process = self._process
            if process is None:
                continue
            self._hear()
            limit_s = WATCHDOG_S if self._watched else READY_WITHIN_S
            if time.monotonic() - self._heard_s > limit_s:
                process.kill()
            if process.poll() is None:
                self._known = below(process.pid) or self._known
                continue
            self._end_known()
            if not self._stopping.is_set():
                self._launch()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while message := self._manager.recv(4096):
                if b"WATCHDOG=1" in message or b"READY=1" in message:
                    self._heard_s, self._watched = time.monotonic(), True

    def _end_known(self) -> None:
        """Nothing of an earlier start may be there at the next one; what is, is named."""
        deadline_s = time.monotonic() + WATCHDOG_S
        while time.monotonic() < deadline_s and any(one.state not in "XZ" for one in self._known):
            time.sleep(_ROUND_S)
        for process in self._known:
            if process.state not in "XZ":
                self.left.append(f"process {process.pid}")
                process.send(signal.SIGKILL)
        self._known = []


def parsed(answer: bytes | None) -> Any:  # noqa: ANN401 - JSON
    """JSON of an answer; None where it is none."""
    try:
        return json.loads(answer) if answer is not None else None
    except ValueError:
        return None
