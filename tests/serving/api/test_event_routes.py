"""Routes for events that have not arrived, without a city."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.delivery.dead_letters import DeadLetter
from pipelines.delivery.deliveries import PendingEvent
from serving.api import events

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Director:
    """Answers as the director does, worker by worker."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.replayed = 2

    async def ask(self, method: str, *arguments: object, timeout_s: float) -> object:
        self.asked.append((method, *arguments))
        later = AT + timedelta(seconds=1)
        if method == "pending_events":
            return [
                PendingEvent(
                    "hub", "e-2", "cityeye.measurement", "yard", later, True, "answered 503"
                ),
                PendingEvent("hub", "e-1", "cityeye.camera.state", "gate", AT, False),
            ]
        if method == "dead_letters":
            return [DeadLetter(None, "e-3", "", "gate", "unreadable: 1 faults", AT, False)]
        return self.replayed


@pytest.fixture
def director(monkeypatch: pytest.MonkeyPatch) -> Director:
    director = Director()
    monkeypatch.setattr(events, "ask_director", director.ask)
    return director


@pytest.fixture
def client(director: Director) -> TestClient:
    app = FastAPI()
    app.include_router(events.router)
    return TestClient(app)


def test_pending_events_of_all_workers_come_oldest_first(client: TestClient) -> None:
    first, second = client.get("/events/pending").json()
    assert (first["event"], first["since"], first["reason"]) == ("e-1", "2026-03-04T05:06:07Z", "")
    assert (second["sink"], second["reason"]) == ("hub", "answered 503")
    (only,) = client.get("/events/pending?limit=1").json()
    assert only["event"] == "e-1"
    assert client.get("/events/pending?limit=0").status_code == 422


def test_a_dead_letter_that_nobody_can_read_has_no_sink(client: TestClient) -> None:
    (letter,) = client.get("/events/dead").json()
    assert (letter["sink"], letter["type"], letter["replayed"]) == (None, "", False)


def test_dead_letters_are_sent_again(client: TestClient, director: Director) -> None:
    assert client.post("/events/replay", json={"event": "e-3"}).json() == {"replayed": 2}
    assert client.post("/events/replay", json={"sink": "hub"}).json() == {"replayed": 2}
    assert director.asked == [("replay_dead", "e-3", None), ("replay_dead", None, "hub")]
    director.replayed = 0
    assert client.post("/events/replay", json={}).status_code == 404
    assert client.post("/events/replay", json={"evnt": "e-3"}).status_code == 422
