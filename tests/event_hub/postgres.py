"""A real PostgreSQL server for tests, of the binaries that `pgserver` brings.

Its own start-up code would add a user to the machine and open folders to everybody, so that the
binaries are started here: as `nobody` where the tests run as root, which PostgreSQL refuses.
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
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

NUMBERS = itertools.count(1)
START_S = 30.0
USER = "nobody" if os.geteuid() == 0 else None


def binaries() -> Path:
    spec = importlib.util.find_spec("pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def as_user(*command: str | Path) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen([*map(str, command)], user=USER, stdout=quiet, stderr=quiet, cwd="/")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    engine = create_engine(url)
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            engine.connect().close()
            break
        except OperationalError:
            assert time.monotonic() < deadline_s, "PostgreSQL does not start"
            time.sleep(0.1)
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server up to the name of a database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        if USER:
            shutil.chown(folder, USER)
        data, port = folder / "data", free_port()
        made = as_user(binaries() / "initdb", "-D", data, "-U", "city", "-A", "trust", "-N")
        assert made.wait(START_S) == 0
        where = ("-h", "127.0.0.1", "-p", str(port), "-k", folder)
        server = as_user(binaries() / "postgres", "-D", data, "-F", *where)
        try:
            url = f"postgresql+psycopg://city@127.0.0.1:{port}/"
            wait_for(url + "postgres")
            yield url
        finally:
            server.terminate()
            server.wait(START_S)
    finally:
        shutil.rmtree(folder)


def new_database(server: str) -> str:
    """The URL of an empty database on a server."""
    name = f"hub_{next(NUMBERS)}"
    engine = create_engine(server + "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server + name


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of an empty database."""
    return new_database(postgres_server)
