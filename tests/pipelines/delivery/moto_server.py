"""Another S3 server for tests: moto, which keeps objects in memory and checks no signatures."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from pipelines.delivery.stores.s3 import S3Settings

START_S = 60.0


class MotoServer:
    """Starts on construction and answers from then on, until `stop`."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.endpoint = f"127.0.0.1:{self.port}"
        self._log = folder / "moto.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        try:
            self._await_port()
        except BaseException:
            self.stop()
            raise

    def settings(self, bucket: str) -> S3Settings:
        """Settings that reach this server."""
        return S3Settings(
            endpoint=self.endpoint,
            bucket=bucket,
            access_key="anybody",
            secret_key="anything",
            secure=False,
        )

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()

    def _await_port(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"moto did not start:\n{self._log.read_text()[-4000:]}")
