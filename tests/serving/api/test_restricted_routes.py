"""Clips at the control API, without a city: role, reason, audit trail, and what is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from ray import serve

from pipelines.access import AccessGate, Scope, TokenFile
from pipelines.delivery import FolderStore
from pipelines.keyframe_key import keyframe_key, restricted_key
from serving.api import access, keyframes, restricted
from serving.api.access import ApiAccess

CLIP = b"\0\0\0\x20ftypisom-a-clip"
DIGEST = hashlib.sha256(CLIP).hexdigest()
NAMED = ("gate", "i-1", "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e", 0, DIGEST)
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KEY = restricted_key(*NAMED, AT)
REASON = {"reason": "accident of 4 March"}


@pytest.fixture
def store(tmp_path) -> FolderStore:
    store = FolderStore(tmp_path / "keyframes")
    store.put(KEY, CLIP, DIGEST, "video/mp4")
    return store


@pytest.fixture
def client(tmp_path, monkeypatch, store) -> Iterator[TestClient]:
    folder = tmp_path / "access"
    TokenFile(folder).prepare()
    access.announce_access(ApiAccess(tokens=folder, hosts=frozenset({"testserver"})))
    ingress = SimpleNamespace(servable_object=SimpleNamespace(keyframes=store))
    monkeypatch.setattr(serve, "get_replica_context", lambda: ingress)
    restricted.trail.cache_clear()
    app = FastAPI()
    app.include_router(restricted.router)
    app.include_router(keyframes.router)
    app.add_middleware(AccessGate, policy=access.policy())
    yield TestClient(app)
    access.announce_access(None)
    restricted.trail.cache_clear()


@pytest.fixture
def shown(tmp_path, client) -> dict[Scope, dict[str, str]]:
    tokens = TokenFile(tmp_path / "access")
    return {one: {"Authorization": f"Bearer {tokens.issue(one, one)}"} for one in Scope}


def test_an_operator_with_a_reason_sees_it_and_is_noted(client, shown):
    answer = client.post(f"/evidence/{KEY}", json=REASON, headers=shown[Scope.OPERATOR])
    assert (answer.status_code, answer.content) == (200, CLIP)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["cache-control"] == "no-store"
    (entry,) = client.get("/audit", headers=shown[Scope.ADMIN]).json()
    assert (entry["name"], entry["key"], entry["reason"], entry["server"]) == (
        "operator",
        KEY,
        REASON["reason"],
        "api",
    )


@pytest.mark.parametrize("body", [{}, {"reason": "x"}, {"reason": " " * 20}])
def test_without_a_reason_nothing_is_given_away(client, shown, body):
    answer = client.post(f"/evidence/{KEY}", json=body, headers=shown[Scope.ADMIN])
    assert answer.status_code == 422
    assert client.get("/audit", headers=shown[Scope.ADMIN]).json() == []


def test_who_may_what(client, shown):
    for scope, headers in shown.items():
        status = client.post(f"/evidence/{KEY}", json=REASON, headers=headers).status_code
        assert status == (200 if scope.allows(Scope.OPERATOR) else 403), scope
        status = client.get("/audit", headers=headers).status_code
        assert status == (200 if scope is Scope.ADMIN else 403), scope
        # There is no address that could be passed on.
        assert client.get(f"/evidence/{KEY}", headers=headers).status_code in (403, 405)
        assert client.get(f"/keyframes/{KEY}", headers=headers).status_code in (403, 404)
    assert client.post(f"/evidence/{KEY}", json=REASON).status_code == 401


def test_nothing_but_what_a_key_names_is_given_away(client, shown, store, tmp_path):
    admin = shown[Scope.ADMIN]
    other = keyframe_key(*NAMED, AT)
    store.put(other, CLIP, DIGEST, "image/jpeg")
    assert client.post(f"/evidence/{other}", json=REASON, headers=admin).status_code == 404
    altered = KEY.replace(DIGEST[:16], "0" * 16)
    (tmp_path / "keyframes" / altered).write_bytes(CLIP)
    assert client.post(f"/evidence/{altered}", json=REASON, headers=admin).status_code == 502
    missing = restricted_key(*NAMED[:3], 1, DIGEST, AT)
    answer = client.post(f"/evidence/{missing}", json=REASON, headers=admin)
    assert (answer.status_code, "2026-03-04" in answer.text) == (404, True)
    (tmp_path / "audit").write_bytes(b"")
    assert client.post(f"/evidence/{KEY}", json=REASON, headers=admin).status_code == 503
