"""A real S3 server: OpenStack Swift with its S3 API, which checks signatures."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError
from pipelines import StoreError
from pipelines.delivery import S3Settings

ACCESS_KEY: Final = "test:tester"
SECRET_KEY: Final = "testing-the-keyframe-store"  # noqa: S105 - of a server that lives for one run
REGION: Final = "us-east-1"
PROBE: Final = "probe"
START_S: Final = 90.0
STOP_S: Final = 10.0


def check_swift() -> None:
    """Makes certain that the server can be started.

    Raises:
        BenchmarkError: Its packages are missing.
    """
    if importlib.util.find_spec("swift") is None:
        raise BenchmarkError(
            "the S3 server is not installed; `uv sync --group s3server` or `make test` brings it"
        )


class SwiftServer:
    """Starts on construction and answers from then on, until `stop`.

    Attributes:
        endpoint: Where it listens, `host:port`.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is where it keeps everything.

        Raises:
            RuntimeError: It does not start or does not answer; the text holds what it said.
        """
        self._log = folder / "swift.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("swift_process.py")),
                    str(folder / "swift"),
                    ACCESS_KEY,
                    SECRET_KEY,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
            )
        try:
            self.endpoint = self._await_port()
            self._await_health()
        except BaseException:
            self.stop()
            raise

    def settings(self, bucket: str, secret_key: str = SECRET_KEY, endpoint: str = "") -> S3Settings:
        """Settings that reach this server, through a proxy at `endpoint` if one is given."""
        return S3Settings.model_validate(
            {
                "endpoint": endpoint or self.endpoint,
                "bucket": bucket,
                "access_key": ACCESS_KEY,
                "secret_key": secret_key,
                "region": REGION,
                "secure": False,
            }
        )

    def stop(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _await_port(self) -> str:
        # The pipe ends when the process does, so this line comes or the start has failed.
        port = self._process.stdout.readline().strip() if self._process.stdout else b""
        if not port:
            raise RuntimeError(f"the S3 server did not start:\n{self._said()}")
        return f"127.0.0.1:{int(port)}"

    def _await_health(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"the S3 server does not answer:\n{self._said()}")

    def _answers(self) -> bool:
        """Whether an object can be written."""
        data = b"up"
        store = self.settings(PROBE).open()
        try:
            store.put("up", data, hashlib.sha256(data).hexdigest(), "text/plain")
        except StoreError:
            return False
        return True

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]
