"""Debian's redis-server on a free port of this machine, in memory alone."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.command import free_ports

START_S = 20.0
PING, REFUSAL = b"PING\r\n", b"-NOAUTH"


@dataclass(frozen=True)
class Redis:
    """A server that runs."""

    address: str
    password: str


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A server while the context lasts; skips the test where there is none.

    `.ci/apt-packages.txt` names the package; CITYEYE_REQUIRE_FOREIGN_SERVERS=1 says that tests that
    need it must run.
    """
    program = shutil.which("redis-server")
    if program is None:
        reason = "redis-server is not installed"
        if os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1":
            pytest.fail(f"{reason}; install .ci/apt-packages.txt")
        pytest.skip(reason)
    (port,) = free_ports(1)
    password = secrets.token_hex(16)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "requirepass": password,
        "save": "",
        "appendonly": "no",
    }
    command = [program, *(word for key, value in options.items() for word in (f"--{key}", value))]
    with (folder / "redis.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + START_S
        while not _answers(port):
            assert process.poll() is None, (folder / "redis.txt").read_text()
            assert time.monotonic() < deadline_s, (folder / "redis.txt").read_text()
            time.sleep(0.1)
        yield Redis(f"127.0.0.1:{port}", password)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(PING)
            return connection.recv(len(REFUSAL)) == REFUSAL
    except OSError:
        return False
