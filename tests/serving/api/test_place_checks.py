"""The control API asks the worker that has a camera whether something is still seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines import PlaceCheck
from pipelines.access import Scope
from serving.api import place_checks
from serving.api.access import ROUTES
from tests.serving.workers import worker_state

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PATH = "/cameras/gate/place"
QUERY = {"kind": "littering.dropped_object", "place": "square"}


@pytest.fixture
def answers() -> list[PlaceCheck | None]:
    return [PlaceCheck(True, AT, 2)]


@pytest.fixture
def asked() -> list[tuple[str, ...]]:
    return []


@pytest.fixture
def client(monkeypatch, answers, asked) -> Iterator[TestClient]:
    async def workers():
        return [worker_state("gate", "yard")]

    async def ask(*question: str) -> PlaceCheck | None:
        asked.append(question)
        return answers[0]

    monkeypatch.setattr(place_checks, "all_workers", workers)
    monkeypatch.setattr(place_checks, "ask_worker", ask)
    app = FastAPI()
    app.include_router(place_checks.router)
    with TestClient(app) as client:
        yield client


def test_the_worker_of_the_camera_is_asked(client, asked):
    answer = client.get(PATH, params=QUERY)
    assert answer.json() == {
        "camera": "gate", **QUERY, "holds": True, "at": "2026-03-04T05:06:07Z", "situations": 2,
        "reason": "",
    }  # fmt: skip
    assert asked == [("cityeye-worker:worker-0:3:", "gate", *QUERY.values())]


def test_what_is_not_known_is_null_with_a_reason(client, answers):
    answers[0] = PlaceCheck(None, reason="the camera is offline: no route")
    found = client.get(PATH, params=QUERY).json()
    assert (found["holds"], found["at"]) == (None, None)
    assert "no route" in found["reason"]


def test_who_cannot_be_asked_is_named(client, answers):
    answers[0] = None
    assert client.get(PATH, params=QUERY).status_code == 503
    assert client.get("/cameras/none/place", params=QUERY).status_code == 404
    assert client.get(PATH).status_code == 422


def test_it_is_for_viewers():
    rule = ROUTES.find("GET", PATH)
    assert rule is not None
    assert rule.scope is Scope.VIEWER
