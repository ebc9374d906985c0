"""A real S3 server for tests: OpenStack Swift with its S3 API, which checks signatures."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from pipelines.delivery.stores.s3 import S3Settings

ACCESS_KEY = "test:tester"
SECRET_KEY = "testing-the-keyframe-store"
REGION = "us-east-1"
PROBE = "probe"
START_S = 90.0
STOP_S = 10.0


class SwiftServer:
    """Starts on construction and answers from then on, until `stop`."""

    def __init__(self, folder: Path) -> None:
        script = Path(__file__).with_name("swift_process.py")
        self._log = folder / "swift.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(script), str(folder / "swift"), ACCESS_KEY, SECRET_KEY],
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

    def settings(self, bucket: str, secret_key: str = SECRET_KEY) -> S3Settings:
        """Settings that reach this server."""
        return S3Settings(
            endpoint=self.endpoint,
            bucket=bucket,
            access_key=ACCESS_KEY,
            secret_key=secret_key,
            region=REGION,
            secure=False,
        )

    def stop(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _await_port(self) -> str:
        # The pipe ends when the process does, so this line comes or the start has failed.
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the S3 server did not start:\n{self._log.read_text()[-4000:]}")
        return f"127.0.0.1:{int(port)}"

    def _await_health(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"the S3 server does not answer:\n{self._log.read_text()[-4000:]}")

    def _answers(self) -> bool:
        """Whether an object can be written."""
        client = Minio(
            self.endpoint,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            region=REGION,
            secure=False,
            http_client=urllib3.PoolManager(timeout=10.0, retries=False),
        )
        try:
            if not client.bucket_exists(PROBE):
                client.make_bucket(PROBE)
            client.put_object(PROBE, "up", io.BytesIO(b"up"), 2, num_parallel_uploads=1)
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True
