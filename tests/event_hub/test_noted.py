"""Everything that somebody does at the hub leaves an entry in the audit trail, with who and what.

The routes are read from the table: one that changes something needs an example here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from event_hub import ControlSettings
from event_hub.access import ROUTES
from event_hub.subscription_settings import SubscriptionSettings
from pipelines.access import Scope
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.people import PASSWORD, add_user, logged_in
from tests.event_hub.test_city_control import answering
from tests.event_hub.test_deletions import events, evidence, put

CLIP_KEY = list(evidence("i-1"))[2]
WORDS = {"revision": 0, "text": "words of zhang"}
AT = "/api/incidents/i-1"
USER = {"name": "li", "password": PASSWORD, "role": "viewer"}

ONE = "/api/subscriptions/{subscription}"
CAMERA = "/api/cameras/{city}/{camera}"
GATE = "/api/cameras/Xinjin/gate"
MODEL = "/api/models/{city}/{model}"
STREET = "/api/models/Xinjin/street"
WHY = {"reason": "fewer false alarms"}
TRIED = {"source": "rtsp://10.1.2.3/1", "reason": "a new camera"}
HOOK = {"url": "http://127.0.0.1:9/hook", "format": "cloudevents", "name": "city hall"}

EXAMPLES: list[tuple[str, str, str, Any, str]] = [
    ("POST", "/api/incidents/{incident}/hold", f"{AT}/hold", None, "incident.held"),
    ("DELETE", "/api/incidents/{incident}/hold", f"{AT}/hold", None, "incident.released"),
    ("POST", "/api/incidents/{incident}/note", f"{AT}/note", WORDS, "case.noted"),
    ("POST", "/api/incidents/{incident}/confirm", f"{AT}/confirm", 1, "case.confirmed"),
    ("POST", "/api/incidents/{incident}/dispatch", f"{AT}/dispatch", 2, "case.dispatched"),
    ("POST", "/api/incidents/{incident}/resolve", f"{AT}/resolve", 3, "case.resolved"),
    ("POST", "/api/incidents/{incident}/reopen", f"{AT}/reopen", 4, "case.reopened"),
    ("POST", "/api/incidents/{incident}/join", f"{AT}/join", 5, "case.joined"),
    ("POST", "/api/incidents/{incident}/split", "/api/incidents/i-2/split", 6, "case.split"),
    ("POST", "/api/incidents/{incident}/false-alarm", f"{AT}/false-alarm", 7, "case.false_alarm"),
    ("POST", "/api/evidence/{key:path}", f"/api/evidence/{CLIP_KEY}", 8, "evidence.seen"),
    ("POST", "/api/deletions", "/api/deletions", 8, "evidence.deleted"),
    (
        "PUT",
        "/api/groups/{group}",
        "/api/groups/north",
        {"members": [{"city": "a"}]},
        "group.changed",
    ),
    ("DELETE", "/api/groups/{group}", "/api/groups/north", None, "group.removed"),
    ("POST", "/api/users", "/api/users", USER, "user.added"),
    ("PATCH", "/api/users/{user}", "/api/users/li", {"role": "operator"}, "user.changed"),
    ("DELETE", "/api/users/{user}", "/api/users/li", None, "user.removed"),
    ("POST", "/api/subscriptions", "/api/subscriptions", HOOK, "subscription.added"),
    ("POST", f"{ONE}/active", "{own}/active", {"active": False}, "subscription.changed"),
    ("POST", f"{ONE}/replay", "{own}/replay", {}, "subscription.replayed"),
    ("POST", f"{ONE}/test", "{own}/test", None, "subscription.tested"),
    ("DELETE", ONE, "{own}", None, "subscription.removed"),
    ("PUT", f"{CAMERA}/places", f"{GATE}/places", {}, "config.changed"),
    ("PUT", f"{CAMERA}/places/{{kind}}", f"{GATE}/places/zones", {}, "config.changed"),
    ("PUT", f"{CAMERA}/schedules", f"{GATE}/schedules", {}, "config.changed"),
    ("PUT", f"{CAMERA}/connection", f"{GATE}/connection", {}, "config.changed"),
    (
        "POST",
        f"{CAMERA}/connection/test",
        f"{GATE}/connection/test",
        {"reason": "a new camera"},
        "camera.tried",
    ),
    ("DELETE", CAMERA, GATE, None, "config.changed"),
    ("POST", "/api/cameras/{city}", "/api/cameras/Xinjin", {}, "config.changed"),
    ("POST", "/api/cameras/{city}/test", "/api/cameras/Xinjin/test", TRIED, "camera.tried"),
    ("POST", "/api/cameras/{city}/import", "/api/cameras/Xinjin/import", {}, "config.changed"),
    ("POST", "/api/config/{city}/undo", "/api/config/Xinjin/undo", {}, "config.changed"),
    ("POST", f"{MODEL}/rollout", f"{STREET}/rollout", WHY, "model.changed"),
    ("POST", f"{MODEL}/promote", f"{STREET}/promote", WHY, "model.changed"),
    ("POST", f"{MODEL}/rollback", f"{STREET}/rollback", WHY, "model.changed"),
    ("POST", "/api/me/password", "/api/me/password", 9, "user.changed"),
]
"""Method, path of the rule, the path, the body or which one below, and the action."""

BODIES: dict[int, dict[str, Any]] = {
    1: {"revision": 1},
    2: {"revision": 2, "to": "team 3"},
    3: {"revision": 3},
    4: {"revision": 4},
    5: {"revision": 5, "incident": "i-2"},
    6: {"revision": 6},
    7: {"revision": 7, "reason": "other", "text": "a drill"},
    8: {"reason": "asked for by a person", "incidents": ["i-1"]},
    9: {"old": PASSWORD, "new": "another long one"},
}


@pytest.fixture
def city(start_hub: StartHub, tmp_path: Path) -> Iterator[Client]:
    near = SubscriptionSettings.model_validate({"networks": ["127.0.0.0/8"]})
    with answering() as control:
        control.body, control.headers = b"{}", {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{control.server_port}"
        way = ControlSettings(url=url, token=SecretStr("own"), city="Xinjin")
        yield filled(start_hub(subscriptions=near, control=way), tmp_path)


def filled(hub: Client, tmp_path: Path) -> Client:
    for name in ("i-1", "i-2"):
        put(tmp_path / "kf", evidence(name))
        for event in events(name):
            assert hub.post(event).status == 200
    return hub


def test_every_route_that_changes_something_has_an_example() -> None:
    changing = {
        (method, rule.path)
        for rule in ROUTES.rules
        for method in rule.methods.split()
        if method not in ("GET", "HEAD", "WEBSOCKET")
        and rule.scope not in (None, Scope.SENDER)
        and not rule.path.startswith("/_nicegui")
    }
    assert changing == {(method, path) for method, path, *_ in EXAMPLES}


def test_what_is_done_is_noted_and_what_is_refused_is_not(city: Client) -> None:
    add_user(city, "zhang", "admin")
    browser = logged_in(city, "zhang")
    before = len(city.json("/api/audit", limit="1000")["entries"])
    own = ""
    for method, _, place, body, action in EXAMPLES:
        path = place.format(own=own)
        sent = BODIES[body] if isinstance(body, int) else body
        if "/evidence/" in path:
            sent = {"reason": sent["reason"]}
        wrong = (f"{path}x", None) if sent is None else (path, {"nonsense": 1})
        if action != "config.changed":
            # Of what is passed on to the city, the trail keeps what was asked for.
            assert browser.ask(method, *wrong).status in (403, 404, 422), path
        kind: dict[str, Any] = {"Content-Type": "text/csv"} if path.endswith("/import") else {}
        answer = browser.ask(method, path, sent, **kind)
        assert answer.status in (200, 201, 204), (path, answer.data)
        if action == "subscription.added":
            own = f"/api/subscriptions/{answer.json()['subscription_id']}"
        entries = city.json("/api/audit", limit="1000")["entries"]
        before += 1
        assert len(entries) == before, path
        assert (entries[0]["action"], entries[0]["name"]) == (action, "zhang")
        assert entries[0]["key"]
