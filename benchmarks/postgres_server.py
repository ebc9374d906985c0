"""A PostgreSQL server for benchmarks and tests, of the binaries that `pgserver` brings.

Its own start-up code would add a user to the machine and open folders to everybody, so that the
binaries are started here: as `nobody` where we run as root, which PostgreSQL refuses.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError

START_S: Final = 30.0
USER: Final = "nobody" if os.geteuid() == 0 else None
OWNER: Final = "city"
_NUMBERS: Final = itertools.count(1)


def is_installed() -> bool:
    """Whether there are binaries and a client."""
    return all(importlib.util.find_spec(name) is not None for name in ("pgserver", "psycopg"))


@contextmanager
def postgres_server(*, durable: bool) -> Iterator[str]:
    """The URL of a server up to the name of a database; it ends with the block.

    Args:
        durable: Whether a commit is on the disk when it returns; tests need no such thing.

    Raises:
        BenchmarkError: It does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        if USER:
            shutil.chown(folder, USER)
        data, port = folder / "data", _free_port()
        made = _as_user(_binaries() / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-N")
        if made.wait(START_S):
            raise BenchmarkError("PostgreSQL does not make its folder")
        where = ("-h", "127.0.0.1", "-p", str(port), "-k", folder)
        careless = () if durable else ("-F",)
        server = _as_user(_binaries() / "postgres", "-D", data, *careless, *where)
        try:
            url = f"postgresql+psycopg://{OWNER}@127.0.0.1:{port}/"
            _wait_for(url)
            yield url
        finally:
            server.terminate()
            server.wait(START_S)
    finally:
        shutil.rmtree(folder)


def new_database(server: str) -> str:
    """The URL of an empty database on a server."""
    import psycopg

    name = f"hub_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(_plain(server) + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server + name


def _plain(url: str) -> str:
    """The same for the client itself, which knows nothing of its name in SQLAlchemy."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def _binaries() -> Path:
    spec = importlib.util.find_spec("pgserver")
    if spec is None or spec.origin is None:
        raise BenchmarkError("there is no PostgreSQL here: install `pgserver`")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _as_user(*command: str | Path) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen([*map(str, command)], user=USER, stdout=quiet, stderr=quiet, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    import psycopg

    deadline_s = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(_plain(url) + "postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline_s:
                raise BenchmarkError("PostgreSQL does not start") from None
            time.sleep(0.1)
        else:
            return
