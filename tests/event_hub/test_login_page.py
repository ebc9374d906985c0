"""The login in a real browser: what browsers say of their requests is not what scripts say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.event_hub.browser import Tab, chromium, is_installed
from tests.event_hub.people import PASSWORD, add_user
from tests.event_hub.process import hub_process

REQUIRED = os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not is_installed() and not REQUIRED, reason="chromium is not installed"),
]


def log_in(tab: Tab, name: str, password: str) -> None:
    tab.wait("document.querySelector('#password')")
    tab.js(
        f"document.querySelector('#name').value = '{name}';"
        f"document.querySelector('#password').value = '{password}';"
        "document.querySelector('form').requestSubmit()"
    )


def test_a_person_logs_in_and_out(tmp_path: Path) -> None:
    with hub_process(tmp_path) as hub, chromium("UTC") as tab:
        add_user(hub.client, "zhang", "operator")
        tab.call("Page.navigate", url=f"{hub.client.url}/")
        log_in(tab, "zhang", "wrong")
        tab.wait("document.querySelector('[role=alert]')")
        assert "name or password is wrong" in tab.text()
        log_in(tab, "zhang", PASSWORD)
        tab.wait("document.querySelector('form[action=\"/logout\"]')")
        assert tab.js("document.cookie") == ""
        answer = "fetch('/api/me').then(answer => answer.json())"
        assert tab.js(answer)["name"] == "zhang"
        tab.js("document.querySelector('form[action=\"/logout\"]').requestSubmit()")
        tab.wait("document.querySelector('#password')")
        assert tab.js(answer)["status"] == 401
