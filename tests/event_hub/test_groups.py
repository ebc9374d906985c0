"""Every route of the hub by role and camera group: who is limited sees and does nothing outside.

The routes are read from the application. One that says that it heeds camera groups needs an entry
here which shows that it does; every other one is closed to whoever is limited to any.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from event_hub.access import ROUTES
from pipelines.access import Scope, TokenFile
from pipelines.event_identity import camera_source, city_of, worker_source
from pipelines.keyframe_key import keyframe_key, restricted_key
from tests.event_hub.conftest import Client, StartHub, running
from tests.event_hub.people import Answer, Browser, add_user, logged_in, put_group, send
from tests.event_hub.samples import (
    START,
    camera_state,
    heartbeat,
    in_city,
    incident,
    keyframe,
    notice,
    picture,
)
from tests.event_hub.test_access import described_routes
from tests.event_hub.test_measurements import measured

XINJIN, DAYI = "510118-新津", "510129-Dayi"
PLACES = {"gate-1": "510118001", "gate-2": "510118002", "Gate-3": "", "yard": "510118001"}
CAMERAS = {(XINJIN, name) for name in PLACES} | {(DAYI, "gate-1")}
REASON = {"reason": "accident of 4 March"}
EVENT = "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e"

GROUPS: dict[str, tuple[list[dict[str, str]], set[tuple[str, str]]]] = {
    "one camera": ([{"camera": "gate-1", "city": XINJIN}], {(XINJIN, "gate-1")}),
    "ids": ([{"camera": "gate-1"}], {(XINJIN, "gate-1"), (DAYI, "gate-1")}),
    "beginning": (
        [{"camera": "gate-*"}],
        {(XINJIN, "gate-1"), (XINJIN, "gate-2"), (DAYI, "gate-1")},
    ),
    "city": ([{"city": DAYI}], {(DAYI, "gate-1")}),
    "division": ([{"division": "510118001"}], {(XINJIN, "gate-1"), (XINJIN, "yard")}),
    "both": (
        [{"division": "510118", "camera": "gate-*"}, {"camera": "yard", "city": DAYI}],
        {(XINJIN, "gate-1"), (XINJIN, "gate-2")},
    ),
    "nothing": ([], set()),
}


def key_of(city: str, camera: str) -> str:
    return keyframe_key(camera, f"i-{city}-{camera}", EVENT, 0, "a" * 64, START)


def clip_of(city: str, camera: str) -> str:
    return restricted_key(camera, f"i-{city}-{camera}", EVENT, 0, "b" * 64, START)


def life(city: str, camera: str, number: int) -> list[dict[str, Any]]:
    data = picture()
    said = {"id": camera, "name": camera, "place": {"division": PLACES[camera]}}
    if city == DAYI:
        said["place"] = {"division": "510129001"}
    shown = keyframe(key_of(city, camera), data) | {"masked": True}
    clip = {k: shown[k] for k in ("sha256", "size_bytes")}
    clip |= {"state": "stored", "key": clip_of(city, camera)}
    state = camera_state(camera, number=1)
    state["data"]["camera"] = said
    events = [
        state,
        incident(f"i-{city}-{camera}", camera=said, keyframes=[shown], clip=clip),
        measured(number, camera),
    ]
    own = {"source": camera_source(city, camera)}
    return [in_city(event, city) | own for event in events]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    folder = tmp_path_factory.mktemp("groups")
    with running(folder) as start:
        hub = start()
        for number, (name, camera) in enumerate(sorted(CAMERAS)):
            for event in life(name, camera, number):
                assert hub.post(event).status == 200
            for key in (key_of(name, camera), clip_of(name, camera)):
                (folder / "kf" / key).parent.mkdir(parents=True, exist_ok=True)
                (folder / "kf" / key).write_bytes(picture())
        beat = heartbeat(dict.fromkeys(PLACES, "online"), number=1, incarnation=1)
        for one in beat["data"]["cameras"]:
            one["camera"]["place"] = {"division": PLACES[one["camera"]["id"]]}
        worker = {"source": worker_source(XINJIN, "worker-1")}
        for event in (beat, notice("gate-1")):
            assert hub.post(in_city(event, XINJIN) | worker).status == 200
        for name, (members, _) in GROUPS.items():
            put_group(hub, name, *members)
        yield hub, folder


Ask = Callable[..., Answer]


def asking(hub: Client, token: str) -> Ask:
    browser = Browser(hub.url, headers={"Authorization": f"Bearer {token}"})
    return lambda method, path, body=None: browser.ask(method, path, body, Origin="")


def caller(city: tuple[Client, Path], role: Scope, *groups: str) -> Ask:
    hub, folder = city
    return asking(hub, TokenFile(folder / "access").issue("somebody", role, groups=groups))


def listed(answer: Answer, kind: str) -> list[tuple[str, str]]:
    assert answer.status == 200, answer.data
    return sorted((one["city"], one["camera"]["id"]) for one in answer.json()[kind])


def event_cameras(ask: Ask) -> set[tuple[str, str]]:
    found = ask("GET", "/api/events?limit=200").json()["events"]
    for one in found:
        assert "worker" not in one["event"]["data"]
    names = {one["event"]["source"]: one["event"]["data"]["camera"]["id"] for one in found}
    return {(city_of(source), camera) for source, camera in names.items()}


def each(ask: Ask, seen: set[tuple[str, str]], method: str, path: str, good: int = 200) -> None:
    """One route for the things of every camera: those outside are as if they were not there."""
    missing = ask(method, path.format(city="no", camera="no", key="no", clip="no"), REASON)
    for city, camera in CAMERAS:
        names = {"key": key_of(city, camera), "clip": clip_of(city, camera)}
        full = path.format(city=city, camera=camera, **names)
        answer = ask(method, full, REASON if method == "POST" and "evidence" in path else None)
        assert answer.status == (good if (city, camera) in seen else 404), full
        if answer.status == 404 and "evidence" not in path:
            assert answer.data == missing.data


def same(kind: str, path: str) -> Callable[[Ask, set[tuple[str, str]]], None]:
    def check(ask: Ask, seen: set[tuple[str, str]]) -> None:
        assert listed(ask("GET", path), kind) == sorted(seen)

    return check


def about(method: str, path: str) -> Callable[[Ask, set[tuple[str, str]]], None]:
    return lambda ask, seen: each(ask, seen, method, path)


def events(ask: Ask, seen: set[tuple[str, str]]) -> None:
    assert event_cameras(ask) == seen


def cameras(ask: Ask, seen: set[tuple[str, str]]) -> None:
    answer = ask("GET", "/api/cameras")
    assert listed(answer, "cameras") == sorted(seen)
    online = sum(city == XINJIN for city, _ in seen)
    assert answer.json()["online"] == online


def counts(ask: Ask, seen: set[tuple[str, str]]) -> None:
    assert ask("GET", "/api/incident-counts").json()["total"] == len(seen)


def table(ask: Ask, seen: set[tuple[str, str]]) -> None:
    rows = csv.DictReader(ask("GET", "/api/incidents.csv").data.decode("utf-8-sig").splitlines())
    assert sorted((row["city"], row["camera"]) for row in rows) == sorted(seen)


def points(ask: Ask, seen: set[tuple[str, str]]) -> None:
    found = [one["properties"] for one in ask("GET", "/api/incidents.geojson").json()["features"]]
    assert sorted((one["city"], one["camera"]) for one in found) == sorted(seen)


def timeline(ask: Ask, seen: set[tuple[str, str]]) -> None:
    day = "since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z"
    buckets = ask("GET", f"/api/statistics/timeline?{day}").json()["buckets"]
    assert sum(one["total"] for one in buckets) == len(seen)


def grouped(ask: Ask, seen: set[tuple[str, str]]) -> None:
    groups = ask("GET", "/api/statistics/incidents?by=camera").json()["groups"]
    assert sorted((one["city"], one["camera"]) for one in groups) == sorted(seen)


def places(ask: Ask, seen: set[tuple[str, str]]) -> None:
    found = ask("GET", "/api/statistics/places").json()["places"]
    assert sorted((one["city"], one["camera"]) for one in found) == sorted(seen)


def series(ask: Ask, seen: set[tuple[str, str]]) -> None:
    day = "since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z"
    found = ask("GET", f"/api/statistics/measurements?kind=coverage&{day}").json()["series"]
    assert sorted((one["city"], one["camera"]) for one in found) == sorted(seen)


def answers(ask: Ask, seen: set[tuple[str, str]]) -> None:
    """For routes that are about the caller alone."""


def elsewhere(ask: Ask, seen: set[tuple[str, str]]) -> None:
    """For routes that need the control API of a city: see `test_city_control`."""


LOOKS: dict[tuple[str, str], Callable[[Ask, set[tuple[str, str]]], None]] = {
    ("GET", "/api/events"): events,
    ("GET", "/api/incidents"): same("incidents", "/api/incidents"),
    ("GET", "/api/incidents.csv"): table,
    ("GET", "/api/incidents.geojson"): points,
    ("GET", "/api/incident-counts"): counts,
    ("GET", "/api/incidents/{incident}"): about("GET", "/api/incidents/i-{city}-{camera}"),
    ("POST", "/api/incidents/{incident}/hold"): about(
        "POST", "/api/incidents/i-{city}-{camera}/hold"
    ),
    ("DELETE", "/api/incidents/{incident}/hold"): about(
        "DELETE", "/api/incidents/i-{city}-{camera}/hold"
    ),
    ("GET", "/api/measurements"): same("measurements", "/api/measurements"),
    ("GET", "/api/cameras"): cameras,
    ("GET", "/api/keyframes/{key:path}"): about("GET", "/api/keyframes/{key}?city={city}"),
    ("GET", "/api/keyframe-links"): about("GET", "/api/keyframe-links?key={key}&city={city}"),
    ("POST", "/api/evidence/{key:path}"): about("POST", "/api/evidence/{clip}?city={city}"),
    ("GET", "/api/statistics/timeline"): timeline,
    ("GET", "/api/statistics/incidents"): grouped,
    ("GET", "/api/statistics/places"): places,
    ("GET", "/api/statistics/measurements"): series,
    # It goes on for as long as somebody reads: see test_feed.py.
    ("GET", "/api/feed"): answers,
    ("GET", "/api/cameras/{city}/{camera}/frame.jpg"): elsewhere,
    ("GET", "/api/cameras/{city}/{camera}/places"): elsewhere,
    ("PUT", "/api/cameras/{city}/{camera}/places/{kind}"): elsewhere,
    ("PUT", "/api/cameras/{city}/{camera}/schedules"): elsewhere,
    ("GET", "/api/me"): answers,
    ("POST", "/api/me/password"): answers,
    ("GET", "/api/openapi.json"): answers,
}
"""What shows that a route heeds camera groups, by method and path of its rule."""

ROUTES_BY_METHOD = [
    (method, rule)
    for rule in ROUTES.rules
    for method in rule.methods.split()
    if rule.scope not in (None, Scope.SENDER)
]


def test_every_route_that_heeds_groups_has_an_entry_here(tmp_path: Path) -> None:
    assert {(method, rule.path) for method, rule in ROUTES_BY_METHOD if rule.by_group} == set(LOOKS)
    for method, path in described_routes(tmp_path):
        assert ROUTES.find(method, path) is not None, f"{method} {path}"


@pytest.mark.parametrize("group", list(GROUPS))
def test_what_lies_outside_of_a_group_is_not_there(city: tuple[Client, Path], group: str) -> None:
    _, seen = GROUPS[group]
    ask = caller(city, Scope.ADMIN, group)
    for check in LOOKS.values():
        check(ask, seen)


def test_groups_add_up_and_one_that_is_gone_has_nothing(city: tuple[Client, Path]) -> None:
    two = caller(city, Scope.VIEWER, "one camera", "city")
    cameras(two, {(XINJIN, "gate-1"), (DAYI, "gate-1")})
    cameras(caller(city, Scope.VIEWER, "one that is gone"), set())
    cameras(caller(city, Scope.VIEWER), CAMERAS)


@pytest.mark.parametrize("role", [Scope.VIEWER, Scope.OPERATOR, Scope.ENGINEER, Scope.ADMIN])
@pytest.mark.parametrize("groups", [(), ("one camera",), ("nothing",)])
def test_every_route_by_role_and_group(
    city: tuple[Client, Path], role: Scope, groups: tuple[str, ...]
) -> None:
    ask = caller(city, role, *groups)
    wrong = []
    for method, rule in ROUTES_BY_METHOD:
        if method == "WEBSOCKET":
            continue
        path = rule.path.replace(":path", "").replace("{", "").replace("}", "")
        status = ask(method, path, {} if method in ("POST", "PUT", "PATCH") else None).status
        assert rule.scope is not None
        allowed = role.allows(rule.scope) and (rule.by_group or not groups)
        if (status == 403) == allowed or status >= 500:
            wrong.append((method, rule.path, status))
    assert wrong == []


def test_a_user_is_limited_as_a_token_is_and_a_change_counts_at_once(
    start_hub: StartHub,
) -> None:
    hub = start_hub()
    for number, (name, camera) in enumerate(sorted(CAMERAS)):
        for event in life(name, camera, number):
            hub.post(event)
    put_group(hub, "south", {"camera": "yard"})
    add_user(hub, "zhang", "operator", "south")
    browser = logged_in(hub, "zhang")

    def seen() -> list[str]:
        return [camera for _, camera in listed(browser.ask("GET", "/api/incidents"), "incidents")]

    assert browser.ask("GET", "/api/me").json()["groups"] == ["south"]
    assert seen() == ["yard"]
    put_group(hub, "south", {"camera": "gate-2"})
    assert seen() == ["gate-2"]
    assert send(hub, "DELETE", "/api/groups/south").status == 409
    assert seen() == ["gate-2"]
    send(hub, "PATCH", "/api/users/zhang", {"groups": []})
    assert len(seen()) == len(CAMERAS)
    assert send(hub, "DELETE", "/api/groups/south").status == 204
    assert send(hub, "DELETE", "/api/groups/south").status == 404


@pytest.mark.parametrize(
    "member",
    [{}, {"camera": "*"}, {"camera": "a*b"}, {"camera": "*a"}, {"division": "x"}, {"name": "a"}],
)
def test_a_member_that_limits_nothing_or_means_nothing_is_refused(
    empty_hub: Client, member: dict[str, str]
) -> None:
    answer = send(empty_hub, "PUT", "/api/groups/north", {"members": [member]})
    assert answer.status == 422
    assert empty_hub.json("/api/groups")["groups"] == []


@pytest.mark.integration
def test_groups_mean_the_same_on_postgresql(start_hub: StartHub, postgres: str) -> None:
    hub = start_hub(database=postgres)
    for number, (name, camera) in enumerate(sorted(CAMERAS)):
        for event in life(name, camera, number):
            assert hub.post(event).status == 200
    for name, (members, seen) in GROUPS.items():
        put_group(hub, name, *members)
        add_user(hub, f"user of {name}", "viewer", name)
        browser = logged_in(hub, f"user of {name}")
        ask = lambda method, path, body=None, of=browser: of.ask(method, path, body)  # noqa: E731
        assert listed(ask("GET", "/api/incidents"), "incidents") == sorted(seen)
        events(ask, seen)
