"""Every route of the hub by role and camera group: who is limited sees and does nothing outside.

The routes are read from the application. One that says that it heeds camera groups needs an entry
here which shows that it does; every other one is closed to whoever is limited to any.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from event_hub import ControlSettings
from event_hub.access import ROUTES
from pipelines.access import Scope, TokenFile
from pipelines.event_identity import city_of, worker_source
from tests.event_hub.conftest import Client, running
from tests.event_hub.people import Answer, Browser, put_group, send
from tests.event_hub.samples import (
    START,
    heartbeat,
    in_city,
    notice,
    picture,
)
from tests.event_hub.test_access import described_routes
from tests.event_hub.test_city_control import Control, answering
from tests.event_hub.two_cities import CAMERAS, DAYI, PLACES, XINJIN, clip_of, key_of, life

REASON = {"reason": "accident of 4 March"}
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


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    """The control API of one of the cities, which takes everything."""
    with answering() as server:
        server.body, server.headers = b"{}", {"Content-Type": "application/json"}
        yield server


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, control: Control
) -> Iterator[tuple[Client, Path]]:
    folder = tmp_path_factory.mktemp("groups")
    with running(folder) as start:
        url = f"http://127.0.0.1:{control.server_port}"
        way = ControlSettings(url=url, token=SecretStr("own"), city=XINJIN)
        hub = start(silence_limit_s=3600, control=way)
        for number, (name, camera) in enumerate(sorted(CAMERAS)):
            for event in life(name, camera, number):
                assert hub.post(event).status == 200
            for key in (key_of(name, camera), clip_of(name, camera)):
                (folder / "kf" / key).parent.mkdir(parents=True, exist_ok=True)
                (folder / "kf" / key).write_bytes(picture(60 + number))
        beat = heartbeat(dict.fromkeys(PLACES, "online"), number=1, incarnation=1)
        for one in beat["data"]["cameras"]:
            one["camera"]["place"] = {"division": PLACES[one["camera"]["id"]]}
        worker = {"source": worker_source(XINJIN, "worker-1")}
        for event in (beat, notice("gate-1")):
            assert hub.post(in_city(event, XINJIN) | worker).status == 200
        for name, (members, _) in GROUPS.items():
            put_group(hub, name, *members)
        for name, camera in sorted(CAMERAS):
            wrong = {"revision": 0, "reason": "other", "text": "words"}
            kept = send(hub, "POST", f"/api/incidents/i-{name}-{camera}/false-alarm", wrong)
            assert kept.status == 200, kept.data
            KEPT_CASES.append(kept.json())
        yield hub, folder


Ask = Callable[..., Answer]


def asking(hub: Client, token: str) -> Ask:
    browser = Browser(hub.url, headers={"Authorization": f"Bearer {token}"})

    def ask(method: str, path: str, body: Any = None) -> Answer:
        if method == "FOLLOW":
            return Answer(200, {}, browser.follow(path, body).encode())
        return browser.ask(method, path, body, Origin="")

    return ask


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


def cases(ask: Ask, seen: set[tuple[str, str]]) -> None:
    found = ask("GET", "/api/cases").json()["cases"]
    named = [(one["city"], of["camera"]["id"]) for one in found for of in one["incidents"]]
    assert sorted(named) == sorted(seen)


def one_case(ask: Ask, seen: set[tuple[str, str]]) -> None:
    """A case that is kept, of each camera that is seen; a note by somebody keeps it."""
    known = {
        (one["city"], one["incidents"][0]["camera"]["id"]): one["case_id"]
        for one in KEPT_CASES
        if one["incidents"]
    }
    for camera in CAMERAS:
        status = ask("GET", f"/api/cases/{known[camera]}").status
        assert status == (200 if camera in seen else 404)


def deed(verb: str) -> Callable[[Ask, set[tuple[str, str]]], None]:
    """What is seen is found, and refused for its revision or state; what is not is not there."""

    def check(ask: Ask, seen: set[tuple[str, str]]) -> None:
        body = {"revision": 900, "text": "words", **DEEDS[verb]}
        for city, camera in CAMERAS:
            answer = ask("POST", f"/api/incidents/i-{city}-{camera}/{verb}", body)
            assert answer.status == (409 if (city, camera) in seen else 404), answer.data

    return check


DEEDS: dict[str, dict[str, Any]] = {
    "confirm": {},
    "false-alarm": {"reason": "other"},
    "dispatch": {"to": "team 3"},
    "resolve": {},
    "reopen": {},
    "note": {},
    "split": {},
}
KEPT_CASES: list[dict[str, Any]] = []


def join(ask: Ask, seen: set[tuple[str, str]]) -> None:
    """Both have to be seen."""
    for city, camera in CAMERAS:
        for other in sorted(name for of, name in CAMERAS if (of, name) != (city, camera)):
            body = {"revision": 900, "incident": f"i-{city}-{other}"}
            answer = ask("POST", f"/api/incidents/i-{city}-{camera}/join", body)
            both = {(city, camera), (city, other)} <= seen
            assert answer.status == (409 if both else 404), answer.data


def of_camera(
    method: str, path: str, given: int = 200
) -> Callable[[Ask, set[tuple[str, str]]], None]:
    """What goes on to the control API of one city, for a camera of it that is seen."""

    def check(ask: Ask, seen: set[tuple[str, str]]) -> None:
        for city, camera in CAMERAS:
            own = f"/api/cameras/{city}/{camera}{path}"
            answer = ask(method, own, {} if method in ("PUT", "POST") else None)
            good = (city, camera) in seen and city == XINJIN
            assert answer.status == (given if good else 404), (own, answer.data)

    return check


def timeline(ask: Ask, seen: set[tuple[str, str]]) -> None:
    since = (START - timedelta(hours=1)).isoformat().replace("+", "%2B")
    until = (START + timedelta(hours=1)).isoformat().replace("+", "%2B")
    found = ask("GET", f"/api/statistics/timeline?since={since}&until={until}").json()["buckets"]
    assert sum(one["total"] for one in found) == len(seen)


def shared(ask: Ask, seen: set[tuple[str, str]]) -> None:
    assert ask("GET", "/api/statistics/incidents").json()["total"] == len(seen)


def places(ask: Ask, seen: set[tuple[str, str]]) -> None:
    found = ask("GET", "/api/statistics/places").json()["places"]
    assert sorted((one["city"], one["camera"]) for one in found) == sorted(seen)


def series(ask: Ask, seen: set[tuple[str, str]]) -> None:
    since = (START - timedelta(hours=1)).isoformat().replace("+", "%2B")
    until = (START + timedelta(hours=3)).isoformat().replace("+", "%2B")
    path = f"/api/statistics/measurements?kind=coverage&since={since}&until={until}"
    found = ask("GET", path).json()["series"]
    assert sorted((one["city"], one["camera"]) for one in found) == sorted(seen)


def precision(ask: Ask, seen: set[tuple[str, str]]) -> None:
    found = ask("GET", "/api/precision").json()["rows"]
    assert sorted((one["city"], one["camera"]) for one in found) == sorted(seen)


REPORTED = "period=day&date=2026-11-20&time_zone=Asia/Shanghai"


def report(ask: Ask, seen: set[tuple[str, str]]) -> None:
    found = ask("GET", f"/api/report?{REPORTED}").json()
    assert found["total"] == len(seen)
    assert sorted((one["city"], one["camera"]) for one in found["cameras"]) == sorted(seen)
    assert found["cases"]["false_alarms"] + found["cases"]["undecided"] == len(seen)
    assert sorted((one["city"], one["camera"]) for one in found["precision"]) == sorted(seen)
    assert {(one["city"], one["camera"]) for one in found["blind"]} <= seen


def report_page(ask: Ask, seen: set[tuple[str, str]]) -> None:
    html = ask("GET", f"/api/report.html?{REPORTED}&language=en").data.decode().lower()
    names = {camera.lower() for _, camera in CAMERAS}
    assert {name for name in names if f">{name}<" in html} == {one.lower() for _, one in seen}


def disputed(ask: Ask, seen: set[tuple[str, str]]) -> None:
    archive = zipfile.ZipFile(io.BytesIO(ask("GET", "/api/disputed.zip").data))
    assert sum(name.startswith("images/") for name in archive.namelist()) == len(seen)


def feed(ask: Ask, seen: set[tuple[str, str]]) -> None:
    """All incidents and cases from the beginning on, and the state of each camera."""
    path = "/api/feed?after=0&about=incidents&about=cameras"
    said = ask("FOLLOW", path, 2 * len(seen)).data.decode()
    assert Counter(re.findall("event: ([a-z]+)", said)) == Counter(
        dict.fromkeys(("incident", "camera"), len(seen)) if seen else {}
    )
    said += ask("FOLLOW", "/api/feed?after=0&about=cases", len(seen)).data.decode()
    for city, camera in CAMERAS - seen:
        assert f"i-{city}-{camera}" not in said


def answers(ask: Ask, seen: set[tuple[str, str]]) -> None:
    """For routes that are about the caller alone."""


CAMERA = "/api/cameras/{city}/{camera}"
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
    **{("POST", f"/api/incidents/{{incident}}/{verb}"): deed(verb) for verb in DEEDS},
    ("POST", "/api/incidents/{incident}/join"): join,
    ("GET", "/api/incidents/{incident}/case"): about(
        "GET", "/api/incidents/i-{city}-{camera}/case"
    ),
    ("GET", "/api/incidents/{incident}/recurrence"): about(
        "GET", "/api/incidents/i-{city}-{camera}/recurrence"
    ),
    ("GET", "/api/cases"): cases,
    ("GET", "/api/cases/{case}"): one_case,
    ("GET", f"{CAMERA}/frame.jpg"): of_camera("GET", "/frame.jpg"),
    ("GET", f"{CAMERA}/frame"): of_camera("GET", "/frame"),
    # What answers here for the control API gives no stream.
    ("GET", f"{CAMERA}/live"): of_camera("GET", "/live", given=502),
    ("GET", f"{CAMERA}/connection"): of_camera("GET", "/connection"),
    ("PUT", f"{CAMERA}/connection"): of_camera("PUT", "/connection"),
    ("POST", f"{CAMERA}/connection/test"): of_camera("POST", "/connection/test"),
    ("GET", f"{CAMERA}/places"): of_camera("GET", "/places"),
    ("PUT", f"{CAMERA}/places"): of_camera("PUT", "/places"),
    ("PUT", f"{CAMERA}/places/{{kind}}"): of_camera("PUT", "/places/zones"),
    ("PUT", f"{CAMERA}/schedules"): of_camera("PUT", "/schedules"),
    ("DELETE", CAMERA): of_camera("DELETE", ""),
    ("GET", "/api/feed"): feed,
    ("GET", "/api/statistics/timeline"): timeline,
    ("GET", "/api/statistics/incidents"): shared,
    ("GET", "/api/statistics/places"): places,
    ("GET", "/api/statistics/measurements"): series,
    ("GET", "/api/precision"): precision,
    ("GET", "/api/report"): report,
    ("GET", "/api/report.html"): report_page,
    ("GET", "/api/disputed.zip"): disputed,
    ("GET", "/api/measurements"): same("measurements", "/api/measurements"),
    ("GET", "/api/cameras"): cameras,
    ("GET", "/api/keyframes/{key:path}"): about("GET", "/api/keyframes/{key}?city={city}"),
    ("GET", "/api/keyframe-links"): about("GET", "/api/keyframe-links?key={key}&city={city}"),
    ("POST", "/api/evidence/{key:path}"): about("POST", "/api/evidence/{clip}?city={city}"),
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
    heeding = {(method, rule.path) for method, rule in ROUTES_BY_METHOD if rule.by_group}
    # What the pages of the console show is in the tests of the console.
    pages = {one for one in heeding if not one[1].startswith("/api/")}
    assert heeding - pages == set(LOOKS)
    for method, path in described_routes(tmp_path):
        assert ROUTES.find(method, path) is not None, f"{method} {path}"


@pytest.mark.parametrize("group", ["one camera", "division", "nothing"])
def test_what_lies_outside_of_a_group_is_not_there(city: tuple[Client, Path], group: str) -> None:
    _, seen = GROUPS[group]
    ask = caller(city, Scope.ADMIN, group)
    for check in LOOKS.values():
        check(ask, seen)


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_group_means_the_same_in_every_table(city: tuple[Client, Path], group: str) -> None:
    """One list for each way in which cameras are compared."""
    _, seen = GROUPS[group]
    ask = caller(city, Scope.VIEWER, group)
    for path in ("events", "incidents", "measurements", "cameras"):
        LOOKS["GET", f"/api/{path}"](ask, seen)


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
        if rule.path in ("/api/feed", f"{CAMERA}/live") or rule.path.startswith("/_nicegui"):
            # It does not end; whoever may have it is shown elsewhere.
            continue
        status = ask(method, path, {} if method in ("POST", "PUT", "PATCH") else None).status
        assert rule.scope is not None
        allowed = role.allows(rule.scope) and (rule.by_group or not groups)
        if (status == 403) == allowed or status >= 500:
            wrong.append((method, rule.path, status))
    assert wrong == []
