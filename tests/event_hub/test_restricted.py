"""Clips at the hub: role, reason and audit trail, and no other way to them."""

from __future__ import annotations

import hashlib
import json

import pytest
import urllib3

from event_hub.keyframes import FolderKeyframes
from pipelines.access import Scope, TokenFile
from pipelines.keyframe_key import restricted_key
from tests.event_hub.conftest import StartHub
from tests.event_hub.samples import START, incident

CLIP = b"\0\0\0\x20ftypisom-a-clip"
DIGEST = hashlib.sha256(CLIP).hexdigest()
EVENT = "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e"
KEY = restricted_key("cam-1", "i-1", EVENT, 0, DIGEST, START)
SAID = {"state": "stored", "key": KEY, "sha256": DIGEST, "size_bytes": len(CLIP)}
REASON = {"reason": "accident of 4 March"}


@pytest.fixture
def hub(start_hub: StartHub, tmp_path):
    path = tmp_path / "keyframes" / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(CLIP)
    hub = start_hub(keyframes=FolderKeyframes(tmp_path / "keyframes"))
    assert hub.post(incident(clip=SAID)).status == 200
    return hub


@pytest.fixture
def ask(hub, tmp_path):
    tokens = TokenFile(tmp_path / "access")
    operator = tokens.issue("shift leader", Scope.OPERATOR)

    def ask(body: object = REASON, key: str = KEY, token: str = operator, **query: str):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{hub.url}/api/evidence/{key}"
        data = json.dumps(body).encode()
        http = urllib3.PoolManager(retries=False)
        if query:
            url += "?" + "&".join(f"{name}={value}" for name, value in query.items())
        return http.request("POST", url, body=data, headers=headers)

    return ask


def trail(hub) -> list[dict[str, str]]:
    return hub.json("/api/audit")["entries"]


def test_an_operator_with_a_reason_sees_it_and_is_noted(hub, ask):
    answer = ask()
    assert (answer.status, answer.data) == (200, CLIP)
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Cache-Control"] == "no-store"
    (entry,) = trail(hub)
    assert (entry["name"], entry["key"], entry["reason"], entry["server"]) == (
        "shift leader",
        KEY,
        REASON["reason"],
        "hub",
    )


def test_without_a_reason_nothing_is_given_away(hub, ask):
    for body in ({}, {"reason": ""}, {"reason": "   x    "}, {"reason": "y" * 501}):
        answer = ask(body)
        assert answer.status == 422
        assert CLIP not in answer.data
    assert trail(hub) == []


def test_an_incident_without_a_clip_is_taken(hub):
    for state in ("pending", "none"):
        said = {"state": state, "reason": "why", "key": "", "sha256": "", "begins_at": None}
        assert hub.post(incident(f"i-{state}", clip=said)).status == 200
        known = hub.json(f"/api/incidents/i-{state}")["incident"]
        assert known["clip"]["state"] == state


def test_nobody_else_may(hub, ask, tmp_path):
    tokens = TokenFile(tmp_path / "access")
    assert ask(token=tokens.issue("visitor", Scope.VIEWER)).status == 403
    assert trail(hub) == []
    headers = {"Authorization": f"Bearer {tokens.issue('engineer', Scope.ENGINEER)}"}
    answer = urllib3.request("GET", f"{hub.url}/api/audit", headers=headers, retries=False)
    assert answer.status == 403


def test_a_clip_is_no_keyframe(hub):
    assert hub.get(f"/api/keyframes/{KEY}").status == 404
    named = [{**SAID, "role": "opening", "width": 1, "height": 1, "media_type": "image/jpeg"}]
    assert hub.post(incident("i-2", keyframes=named)).status == 200
    assert hub.get(f"/api/keyframes/{KEY}").status == 404


def test_only_what_an_event_names_is_looked_up(hub, ask, tmp_path):
    other = KEY.replace("cam-1", "cam-2")
    path = tmp_path / "keyframes" / other
    path.parent.mkdir(parents=True)
    path.write_bytes(CLIP)
    assert ask(key=other).status == 404
    assert ask(key="kf-30d/v1/other.jpg").status == 404
    assert ask(city="elsewhere").status == 404


def test_what_is_altered_or_gone_is_not_given_away(hub, ask, tmp_path):
    path = tmp_path / "keyframes" / KEY
    path.write_bytes(CLIP + b"!")
    assert ask().status == 502
    path.unlink()
    answer = ask()
    assert answer.status == 404
    assert b"taken on 2" in answer.data
    assert trail(hub) == []


def test_what_cannot_be_noted_is_not_given_away(hub, ask, tmp_path):
    (tmp_path / "audit").write_bytes(b"")
    answer = ask()
    assert answer.status == 503
    assert b"audit trail" in answer.data
