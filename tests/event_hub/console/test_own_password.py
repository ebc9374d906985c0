"""Who is logged in with a password changes it on any page, and sees what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.event_hub.browser import MISSING, PHONE, visitor
from tests.event_hub.console.test_screens import violations
from tests.event_hub.people import Browser as Person
from tests.event_hub.people import send
from tests.event_hub.process import hub_process

OLD, NEW = "correct horse 7", "a longer horse 8"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(MISSING, reason="there is no Chromium here"),
]


def test_a_user_changes_the_own_password(browser: Browser, tmp_path: Path) -> None:
    with hub_process(tmp_path) as hub, visitor(browser, hub, tmp_path, language="zh-CN") as tab:
        # Whoever came with a token has no password to change.
        assert tab.page.locator("[data-open=cy-password]").count() == 0
        user = {"name": "wang", "role": "viewer", "password": OLD}
        assert send(hub.client, "POST", "/api/users", user).status == 200
        elsewhere = Person(hub.client.url)
        elsewhere.log_in("wang", OLD)
        page, dialog = tab.page, tab.page.locator("dialog[open]")
        page.context.clear_cookies()
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.goto(hub.client.url + "/incidents")
        page.locator("[name=name]").fill("wang")
        page.locator("[name=password]").fill(OLD)
        page.locator("[name=password]").press("Enter")
        page.locator("[data-open=cy-password]").press("Enter")
        dialog.get_by_text("您的其他登录会话将结束。").wait_for()
        assert violations(tab) == []
        assert tab.width() <= PHONE["width"]

        def change(old: str, again: str) -> None:
            dialog.locator("[name=old]").fill(old)
            dialog.locator("[name=new]").fill(NEW)
            dialog.locator("input[data-same]").fill(again)
            dialog.locator("[data-send]").click()

        change(OLD, NEW + "x")
        dialog.get_by_text("两次输入的新密码不一致。").wait_for()
        change("a wrong one", NEW)
        dialog.get_by_text("旧密码错误。").wait_for()
        assert elsewhere.ask("GET", "/api/me").status == 200
        change(OLD, NEW)
        dialog.get_by_text("密码已修改，您的其他登录会话已结束。").wait_for()
        dialog.locator("[data-close]").click()
        assert page.locator("#cy-password-new").input_value() == ""
        assert elsewhere.ask("GET", "/api/me").status == 401
        assert page.evaluate("fetch('/api/me').then(one => one.status)") == 200
        assert Person(hub.client.url).log_in("wang", NEW).status == 303
        # The login page came in place of another, and the wrong password was refused.
        assert [one for one in tab.complaints if "401" not in one and "403" not in one] == []
