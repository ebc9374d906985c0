"""People of camera groups: changes count at once, joined cases, and what a group may be."""

from __future__ import annotations

import pytest

from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.people import add_user, logged_in, put_group, send
from tests.event_hub.test_groups import GROUPS, events, listed
from tests.event_hub.two_cities import CAMERAS, XINJIN, life


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
    # Pages that are open show the cameras of before: they end.
    assert browser.ask("GET", "/api/me").status == 401
    browser = logged_in(hub, "zhang")
    assert len(seen()) == len(CAMERAS)
    assert send(hub, "DELETE", "/api/groups/south").status == 204
    assert send(hub, "DELETE", "/api/groups/south").status == 404


def test_a_joined_case_shows_its_part_and_is_worked_on_by_who_sees_it_all(
    start_hub: StartHub,
) -> None:
    hub = start_hub()
    for number, camera in enumerate(("gate-1", "yard")):
        for event in life(XINJIN, camera, number):
            hub.post(event)
    own, other = (f"/api/incidents/i-{XINJIN}-{camera}" for camera in ("gate-1", "yard"))
    body = {"revision": 0, "incident": f"i-{XINJIN}-yard"}
    case = send(hub, "POST", f"{own}/join", body).json()
    put_group(hub, "north", {"camera": "gate-1"})
    add_user(hub, "zhang", "operator", "north")
    browser = logged_in(hub, "zhang")
    for path in (f"{own}/case", f"/api/cases/{case['case_id']}"):
        shown = browser.ask("GET", path).json()
        assert [one["camera"]["id"] for one in shown["incidents"]] == ["gate-1"]
    (listed_case,) = browser.ask("GET", "/api/cases").json()["cases"]
    assert [one["camera"]["id"] for one in listed_case["incidents"]] == ["gate-1"]
    words = {"revision": case["revision"]}
    refused = browser.ask("POST", f"{own}/confirm", words)
    assert (refused.status, b"do not see" in refused.data) == (409, True)
    assert browser.ask("POST", f"{other}/confirm", words).status == 404
    assert send(hub, "POST", f"{own}/confirm", words).status == 200


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
@pytest.mark.slow
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
