"""A real PostgreSQL server for tests, and empty databases on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.postgres_server import new_database, postgres_server


@pytest.fixture(scope="session", name="postgres_server")
def running_server() -> Iterator[str]:
    """The URL of a server up to the name of a database."""
    with postgres_server(durable=False) as url:
        yield url


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of an empty database."""
    return new_database(postgres_server)
