"""The API's page in a browser: nothing from elsewhere, and nothing of the city without a token."""

from __future__ import annotations

import os

import pytest

from pipelines.access import Scope, TokenFile
from tests.event_hub.browser import chromium, is_installed
from tests.event_hub.conftest import StartHub

REQUIRED = os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1"


@pytest.mark.e2e
@pytest.mark.skipif(not is_installed() and not REQUIRED, reason="chromium is not installed")
def test_the_page_asks_for_a_token_and_tries_a_route(start_hub: StartHub, tmp_path) -> None:
    hub = start_hub()
    viewer = TokenFile(tmp_path / "access").issue("reader", Scope.VIEWER)
    with chromium() as tab:
        tab.call("Page.navigate", url=f"{hub.url}/api/docs")
        tab.wait("document.getElementById('login') && !document.getElementById('login').hidden")
        assert "/api/incidents" not in tab.text()
        enter(tab, "cye_000000000000_wrong")
        tab.wait("document.getElementById('problem').textContent.includes('token')")
        enter(tab, viewer)
        tab.wait("document.querySelector('#operations-cameras-get_cameras_api_cameras_get')")
        tab.js("document.querySelector('[id^=operations-cameras] button').click()")
        tab.wait("document.querySelector('.try-out__btn')")
        tab.js("document.querySelector('.try-out__btn').click()")
        tab.wait("document.querySelector('.execute')")
        tab.js("document.querySelector('.execute').click()")
        tab.wait("document.body.innerText.includes('\"online\": 0')")
        assert all(one.startswith((hub.url, "data:")) for one in tab.requests), tab.requests
        refused = [one for one in tab.complaints if "401" not in one]
        assert refused == []


def enter(tab, token: str) -> None:
    tab.js(f"document.getElementById('token').value = '{token}'")
    tab.js("document.querySelector('#login button').click()")
