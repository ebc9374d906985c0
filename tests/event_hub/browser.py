"""The system's Chromium, driven by Playwright, and what a page complains about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from pipelines.access import Scope, TokenFile
from tests.event_hub.process import Process

CHROMIUM = "/usr/bin/chromium"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 30_000
REQUIRED = os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1"
MISSING = not REQUIRED and shutil.which(CHROMIUM) is None


@dataclass
class Tab:
    """One page of a visitor who is logged in.

    Attributes:
        complaints: Errors of the browser's console, and of scripts.
        requests: Every address that was asked for.
        connections: Every websocket that was opened since the page was.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.connections.append(socket.url))

    def open(self, path: str) -> None:
        """Goes to an address of the hub and waits until its page is there."""
        self.connections.clear()
        self.page.goto(self.url + path)
        self.page.wait_for_selector("main h1", state="attached")

    def wait(self, condition: str) -> None:
        """Returns as soon as the condition holds in the page."""
        self.page.wait_for_function(condition, timeout=WAIT_MS)

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def note(self, message: ConsoleMessage) -> None:
        # A picture that is not there is said on the page; the browser says so too.
        if message.type == "error" and "404" not in message.text:
            self.complaints.append(message.text)


def posted(tab: Tab, url: str, body: Any, method: str = "POST") -> int:
    """The status of what a script of the page sends."""
    script = """([url, method, body]) => fetch(url, {method, body: JSON.stringify(body),
        headers: {"Content-Type": "application/json"}}).then(one => one.status)"""
    return int(tab.page.evaluate(script, [url, method, body]))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A fresh browser that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(
    browser: Browser,
    hub: Process,
    folder: Any,
    *,
    language: str = "en-US",
    scheme: Any = "light",
    phone: bool = False,
    scope: Scope = Scope.OPERATOR,
    timezone: str = "Asia/Shanghai",
) -> Iterator[Tab]:
    """A tab of somebody who has come by a link that works once; it shows the overview."""
    context = browser.new_context(
        viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
        is_mobile=phone,
        has_touch=phone,
        locale=language,
        color_scheme=scheme,
        timezone_id=timezone,
        reduced_motion="reduce",
    )
    tab = Tab(context.new_page(), hub.client.url)
    link = TokenFile(folder / "access").issue("link", scope, once=True)
    try:
        tab.open(f"/enter?token={link}")
        tab.page.wait_for_url(hub.client.url + "/")
        yield tab
    finally:
        context.close()
