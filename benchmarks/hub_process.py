"""A hub in a process of its own, as `cityeye hub` starts it, and a client with its first token."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import urllib3

from benchmarks.errors import BenchmarkError
from pipelines.access import Scope, TokenFile

START_S: Final = 120.0
STOP_S: Final = 30.0
OK: Final = 200
SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"


class BenchHub:
    """Talks to a hub; safe to use from several threads.

    Attributes:
        url: Where it is.
    """

    def __init__(self, url: str, tokens: TokenFile) -> None:
        self.url = url
        self._tokens = tokens
        self._headers = {"Authorization": f"Bearer {tokens.first()}"}
        self._pool = urllib3.PoolManager(maxsize=32, timeout=120.0, retries=False)

    def send(self, event: bytes) -> None:
        """Sends one event. Raises BenchmarkError where the hub does not take it."""
        self._ask("POST", "/api/events", event, SINGLE)

    def send_batch(self, events: Sequence[bytes]) -> None:
        """Sends a batch. Raises BenchmarkError where the hub does not take it."""
        self._ask("POST", "/api/events", b"[" + b",".join(events) + b"]", BATCH)

    def get(self, path: str) -> bytes:
        """The body of an answer. Raises BenchmarkError where there is none."""
        return self._ask("GET", path)

    def get_json(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON of an answer. Raises BenchmarkError where there is none."""
        return self._pool.request(
            "GET", self.url + path, fields=query, headers=self._headers
        ).json()

    def events(self) -> int:
        """How many events the hub keeps."""
        return int(self.get_json("/health")["events"])

    def link(self) -> str:
        """A token that opens the console once."""
        return self._tokens.issue("benchmark", Scope.ADMIN, once=True)

    def close(self) -> None:
        """Ends its connections."""
        self._pool.clear()

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        headers = self._headers | ({"Content-Type": kind} if kind else {})
        try:
            answer = self._pool.request(method, self.url + path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise BenchmarkError(f"the hub does not answer: {type(error).__name__}") from None
        if answer.status != OK:
            said = answer.data[:200].decode(errors="replace")
            raise BenchmarkError(f"the hub answered {answer.status} to {path}: {said}")
        return answer.data


@contextmanager
def running_hub(database: str | None, folder: Path | None) -> Iterator[BenchHub]:
    """A hub that ends with the block.

    Args:
        database: URL of an empty database; a SQLite file where it is None.
        folder: Where the files of the hub lie, the system's folder for temporary files for None.

    Raises:
        BenchmarkError: It does not start.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="hub-") as own:
        command = [
            sys.executable, "-m", "cityeye", "hub", "--port", "0", "--state", own,
            "--database", database or f"sqlite:///{own}/hub.db", "--keyframes", f"{own}/kf",
            "--days", "3650", "--gigabytes", "1000",
        ]  # fmt: skip
        log = Path(own) / "hub.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            watchdog = threading.Timer(START_S, process.kill)
            watchdog.start()
            try:
                line = process.stdout.readline() if process.stdout else ""
                watchdog.cancel()
                if not line.startswith("CityEye event hub at "):
                    said = log.read_text("utf-8", errors="replace").strip()[-300:]
                    raise BenchmarkError(f"the hub does not start: {said}")
                hub = BenchHub(line.split()[-1], TokenFile(Path(own) / "access"))
                yield hub
                hub.close()
            finally:
                watchdog.cancel()
                process.terminate()
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                if process.stdout:
                    process.stdout.close()
