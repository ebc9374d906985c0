"""The API's page in a browser: nothing from elsewhere, and nothing of the city without a token."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from pipelines.access import Scope, TokenFile
from tests.event_hub.browser import MISSING, Tab, chromium
from tests.event_hub.conftest import StartHub


@pytest.mark.e2e
@pytest.mark.skipif(MISSING, reason="chromium is not installed")
def test_the_page_asks_for_a_token_and_tries_a_route(start_hub: StartHub, tmp_path) -> None:
    hub = start_hub()
    viewer = TokenFile(tmp_path / "access").issue("reader", Scope.VIEWER)
    with chromium() as browser:
        tab = Tab(browser.new_page(), hub.url)
        page = tab.page
        page.goto(f"{hub.url}/api/docs")
        page.locator("#login").wait_for()
        assert "/api/incidents" not in tab.text()
        enter(page, "cye_000000000000_wrong")
        page.locator("#problem").get_by_text("token").wait_for()
        enter(page, viewer)
        page.locator("[id^=operations-cameras] button").first.click()
        page.locator(".try-out__btn").click()
        page.locator(".execute").click()
        tab.wait("document.body.innerText.includes('\"online\": 0')")
        assert all(one.startswith((hub.url, "data:")) for one in tab.requests), tab.requests
        assert [one for one in tab.complaints if "401" not in one] == []


def enter(page: Page, token: str) -> None:
    page.locator("#token").fill(token)
    page.locator("#login button").click()
