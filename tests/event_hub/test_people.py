"""Users of a real hub: who gets in, for how long, and who finds out about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from event_hub.access import COOKIE
from event_hub.people import passwords
from event_hub.people.errors import LoginWaitError
from event_hub.people.sessions import IDLE, LASTS, UserSessions
from event_hub.people.throttle import LoginThrottle
from event_hub.people.users import Users
from event_hub.store import EventStore
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.people import PASSWORD, Browser, add_user, logged_in, remove_everybody, send

START = datetime(2026, 5, 4, 8, tzinfo=UTC)


@pytest.fixture
def hub(people_hub: Client) -> Iterator[Client]:
    """A hub without users, which has seen some before."""
    yield people_hub
    remove_everybody(people_hub)


@pytest.fixture
def own_hub(start_hub: StartHub) -> Client:
    """A fresh hub."""
    return start_hub()


def actions(hub: Client, **query: str) -> list[tuple[str, str, str]]:
    entries = hub.json("/api/audit", **query)["entries"]
    return [(one["action"], one["name"], one["key"]) for one in reversed(entries)]


def test_a_user_logs_in_and_is_known_by_name_role_and_groups(hub: Client) -> None:
    add_user(hub, "Zhāng Wěi", "operator")
    browser = Browser(hub.url)
    answer = browser.log_in(" ZHĀNG wěi ")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    said = {part.strip() for part in answer.headers["Set-Cookie"].split(";")}
    assert {"HttpOnly", "SameSite=strict"} <= said
    me = browser.ask("GET", "/api/me").json()
    assert (me["name"], me["user"], me["role"], me["groups"]) == ("zhāng wěi", True, "operator", [])
    ends = datetime.fromisoformat(me["session_ends_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < ends <= LASTS
    token = send(hub, "GET", "/api/me").json()
    assert (token["name"], token["user"], token["session_ends_at"]) == ("first", False, None)


def test_a_password_is_kept_with_the_parameters_of_rfc_9106() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "PasswordHasher", PasswordHasher)
        kept = passwords.Passwords().hash(PASSWORD, "zhang")
    # For little memory: three passes over 64 MiB in four lanes.
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.Passwords().fits(kept, PASSWORD)


def test_one_answer_for_every_wrong_name_and_password(hub: Client) -> None:
    add_user(hub, "zhang")
    answers = [
        Browser(hub.url).log_in(*tried) for tried in (("zhang", "x"), ("li", PASSWORD), ("", ""))
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    page = Browser(hub.url).log_in("zhang", "<b>", Accept="text/html")
    assert (page.status, b"name or password is wrong" in page.data) == (401, True)
    assert b'autocomplete="current-password"' in page.data
    assert PASSWORD.encode() not in b"".join(one.data for one in answers)


def test_failed_logins_wait_longer_each_time_and_say_so(hub: Client) -> None:
    add_user(hub, "wang")
    add_user(hub, "li")
    for _ in range(5):
        assert Browser(hub.url).log_in("wang", "wrong").status == 401
    for password in ("wrong", PASSWORD):
        waiting = Browser(hub.url).log_in("wang", password)
        assert waiting.status == 429
        assert int(waiting.headers["Retry-After"]) >= 1
        assert b"wait" in waiting.data
    assert Browser(hub.url).log_in("li").status == 303
    assert ("login.refused", "", "wang") in actions(hub)


def test_waits_grow_and_end_and_nobody_is_kept_out_for_long() -> None:
    now_s = 0.0
    throttle = LoginThrottle(lambda: now_s)

    def failed(name: str, address: str) -> float:
        """Seconds that the attempt has to wait."""
        try:
            throttle.begin(name, address)
        except LoginWaitError as error:
            return error.seconds
        return 0.0

    waits = []
    for _ in range(20):
        wait_s = failed("zhang", "a")
        waits.append(wait_s)
        now_s += wait_s
        assert wait_s == 0 or failed("zhang", "a") == 0
    grown = [wait for wait in waits if wait]
    assert grown == sorted(grown)
    assert grown[0] < 3
    assert grown[-1] == 900
    # Somebody who knows the name cannot keep its owner out from elsewhere for more than a minute.
    for number in range(200):
        failed("li", f"botnet {number}")
    assert 0 < failed("li", "home") <= 60
    # An address that tries many names has to wait for every name.
    for number in range(40):
        failed(f"name {number}", "b")
    assert failed("name 1000", "b") > 0
    now_s += 2000
    assert failed("name 1001", "b") == 0


def test_a_right_password_forgets_the_failures_of_the_name_but_not_of_the_address() -> None:
    throttle = LoginThrottle(lambda: 0.0)
    for _ in range(5):
        for _ in range(4):
            throttle.begin("zhang", "a")
        throttle.succeeded("zhang", "a")

    def try_others_between_own_logins() -> None:
        for number in range(40):
            throttle.begin(f"name {number}", "a")
            throttle.begin("mine", "a")
            throttle.succeeded("mine", "a")

    with pytest.raises(LoginWaitError):
        try_others_between_own_logins()


@pytest.mark.parametrize(
    ("change", "method"),
    [({"disabled": True}, "PATCH"), ({"password": "another long one"}, "PATCH"), (None, "DELETE")],
)
def test_sessions_end_at_once_with_what_is_changed(hub: Client, change: Any, method: str) -> None:
    add_user(hub, "zhang")
    browsers = [logged_in(hub, "zhang") for _ in range(2)]
    assert [one.ask("GET", "/api/me").status for one in browsers] == [200, 200]
    assert send(hub, method, "/api/users/zhang", change).status in (200, 204)
    assert [one.ask("GET", "/api/me").status for one in browsers] == [401, 401]
    assert Browser(hub.url).log_in("zhang").status == 401


def test_a_role_counts_at_once(hub: Client) -> None:
    add_user(hub, "zhang", "admin")
    browser = logged_in(hub, "zhang")
    assert browser.ask("GET", "/api/users").status == 200
    send(hub, "PATCH", "/api/users/zhang", {"role": "viewer"})
    assert browser.ask("GET", "/api/users").status == 403
    assert browser.ask("GET", "/api/me").json()["role"] == "viewer"


def test_who_logs_out_is_out(hub: Client) -> None:
    add_user(hub, "zhang")
    one, other = logged_in(hub, "zhang"), logged_in(hub, "zhang")
    assert one.ask("POST", "/logout").status == 303
    assert (one.ask("GET", "/api/me").status, other.ask("GET", "/api/me").status) == (401, 200)


def test_a_session_is_no_token_and_a_guess_is_nothing(hub: Client) -> None:
    add_user(hub, "zhang")
    browser = logged_in(hub, "zhang")
    bearer = Browser(hub.url, headers={"Authorization": f"Bearer {browser.cookie}"})
    assert bearer.ask("GET", "/api/me").status == 401
    for cookie in ("cys_", "cys_x", browser.cookie[:-1], browser.cookie + "x", "cys_" + "é" * 20):
        value = cookie.encode().decode("latin-1")
        assert Browser(hub.url, value).ask("GET", "/api/me").status == 401


def test_a_request_that_a_cookie_lets_in_says_that_it_comes_from_our_page(hub: Client) -> None:
    add_user(hub, "zhang", "admin")
    token = Browser(hub.url)
    answer = token.ask(
        "POST", "/login", {"token": hub.auth["Authorization"].removeprefix("Bearer ")}, form=True
    )
    token.cookie = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    for browser in (logged_in(hub, "zhang"), token):
        cases: list[tuple[dict[str, Any], int]] = [
            ({"Origin": ""}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "", "Sec_Fetch_Site": "cross-site"}, 403),
            ({"Origin": "", "Sec_Fetch_Site": "same-site"}, 403),
            ({"Origin": "", "Sec_Fetch_Site": "same-origin"}, 404),
            ({}, 404),
        ]
        for headers, status in cases:
            assert browser.ask("DELETE", "/api/users/none", **headers).status == status, headers
        assert browser.ask("GET", "/api/users").status == 200


def noted_changes(hub: Client) -> Counter[tuple[str, str]]:
    """How often each deed stands in the audit trail, by action and key."""
    entries = hub.json("/api/audit", limit="500")["entries"]
    return Counter((one["action"], one["key"]) for one in entries)


def test_the_own_password_is_changed_with_the_old_one(hub: Client) -> None:
    add_user(hub, "zhang")
    browser = logged_in(hub, "zhang")

    def change(old: str, new: str) -> int:
        return browser.ask("POST", "/api/me/password", {"old": old, "new": new}).status

    before = noted_changes(hub)
    assert change("wrong", "another long one") == 403
    assert change(PASSWORD, "short") == 422
    assert browser.ask("GET", "/api/me").status == 200
    elsewhere = logged_in(hub, "zhang")
    assert change(PASSWORD, "another long one") == 204
    assert browser.ask("GET", "/api/me").status == 200, "whoever knows both passwords stays"
    assert elsewhere.ask("GET", "/api/me").status == 401
    assert browser.ask("GET", "/api/me").status == 200
    assert Browser(hub.url).log_in("zhang").status == 401
    assert Browser(hub.url).log_in("zhang", "another long one").status == 303
    assert send(hub, "POST", "/api/me/password", {"old": "x", "new": "y"}).status == 422
    changes = noted_changes(hub) - before
    assert changes["user.changed", "zhang"] == 1
    assert changes["login.refused", "zhang"] == 2


def test_passwords_are_not_tried_in_an_open_session(hub: Client) -> None:
    add_user(hub, "zhang")
    browser = logged_in(hub, "zhang")
    body = {"old": "a wrong one", "new": "another long one"}
    answers = [browser.ask("POST", "/api/me/password", body) for _ in range(7)]
    assert [one.status for one in answers[:5]] == [403] * 5
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert browser.ask("POST", "/api/me/password", body | {"old": PASSWORD}).status == 429


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "aaaaaaaaaaaaa"}, "password"),
        ({"password": "my name is zhang"}, "password"),
        ({"password": "x" * 200}, "password"),
        ({"role": "sender"}, "role"),
        ({"role": "king"}, "role"),
        ({"groups": ["nowhere"]}, "camera group nowhere"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_a_user_is_refused_with_a_sentence(
    empty_hub: Client, change: Any, word: str
) -> None:
    body = {"name": "zhang", "password": PASSWORD, "role": "viewer", "groups": []} | change
    answer = send(empty_hub, "POST", "/api/users", body)
    assert (answer.status, word in answer.data.decode()) == (422, True), answer.data
    assert empty_hub.json("/api/users")["users"] == []
    for secret in (PASSWORD, "my name is zhang"):
        assert secret not in answer.data.decode()


def test_changes_of_people_are_noted_with_who_and_what_and_never_a_password(
    own_hub: Client,
) -> None:
    hub = own_hub
    add_user(hub, "zhang", "admin")
    browser = logged_in(hub, "zhang")
    body = {"name": "li", "password": PASSWORD, "role": "viewer"}
    assert browser.ask("POST", "/api/users", body).status == 200
    assert browser.ask("POST", "/api/users", body).status == 409
    change = {"password": "another long one", "role": "operator"}
    assert browser.ask("PATCH", "/api/users/li", change).status == 200
    assert browser.ask("PATCH", "/api/users/nobody", change).status == 404
    assert browser.ask("PUT", "/api/groups/north", {"members": [{"city": "a"}]}).status == 200
    assert browser.ask("DELETE", "/api/groups/north").status == 204
    assert browser.ask("DELETE", "/api/users/li").status == 204
    assert Browser(hub.url).log_in("my own password").status == 401
    browser.ask("POST", "/logout")
    assert actions(hub) == [
        ("user.added", "first", "zhang"),
        ("login", "zhang", "zhang"),
        ("user.added", "zhang", "li"),
        ("user.changed", "zhang", "li"),
        ("group.changed", "zhang", "north"),
        ("group.removed", "zhang", "north"),
        ("user.removed", "zhang", "li"),
        ("login.refused", "", "(no user)"),
        ("logout", "zhang", "zhang"),
    ]
    assert actions(hub, action="group", limit="1") == [("group.removed", "zhang", "north")]
    trail = hub.get("/api/audit").data.decode()
    for secret in (PASSWORD, "another long one", "my own password", browser.cookie):
        assert secret not in trail
    assert hub.json("/api/audit/check")["problems"] == []


def test_logins_with_tokens_are_noted_with_the_name_of_the_token(own_hub: Client) -> None:
    browser = Browser(own_hub.url)
    first = own_hub.auth["Authorization"].removeprefix("Bearer ")
    assert browser.ask("POST", "/login", {"token": "cye_nobody_x"}, form=True).status == 401
    answer = browser.ask("POST", "/login", {"token": first}, form=True)
    browser.cookie = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    assert browser.ask("GET", "/api/me").json()["name"] == "first"
    assert browser.ask("POST", "/logout").status == 303
    assert browser.ask("GET", "/api/me").status == 401
    assert actions(own_hub, action="login") == [
        ("login.refused", "", "(token)"),
        ("login", "first", "(token)"),
    ]
    assert actions(own_hub, action="logout") == [("logout", "first", "(token)")]
    assert first not in own_hub.get("/api/audit").data.decode()


def test_what_cannot_be_noted_does_not_happen(own_hub: Client, tmp_path: Path) -> None:
    hub = own_hub
    add_user(hub, "zhang", "admin")
    browser = logged_in(hub, "zhang")
    audit = tmp_path / "audit"
    audit.rename(tmp_path / "away")
    audit.write_bytes(b"")
    change = {"role": "viewer"}
    assert browser.ask("PATCH", "/api/users/zhang", change).status == 503
    assert Browser(hub.url).log_in("zhang").status == 503
    audit.unlink()
    (tmp_path / "away").rename(audit)
    assert browser.ask("GET", "/api/me").json()["role"] == "admin"


def test_users_and_sessions_outlive_the_hub(start_hub: StartHub, tmp_path: Path) -> None:
    hub = start_hub(database=f"sqlite:///{tmp_path}/one.db")
    add_user(hub, "zhang")
    cookie = logged_in(hub, "zhang").cookie
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("one.db*"))
    assert cookie.encode() not in kept
    assert PASSWORD.encode() not in kept
    again = tmp_path / "two.db"
    again.write_bytes((tmp_path / "one.db").read_bytes())
    (tmp_path / "two.db-wal").write_bytes((tmp_path / "one.db-wal").read_bytes())
    other = start_hub(database=f"sqlite:///{again}")
    assert Browser(other.url, cookie).ask("GET", "/api/me").status == 200


@pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
def test_a_session_ends_when_idle_and_after_some_hours(
    request: pytest.FixtureRequest, tmp_path: Path, url: str
) -> None:
    now = START
    at = f"sqlite:///{tmp_path}/hub.db" if url == "sqlite" else request.getfixturevalue("postgres")
    store = EventStore(at)
    sessions = UserSessions(store.database, lambda: now)
    users = Users(store.database, sessions)
    with store.database.write() as connection:
        users.add(connection, "zhang", "viewer", (), users.hash(PASSWORD, "zhang"))

    def lives(text: str) -> bool:
        sessions.forget()
        return asyncio.run(sessions.check(text)) is not None

    idle, busy = sessions.open("zhang"), sessions.open("zhang")
    step = IDLE - timedelta(minutes=1)
    while now + step < START + LASTS:
        now += step
        assert lives(busy)
    assert not lives(idle)
    now = START + LASTS
    assert not lives(busy)
    fresh = sessions.open("zhang")
    assert (lives(fresh), lives(fresh + "x"), lives("")) == (True, False, False)
    store.close()


def test_a_cookie_of_a_removed_session_is_harmless(hub: Client) -> None:
    browser = Browser(hub.url, "cys_gone")
    assert browser.ask("POST", "/logout").status == 303
    assert browser.ask("GET", "/healthz").status == 200
    assert COOKIE in browser.ask("POST", "/logout").headers["Set-Cookie"]
