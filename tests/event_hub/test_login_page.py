"""The login in a real browser: what browsers say of their requests is not what scripts say."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from event_hub.console.login_page import own_address
from tests.event_hub.browser import MISSING, chromium
from tests.event_hub.people import PASSWORD, add_user
from tests.event_hub.process import hub_process


def log_in(page: Page, name: str, password: str) -> None:
    page.locator("#name").fill(name)
    page.locator("#password").fill(password)
    page.locator("#password").press("Enter")


@pytest.mark.e2e
@pytest.mark.skipif(MISSING, reason="chromium is not installed")
def test_a_person_logs_in_and_out(tmp_path: Path) -> None:
    with hub_process(tmp_path) as hub, chromium() as browser:
        add_user(hub.client, "zhang", "operator")
        page = browser.new_page(locale="zh-CN")
        page.goto(f"{hub.client.url}/incidents?severity=high")
        assert page.evaluate("document.documentElement.lang") == "zh-CN"
        assert Axe().run(page).violations_count == 0
        log_in(page, "zhang", "wrong")
        page.get_by_text("用户名或密码错误").wait_for()
        log_in(page, "zhang", PASSWORD)
        # It leads to where the browser wanted to go.
        page.locator("form[action='/logout']").wait_for()
        assert page.url == f"{hub.client.url}/incidents?severity=high"
        assert page.evaluate("document.cookie") == ""
        answer = "fetch('/api/me').then(answer => answer.json())"
        assert page.evaluate(answer)["name"] == "zhang"
        page.locator("form[action='/logout'] button").click()
        page.locator("#password").wait_for()
        assert page.evaluate(answer)["status"] == 401


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        ("/incidents/-/a%2Fb?state=all", "/incidents/-/a%2Fb?state=all"),
        ("/", "/"),
        ("", "/"),
        ("//evil.example/x", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a b", "/"),
        ("/\tx", "/"),
        ("/login", "/"),
        ("/api/incidents", "/"),
        ("/" + "a" * 3000, "/"),
    ],
)
def test_the_login_leads_to_pages_of_this_server_only(asked: str, leads_to: str) -> None:
    assert own_address(asked) == leads_to
