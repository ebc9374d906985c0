from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from argon2 import PasswordHasher

from event_hub.keyframes import FolderKeyframes, KeyframeSource
from event_hub.settings import HubSettings
from pipelines.access import TokenFile
from tests.event_hub.postgres import postgres, running_server  # noqa: F401 - fixtures
from tests.event_hub.samples import dump
from tests.event_hub.thread import HubThread

SINGLE = "application/cloudevents+json"


@dataclass
class Client:
    """Talks to a running hub over its socket, with a token that is good for everything."""

    url: str
    http: urllib3.PoolManager

    @property
    def auth(self) -> dict[str, str]:
        return dict(self.http.headers)

    def post(self, event: Any, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        body = event if isinstance(event, bytes) else dump(event)
        headers = self.auth | {"Content-Type": SINGLE} | (headers or {})
        return self.http.request("POST", f"{self.url}/api/events", body=body, headers=headers)

    def get(self, path: str, **query: str) -> urllib3.BaseHTTPResponse:
        return self.http.request("GET", self.url + path, fields=query)

    def json(self, path: str, **query: str) -> Any:
        answer = self.get(path, **query)
        assert answer.status == 200, answer.data
        return answer.json()


StartHub = Callable[..., Client]


def http_of(folder: Path) -> urllib3.PoolManager:
    """A client with the first token of the hub whose files are in the folder."""
    headers = {"Authorization": f"Bearer {TokenFile(folder / 'access').first()}"}
    return urllib3.PoolManager(timeout=20, retries=False, headers=headers)


@contextmanager
def running(folder: Path) -> Iterator[StartHub]:
    """Starts hubs without a console, their files in the folder; all end with the block."""
    with ExitStack() as stack:

        def start(keyframes: KeyframeSource | None = None, **settings: Any) -> Client:
            chosen = {"database": f"sqlite:///{folder}/hub.db", "port": 0, "console": False}
            chosen["access"] = folder / "access"
            hub = HubThread(
                HubSettings(**(chosen | settings)), keyframes or FolderKeyframes(folder / "kf")
            )
            stack.enter_context(hub)
            http = http_of(folder)
            stack.callback(http.clear)
            return Client(hub.url, http)

        yield start


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """A hash of a password costs nothing in tests; `test_people` shows what it costs elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        cheapest = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr("event_hub.people.passwords.PasswordHasher", cheapest)
        yield


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[StartHub]:
    """Starts hubs that end with the test."""
    with running(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def people_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A hub shared by tests about people, who are removed after each test."""
    with running(tmp_path_factory.mktemp("people")) as start:
        yield start()


@pytest.fixture
def hub(start_hub: StartHub) -> Client:
    """A fresh hub."""
    return start_hub()


@pytest.fixture(scope="module")
def empty_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A hub shared by tests that only make refused requests; it is empty to the last."""
    with running(tmp_path_factory.mktemp("hub")) as start:
        client = start()
        yield client
        assert client.json("/health")["events"] == 0
