from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from event_hub.store import EventStore
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.samples import incident
from tests.event_hub.test_city_control import control  # noqa: F401 - a fixture

Act = Callable[..., tuple[int, Any]]


def actor(hub: Client) -> Act:
    """Posts an order for an incident."""

    def act(verb: str, incident_id: str = "i-1", **order: Any) -> tuple[int, Any]:
        path = f"{hub.url}/api/incidents/{incident_id}/{verb}"
        answer = hub.http.request("POST", path, json=order)
        return answer.status, answer.json()

    return act


@pytest.fixture
def hub(start_hub: StartHub) -> Client:
    """A hub with one incident."""
    client = start_hub()
    assert client.post(incident()).status == 200
    return client


@pytest.fixture
def act(hub: Client) -> Act:
    return actor(hub)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(f"sqlite:///{tmp_path}/hub.db")
    yield opened
    opened.close()
