"""Login at an identity provider: who is let in as what, and what is not taken for its answer."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from event_hub.oidc_settings import OidcSettings
from event_hub.people.outside_login import COOKIE as PENDING
from event_hub.people.outside_users import outside_user
from tests.event_hub.conftest import Client, StartHub, running
from tests.event_hub.identity_provider import ALICE, CLIENT, SECRET, Provider, providing
from tests.event_hub.people import Answer, Browser, add_user, put_group, remove_everybody, send

ROLES = {"dispatch": "operator", "boss": "admin", "guest": "viewer"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as server:
        yield server


@pytest.fixture
def settings(provider: Provider) -> OidcSettings:
    provider.user, provider.change = dict(ALICE), {}
    provider.signing, provider.issuer, provider.made = provider.key, provider.url, None
    return of(provider)


def of(provider: Provider) -> OidcSettings:
    return OidcSettings.model_validate(
        {
            "issuer": provider.url,
            "client_id": CLIENT,
            "secret": SECRET,
            "roles": ROLES,
            "groups": {"north": "north", "all": "*"},
        }
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Client]:
    with running(tmp_path_factory.mktemp("oidc")) as start:
        hub = start(oidc=of(provider))
        put_group(hub, "north", {"camera": "gate-*"})
        yield hub


@pytest.fixture
def hub(shared: Client, settings: OidcSettings) -> Iterator[Client]:
    """A hub without users, and a provider that says nothing unusual."""
    yield shared
    remove_everybody(shared)


def begun(hub: Client) -> tuple[Browser, str]:
    """A browser that is on its way, with its cookie, and the address that it was led to."""
    browser = Browser(hub.url)
    answer = browser.ask("GET", "/login/oidc")
    assert answer.status == 303, answer.data
    cookie = answer.headers["Set-Cookie"]
    said = {part.strip() for part in cookie.split(";")}
    assert {"HttpOnly", "SameSite=lax", "Path=/login/oidc"} <= said
    browser.headers["Cookie"] = cookie.partition(";")[0]
    return browser, answer.headers["Location"]


def back(browser: Browser, code: str, state: str, **more: str) -> Answer:
    query = "&".join(f"{k}={v}" for k, v in {"code": code, "state": state, **more}.items())
    answer = browser.ask("GET", f"/login/oidc/callback?{query}")
    session = [one for one in answer.headers.get_all("Set-Cookie", []) if "cys_" in one]
    if session:
        browser.headers.pop("Cookie")
        browser.cookie = session[0].partition(";")[0].partition("=")[2]
    return answer


def logged_in(hub: Client, provider: Provider) -> tuple[Browser, Answer]:
    browser, address = begun(hub)
    return browser, back(browser, *provider.authorize(address))


def test_somebody_comes_in_as_the_claims_say_and_is_known_again(
    start_hub: StartHub, settings: OidcSettings, provider: Provider
) -> None:
    hub = start_hub(oidc=settings)
    put_group(hub, "north", {"camera": "gate-*"})
    browser, answer = logged_in(hub, provider)
    assert answer.status == 200, answer.data
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    me = browser.ask("GET", "/api/me").json()
    assert (me["name"], me["role"], me["groups"]) == ("alice", "operator", ["north"])
    provider.user |= {"roles": ["guest", "boss", "unknown"], "groups": ["all"]}
    browser, _ = logged_in(hub, provider)
    me = browser.ask("GET", "/api/me").json()
    assert (me["name"], me["role"], me["groups"]) == ("alice", "admin", [])
    (user,) = send(hub, "GET", "/api/users").json()["users"]
    assert (user["name"], user["outside"], user["role"]) == ("alice", True, "admin")
    entries = [one for one in hub.json("/api/audit")["entries"] if one["key"] == "alice"]
    assert [one["action"] for one in entries].count("user.added") == 1
    assert [one["action"] for one in entries].count("login") == 2


def test_who_has_no_name_role_or_group_here_is_not_let_in(hub: Client, provider: Provider) -> None:
    for user, word in (
        ({"roles": []}, "no role"),
        ({"roles": "nobody"}, "no role"),
        ({"groups": ["south"]}, "no cameras"),
        ({"groups": None}, "no cameras"),
        ({"preferred_username": None}, "no name"),
        ({"preferred_username": "a/b"}, "name"),
    ):
        provider.user = ALICE | user
        _, answer = logged_in(hub, provider)
        assert (answer.status, word in answer.data.decode()) == (422, True), answer.data
    assert send(hub, "GET", "/api/users").json()["users"] == []


def test_a_browser_reads_why_on_the_login_page_in_its_language(
    hub: Client, provider: Provider
) -> None:
    provider.user = ALICE | {"roles": []}
    browser, address = begun(hub)
    browser.headers |= {"Accept": "text/html", "Accept-Language": "zh-CN"}
    answer = back(browser, *provider.authorize(address))
    page = answer.data.decode()
    assert (answer.status, "Alice 在此没有角色" in page) == (422, True)
    assert 'href="/login/oidc"' in page
    answer = back(browser, "x", "y", error="<script>")
    assert (answer.status, b"<script>y" in answer.data) == (400, False)


def test_nobody_takes_over_the_name_of_another(hub: Client, provider: Provider) -> None:
    add_user(hub, "alice", "admin")
    _, answer = logged_in(hub, provider)
    assert (answer.status, b"another user" in answer.data) == (409, True)
    send(hub, "DELETE", "/api/users/alice")
    assert logged_in(hub, provider)[1].status == 200
    provider.user["sub"] = "u-2"
    assert logged_in(hub, provider)[1].status == 409


def test_who_is_disabled_or_has_no_password_stays_out(hub: Client, provider: Provider) -> None:
    browser, _ = logged_in(hub, provider)
    assert Browser(hub.url).log_in("alice", "").status == 401
    password = {"password": "another long one"}
    assert send(hub, "PATCH", "/api/users/alice", password).status == 422
    send(hub, "PATCH", "/api/users/alice", {"disabled": True})
    assert browser.ask("GET", "/api/me").status == 401
    assert logged_in(hub, provider)[1].status == 422


def test_only_the_browser_that_left_comes_back_once(hub: Client, provider: Provider) -> None:
    browser, address = begun(hub)
    code, state = provider.authorize(address)
    other, elsewhere = begun(hub)
    assert back(other, code, state).status == 400
    assert back(Browser(hub.url), code, state).status == 400
    forged = Browser(hub.url, headers={"Cookie": f"{PENDING}=W10=.{'0' * 64}"})
    assert back(forged, code, state).status == 400
    assert back(browser, code, state, iss="https://evil.example").status == 400
    assert back(browser, "", state, error="access_denied").status == 403
    # A code of another browser's login has another verifier.
    stolen, _ = provider.authorize(elsewhere)
    assert back(browser, stolen, state).status == 503
    assert back(browser, code, state).status == 200
    assert back(begun(hub)[0], code, state).status == 400


CHANGES: list[dict[str, Any]] = [
    {"iss": "https://evil.example"},
    {"aud": "another client"},
    {"aud": [CLIENT, "another client"]},
    {"aud": [CLIENT, "another client"], "azp": "another client"},
    {"nonce": "replayed"},
    {"nonce": None},
    {"exp": 1},
    {"exp": None},
    {"iat": 1},
    {"iat": None},
    {"sub": None},
]


def test_an_id_token_that_is_not_for_this_login_is_refused(hub: Client, provider: Provider) -> None:
    for change in CHANGES:
        provider.change = change
        browser, answer = logged_in(hub, provider)
        assert (answer.status, browser.cookie) == (503, ""), change
        assert b"ID token" in answer.data
    provider.change = {}
    assert logged_in(hub, provider)[1].status == 200


def encoded(said: Any) -> str:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_an_id_token_that_somebody_else_signed_is_refused(hub: Client, provider: Provider) -> None:
    provider.signing = ECKey.generate_key("P-256", {"kid": "one"})
    assert logged_in(hub, provider)[1].status == 503
    provider.signing = provider.key

    def made(algorithm: str, sign: Callable[[bytes], bytes]) -> Callable[[dict[str, str]], str]:
        def token(asked: dict[str, str]) -> str:
            claims = provider.id_token(asked).split(".")[1]
            said = f"{encoded({'alg': algorithm, 'kid': 'one'})}.{claims}"
            return f"{said}.{encoded(sign(said.encode()))}"

        return token

    known = provider.key.as_pem(private=False)
    for algorithm, sign in (
        ("none", lambda _: b""),
        # What everybody knows, the public key, taken as a secret.
        ("HS256", lambda said: hmac.new(known, said, "sha256").digest()),
        ("ES256", lambda _: b"0" * 64),
    ):
        provider.made = made(algorithm, sign)
        assert logged_in(hub, provider)[1].status == 503, algorithm
    assert send(hub, "GET", "/api/users").json()["users"] == []


def test_a_provider_that_is_away_or_another_is_named_and_no_secret_shown(
    start_hub: StartHub, settings: OidcSettings, provider: Provider, tmp_path: Path
) -> None:
    provider.issuer = "https://id.elsewhere.example"
    answer = Browser(start_hub(oidc=settings).url).ask("GET", "/login/oidc")
    assert (answer.status, b"another issuer" in answer.data) == (503, True)
    gone = settings.model_copy(update={"issuer": "http://127.0.0.1:9"})
    other = start_hub(oidc=gone, database=f"sqlite:///{tmp_path}/other.db")
    answer = Browser(other.url).ask("GET", "/login/oidc")
    assert (answer.status, b"does not answer" in answer.data) == (503, True)
    assert SECRET.encode() not in answer.data
    assert SECRET not in repr(settings)
    without = start_hub(database=f"sqlite:///{tmp_path}/third.db")
    assert Browser(without.url).ask("GET", "/login/oidc").status == 404


@pytest.mark.parametrize(
    "change",
    [{"issuer": "http://id.city.example"}, {"roles": {}}, {"roles": {"a": "sender"}}, {"x": 1}],
)
def test_settings_that_protect_nobody_are_refused(
    settings: OidcSettings, change: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"https|roles|role|Extra"):
        OidcSettings.model_validate(settings.model_dump() | change)


def test_a_claim_may_lie_deeper(settings: OidcSettings) -> None:
    deep = settings.model_copy(update={"role_claim": "realm_access.roles", "groups": {}})
    claims = ALICE | {"iss": "i", "realm_access": {"roles": ["guest", "dispatch"]}}
    found = outside_user(claims, deep)
    assert (found.role, found.groups, found.subject) == ("operator", (), "i u-1")
