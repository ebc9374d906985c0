"""The page of settings: administrators alone, no secret on it, and what it says is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pydantic import SecretStr
from sqlalchemy import insert

from event_hub.city_control import CityControl, ControlSettings
from event_hub.console.fill_levels import CityLevels
from event_hub.console.language import languages
from event_hub.console.page import CityReading, Visit
from event_hub.console.settings_page import HubAdministration, SettingsPage
from event_hub.console.situation import read_situation
from event_hub.envelope import parse_event
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from event_hub.subscription_tables import DELIVERIES
from event_hub.subscriptions.kept import add_subscription
from event_hub.subscriptions.sealing import Sealing
from event_hub.subscriptions.wanted import SubscriptionOrder
from pipelines.access import Scope, TokenFile
from tests.event_hub.browser import MISSING, posted, visitor
from tests.event_hub.console.live_city import Answered, ControlApi
from tests.event_hub.console.reading import ShownPage
from tests.event_hub.console.test_screens import violations
from tests.event_hub.people import send
from tests.event_hub.process import Process, hub_process
from tests.event_hub.samples import dump, incident
from tests.event_hub.stand_in import serving
from tests.event_hub.subscriptions.receivers import receiver

KEPT = (
    b'{"status": "ok", "kept": ['
    b'{"name": "keyframes", "used_bytes": 95000000000, "oldest": "2026-10-27",'
    b' "max_bytes": 100000000000, "max_days": 30, "held": 0, "deleted": 0},'
    b'{"name": "worker-1 events", "used_bytes": 27000000, "oldest": null,'
    b' "max_bytes": 270000000, "max_days": 1, "held": 0, "deleted": 0},'
    b'{"name": "worker-2 events", "used_bytes": 135000000, "oldest": null,'
    b' "max_bytes": 270000000, "max_days": 1, "held": 0, "deleted": 0}]}'
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(f"sqlite:///{tmp_path}/hub.db")
    yield opened
    opened.close()


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    file = TokenFile(tmp_path / "access")
    file.prepare()
    return file


def shown(
    store: EventStore, page: SettingsPage, scope: Scope = Scope.ADMIN, groups: tuple[str, ...] = ()
) -> ShownPage:
    with store.database.read() as connection:
        situation = read_situation(connection, store.heard)
        reading = CityReading(connection, store.heard, situation)
        visit = Visit("settings", {}, {}, languages()["en"], scope, groups=groups)
        return ShownPage(page.read(reading, visit), situation)


def test_tokens_are_listed_without_what_opens_anything(
    store: EventStore, tokens: TokenFile, tmp_path: Path
) -> None:
    text = tokens.issue("case centre", Scope.SENDER, timedelta(days=30), groups=("north",))
    page = SettingsPage(HubAdministration(tokens, HubRetention()))
    html = shown(store, page).html
    assert "case centre" in html
    assert "sender of events" in html
    for secret in (text, text.rpartition("_")[2], tokens.first().rpartition("_")[2]):
        assert secret not in html
    for kept in tokens.tokens():
        assert kept.digest not in html
        assert kept.salt not in html
    (tmp_path / "access" / "tokens.json").write_text("{")
    assert "The tokens cannot be read now" in shown(store, page).text


def test_nobody_but_an_administrator_of_all_cameras_is_shown_anything(
    store: EventStore, tokens: TokenFile
) -> None:
    page = SettingsPage(HubAdministration(tokens, HubRetention()))
    for scope in (Scope.VIEWER, Scope.OPERATOR, Scope.ENGINEER):
        assert shown(store, page, scope).html == ""
    assert shown(store, page, Scope.ADMIN, ("north",)).html == ""


def test_a_subscription_says_how_it_is_and_never_its_address(
    store: EventStore, tokens: TokenFile, tmp_path: Path
) -> None:
    address = "https://robots.example/send?key=hidden-key"
    with store.database.write() as connection:
        order = SubscriptionOrder(name="north team", url=SecretStr(address), format="wecom")
        own, _ = add_subscription(connection, order, 1, 10, Sealing(tmp_path))
    store.add([parse_event(dump(incident("i-1")))])
    with store.database.write() as connection:
        row = {"subscription_id": own.id, "position": 1, "partition": "cam-1", "is_dead": 1}
        connection.execute(
            insert(DELIVERIES).values(row | {"attempts": 5, "reason": "answers 422: no such kind"})
        )
    page = shown(store, SettingsPage(HubAdministration(tokens, HubRetention())))
    assert "WeCom robot https://robots.example" in page.text
    assert "0 wait · 1 given up" in page.text
    assert "cityeye.incident.started" in page.text
    assert "answers 422: no such kind" in page.text
    assert "hidden-key" not in page.html


def test_how_full_everything_is_by_hub_and_city(store: EventStore, tokens: TokenFile) -> None:
    class Keeping(ControlApi):
        fault = 0

        def answered(self, method: str, path: str, body: bytes, behalf: str) -> Answered:
            return self.fault or 200, "application/json", KEPT

    store.add([parse_event(dump(incident("i-1")))])
    with serving(Keeping()) as api:
        url = f"http://127.0.0.1:{api.server_port}"
        way = CityControl(ControlSettings(url=url, token=SecretStr("own"), city="1-E"))
        page = SettingsPage(HubAdministration(tokens, HubRetention(days=None), way))
        assert "Asking the control API" in shown(store, page).text
        page.fetch()
        said = shown(store, page).text
        assert "keyframes 95 GB 100 GB 95%" in said
        # Of two workers the fuller one.
        assert "events in the workers the fullest of 2 135 MB 270 MB 50%" in said
        assert "events in this hub" in said
        assert "without end" in said
        api.fault = 500
        page.fetch()
        later = shown(store, page).text
        assert "How full the city's own store is, is not known here." in later
        assert "95 GB" not in later
        assert "events in this hub" in later
    levels = CityLevels(way)
    levels.read()
    assert (levels.latest, levels.is_away) == (None, True)


in_browser = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]


def marked(test: Callable[..., None]) -> Callable[..., None]:
    for mark in in_browser:
        test = mark(test)
    return test


@marked
def test_an_administrator_makes_users(browser: Browser, tmp_path: Path) -> None:
    with (
        hub_process(tmp_path) as hub,
        visitor(browser, hub, tmp_path, scope=Scope.ADMIN) as tab,
    ):
        members = {"members": [{"camera": "gate-*"}]}
        assert send(hub.client, "PUT", "/api/groups/north", members).status == 200
        page, dialog = tab.page, tab.page.locator("dialog[open]")
        tab.open("/settings")
        page.get_by_role("button", name="Add a user …").click()
        assert violations(tab) == []
        dialog.get_by_label("Name").fill("Zhang")
        dialog.get_by_label("Password").fill("zhang-zhang-1")
        dialog.get_by_label("Role").select_option("operator")
        dialog.get_by_role("button", name="Add").click()
        # Why it is refused stands in the dialog, in the words of the API.
        dialog.get_by_text("not the user's name").wait_for()
        dialog.get_by_label("Password").fill("correct horse 7")
        dialog.get_by_role("button", name="Add").click()
        row = page.locator(".cy-person[data-key=zhang]")
        row.wait_for()
        row.get_by_role("button", name="Change …").click()
        dialog.get_by_label("Role").select_option("viewer")
        dialog.get_by_label("north").check()
        dialog.get_by_role("button", name="Change").click()
        said = row.locator("> p")
        said.get_by_text("viewer").wait_for()
        said.get_by_text("north").wait_for()
        assert hub.client.json("/api/users")["users"][0]["groups"] == ["north"]
        row.get_by_role("button", name="Change …").click()
        dialog.get_by_label("north").uncheck()
        dialog.get_by_role("button", name="Change").click()
        said.get_by_text("every camera").wait_for()
        row.get_by_role("button", name="Disable …").click()
        dialog.get_by_role("button", name="Disable").click()
        said.get_by_text("disabled since").wait_for()
        (user,) = hub.client.json("/api/users")["users"]
        assert (user["name"], user["role"], bool(user["disabled_at"])) == ("zhang", "viewer", True)
        assert violations(tab) == []
        assert [one for one in tab.complaints if "422" not in one] == []


@marked
def test_who_is_no_administrator_any_more_does_not_keep_the_page(
    browser: Browser, tmp_path: Path
) -> None:
    with hub_process(tmp_path) as hub, visitor(browser, hub, tmp_path) as tab:
        user = {"name": "wang", "role": "admin", "password": "correct horse 7"}
        assert send(hub.client, "POST", "/api/users", user).status == 200
        page = tab.page
        page.context.clear_cookies()
        page.goto(hub.client.url + "/settings")
        page.get_by_label("Name", exact=True).fill("wang")
        page.get_by_label("Password").fill("correct horse 7")
        page.get_by_role("button", name="Log in", exact=True).click()
        page.locator(".cy-person[data-key=wang]").wait_for()
        # More than the time within which an open page is taken to be admitted still.
        page.wait_for_timeout(2500)
        assert send(hub.client, "PATCH", "/api/users/wang", {"role": "viewer"}).status == 200
        hub.client.post(incident("i-1"))
        page.locator(".cy-person").wait_for(state="detached")
        assert "wang" not in page.content()


@marked
def test_an_administrator_makes_a_subscription(browser: Browser, tmp_path: Path) -> None:
    with (
        hub_process(tmp_path, "--receiver-network", "127.0.0.0/8") as hub,
        receiver() as got,
        visitor(browser, hub, tmp_path, scope=Scope.ADMIN) as tab,
    ):
        page, dialog = tab.page, tab.page.locator("dialog[open]")
        tab.open("/settings")
        page.get_by_role("button", name="Add a subscription …").click()
        dialog.get_by_label("Title").fill("case centre")
        dialog.get_by_label("Address").fill("https://10.9.9.9/hook")
        dialog.get_by_role("button", name="Add").click()
        dialog.get_by_text("It was refused:").wait_for()
        dialog.get_by_label("Address").fill(got.url)
        dialog.get_by_role("button", name="Add").click()
        dialog.locator("[data-answer]").get_by_text("whsec_").wait_for()
        assert violations(tab) == []
        dialog.get_by_role("button", name="Close").click()
        assert "whsec_" not in page.content()
        row = page.locator(".cy-subscriptions .cy-person")
        row.get_by_role("button", name="Send a test …").click()
        dialog.get_by_role("button", name="Send").click()
        dialog.get_by_text("It was accepted.").wait_for()
        assert got.wait_for(1)[0].event["type"] == "cityeye.hub.test"
        dialog.get_by_role("button", name="Close").click()
        row.get_by_role("button", name="Pause …").click()
        dialog.get_by_role("button", name="Pause").click()
        row.locator("> p").get_by_text("paused").wait_for()
        (kept,) = hub.client.json("/api/subscriptions")["subscriptions"]
        assert kept["is_active"] is False
        assert [one for one in tab.complaints if "422" not in one] == []


@marked
def test_others_are_not_led_there_and_are_refused(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder, scope=Scope.ENGINEER) as tab:
        names = tab.page.locator(".cy-nav a span").all_inner_texts()
        assert "Models" in names
        assert "Settings" not in names
        user = {"name": "mallory", "password": "0123456789ab", "role": "admin"}
        assert posted(tab, "/api/users", user) == 403
        assert posted(tab, "/api/users/zhang", {"role": "admin"}, "PATCH") == 403
        order = {"name": "x", "url": "https://example.org/"}
        assert posted(tab, "/api/subscriptions", order) == 403
        assert tab.page.evaluate("fetch('/settings').then(one => one.status)") == 403
