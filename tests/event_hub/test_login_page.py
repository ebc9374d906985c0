"""The login in a real browser: what browsers say of their requests is not what scripts say."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.event_hub.browser import MISSING, WAIT_MS, chromium
from tests.event_hub.people import PASSWORD, add_user
from tests.event_hub.process import hub_process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]


def log_in(page: Page, name: str, password: str) -> None:
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.locator("#password").press("Enter")


def test_a_person_logs_in_and_out(tmp_path: Path) -> None:
    with hub_process(tmp_path) as hub, chromium() as browser:
        add_user(hub.client, "zhang", "operator")
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{hub.client.url}/")
        log_in(page, "zhang", "wrong")
        expect(page.get_by_role("alert")).to_contain_text("name or password is wrong")
        log_in(page, "zhang", PASSWORD)
        page.wait_for_selector("form[action='/logout']", state="attached")
        assert page.evaluate("document.cookie") == ""
        answer = "fetch('/api/me').then(answer => answer.json())"
        assert page.evaluate(answer)["name"] == "zhang"
        page.evaluate("document.querySelector('form[action=\"/logout\"]').requestSubmit()")
        page.wait_for_selector("#password")
        assert page.evaluate(answer)["status"] == 401
