"""Routes of the repository without a city: each kind of failure has its status and its sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

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
from serving.api import import_progress, versions
from serving.api.control_api import api
from serving.api.versions import model_problem, repository, router
from tests.serving.packages import brightness_package


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    brightness_package(tmp_path)
    app = FastAPI(exception_handlers=dict(api.exception_handlers))
    app.include_router(router)
    app.include_router(import_progress.router)
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


def test_an_import_can_be_followed_by_its_id(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[dict[str, object]] = []

    def imported(*_: object, on_step: Callable[[str], None]) -> object:
        on_step("examining the result")
        seen.append(client.get("/imports/upload-0001").json())
        return SimpleNamespace(package=ModelRepository(tmp_path).find("brightness", "1"))

    monkeypatch.setattr(versions, "import_model", imported)
    network = {"content": b"x" * 1000, "headers": {"Content-Type": "application/octet-stream"}}
    path = "/models/brightness/versions"
    assert client.get("/imports/upload-0001").status_code == 404
    assert client.post(f"{path}?progress=upload-0001", **network).status_code == 200  # type: ignore[arg-type]
    (under_way,) = seen
    assert (under_way["state"], under_way["step"]) == ("working", "examining the result")
    assert (under_way["received_bytes"], under_way["total_bytes"]) == (1000, 1000)
    done = client.get("/imports/upload-0001").json()
    assert (done["state"], done["version"], done["model"]) == ("done", "1", "brightness")

    def refused(*_: object, **__: object) -> None:
        raise PackageError("brightness/2", Path("model.onnx"), "is no network", "export it anew")

    monkeypatch.setattr(versions, "import_model", refused)
    assert client.post(f"{path}?progress=upload-0001", **network).status_code == 422  # type: ignore[arg-type]
    failed = client.get("/imports/upload-0001").json()
    assert failed["state"] == "failed"
    assert "is no network" in failed["detail"]
    assert client.post(f"{path}?progress=../x", **network).status_code == 422  # type: ignore[arg-type]
