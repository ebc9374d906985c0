"""Routes of the repository without a city: each kind of failure has its status and its sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.errors import (
    ModelError,
    NotAdmittedError,
    PackageError,
    RepositoryError,
    UnknownModelError,
)
from models.repository import ModelRepository
from serving.api.control_api import api
from serving.api.versions import model_problem, repository, router
from tests.serving.packages import brightness_package


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    brightness_package(tmp_path)
    app = FastAPI(exception_handlers=dict(api.exception_handlers))
    app.include_router(router)
    app.dependency_overrides[repository] = lambda: ModelRepository(tmp_path)
    return TestClient(app, raise_server_exceptions=False)


def test_a_version_that_is_there_is_shown(client: TestClient) -> None:
    answer = client.get("/models/brightness/versions/1")
    assert answer.status_code == 200
    assert answer.json()["manifest"]["name"] == answer.json()["name"] == "brightness"


def test_a_version_that_is_not_there_is_named(client: TestClient) -> None:
    answer = client.get("/models/brightness/versions/9")
    assert answer.status_code == 404
    assert "brightness/1" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownModelError("a/1", "here", ()), 404),
        (RepositoryError("a/1", "the store is down", "wait"), 503),
        (NotAdmittedError("a/1", "is not admitted"), 409),
        (PackageError("a/1", Path("model.yaml"), "is missing", "copy it"), 422),
    ],
)
def test_a_failure_of_a_model_has_its_status(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: ModelError, code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(ModelRepository, "find", fail)
    answer = client.get("/models/brightness/versions/1")
    assert answer.status_code == code
    assert answer.json()["detail"] == str(error)


def test_the_control_api_has_this_handler() -> None:
    assert api.exception_handlers[ModelError] is model_problem
