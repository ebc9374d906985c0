"""A city whose configuration is edited, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cityeye.city_requests import CityRequests
from cityeye.config_editor import ConfigEditor
from cityeye.control_socket import control_socket
from pipelines.access import AccessGate, Scope
from serving.api import access, added_cameras, city_changes, configuration, restricted
from serving.api.access import ApiAccess
from tests.cityeye.editing.city import Caller, City


@pytest.fixture
def city(tmp_path, packages) -> Iterator[City]:
    city = City(tmp_path, packages)
    requests = CityRequests(ConfigEditor(city.changes))
    with control_socket(city.state, city.file, city.changes.apply, requests.answer):
        yield city


@pytest.fixture
def client(city) -> Iterator[TestClient]:
    access.announce_access(ApiAccess(tokens=city.tokens.folder, hosts=frozenset({"testserver"})))
    app = FastAPI()
    app.include_router(added_cameras.router)
    app.include_router(configuration.router)
    app.include_router(restricted.router)
    app.add_exception_handler(city_changes.ChangeRefused, city_changes.refused_change)  # type: ignore[arg-type]
    app.add_middleware(AccessGate, policy=access.policy())
    restricted.trail.cache_clear()
    yield TestClient(app)
    access.announce_access(None)
    restricted.trail.cache_clear()


@pytest.fixture
def engineer(client, city) -> Caller:
    return Caller(client, city.tokens, "Wang", Scope.ENGINEER)
