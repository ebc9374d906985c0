"""Routes for coverage, without a city: sums, periods, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.coverage import Coverage, CoveredPeriod
from serving.api import coverage
from serving.worker_state import WorkerState
from tests.serving.workers import worker_state

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
SEEN = Coverage(60.0, 50.0, 45.0, {"offline": 10.0, "dark": 5.0})
QUERY = {"since": "2026-03-04T05:00:00Z", "until": "2026-03-04T06:00:00Z"}


def period(camera: str, task: str, minute: int, seen: Coverage = SEEN) -> CoveredPeriod:
    begins_at = AT + timedelta(minutes=minute)
    return CoveredPeriod(camera, task, begins_at, begins_at + timedelta(minutes=1), seen)


class Director:
    """Answers as the director does."""

    def __init__(self) -> None:
        self.periods = [
            period("yard", "crowding", 1),
            period("gate", "traffic", 1),
            period("gate", "traffic", 0, Coverage(60.0, 60.0, 60.0, {})),
        ]
        self.states: list[WorkerState] = [worker_state("gate", "yard")]
        self.asked: list[object] = []

    async def ask(self, method: str, *arguments: object, timeout_s: float) -> object:
        self.asked += [method, *arguments]
        return self.periods

    async def workers(self) -> list[WorkerState]:
        return self.states


@pytest.fixture
def director(monkeypatch: pytest.MonkeyPatch) -> Director:
    director = Director()
    monkeypatch.setattr(coverage, "ask_director", director.ask)
    monkeypatch.setattr(coverage, "all_workers", director.workers)
    return director


@pytest.fixture
def client(director: Director) -> TestClient:
    app = FastAPI()
    app.include_router(coverage.router)
    return TestClient(app)


def test_periods_of_a_task_are_added_up(client: TestClient, director: Director) -> None:
    answer = client.get("/coverage", params=QUERY).json()
    gate, yard = answer["covered"]
    assert gate == {
        "camera": "gate", "task": "traffic",
        "begins_at": "2026-03-04T05:06:00Z", "ends_at": "2026-03-04T05:08:00Z",
        "requested_s": 120.0, "watched_s": 110.0, "able_s": 105.0,
        "gaps": {"dark": 5.0, "offline": 10.0},
    }  # fmt: skip
    assert (yard["camera"], yard["able_s"], answer["unknown"]) == ("yard", 45.0, {})
    assert director.asked == ["coverage", AT.replace(minute=0), AT.replace(hour=6, minute=0), None]


def test_periods_come_one_by_one_oldest_first(client: TestClient) -> None:
    answer = client.get("/coverage/periods", params=QUERY).json()
    assert [(one["camera"], one["begins_at"][14:16]) for one in answer["covered"]] == [
        ("gate", "06"),
        ("gate", "07"),
        ("yard", "07"),
    ]


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_any_time_can_be_asked_for(client: TestClient, until: str) -> None:
    assert client.get("/coverage", params={"until": until}).status_code == 200


def test_a_camera_of_a_silent_worker_is_never_passed_over(
    client: TestClient, director: Director
) -> None:
    director.states = [worker_state("gate"), worker_state("yard", "roof", silent_s=9.0)]
    unknown = client.get("/coverage", params=QUERY).json()["unknown"]
    assert unknown == dict.fromkeys(("yard", "roof"), "worker-0 has not answered for 9 s")
    # It answers, and has nothing to say of one of its cameras.
    director.states = [worker_state("gate", "yard", "roof")]
    unknown = client.get("/coverage", params=QUERY).json()["unknown"]
    assert unknown == {"roof": "nothing is known of it in this time"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"camera": "nowhere"}, 404),
        ({"since": QUERY["until"], "until": QUERY["since"]}, 422),
        ({"since": "2025-01-01T00:00:00Z", "until": QUERY["until"]}, 422),
        ({"since": "2026-03-04T05:00:00"}, 422),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: TestClient, query: dict[str, str], status: int
) -> None:
    assert client.get("/coverage", params=query).status_code == status
