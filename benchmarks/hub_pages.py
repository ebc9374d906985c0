"""How long the pages of a hub's console take until somebody can work with them, in Chromium."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.hub_process import BenchHub

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES: Final = ("/", "/incidents", "/cameras", "/traffic", "/reports", "/models", "/settings")
ROUNDS: Final = 7
WAIT_MS: Final = 60_000.0

# A key that is pressed now would be answered: every script has run, the page has its words and its
# channel for what is new, and the browser has drawn twice since without being busy in between.
_READY: Final = """() => document.readyState === "complete"
    && document.querySelector("main h1")?.textContent.trim()
    && window.socket?.connected"""
_SINCE_NAVIGATION_MS: Final = """() => new Promise((done) => requestAnimationFrame(
    () => requestAnimationFrame(() => done(performance.now()))))"""


def browser_program() -> str | None:
    """The Chromium of the system; None where it, or Playwright, is missing."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return shutil.which("chromium") or shutil.which("chromium-browser")


def interactive_ms(hub: BenchHub, program: str) -> dict[str, list[float]]:
    """Milliseconds from the click until a page can be worked with, by path; pages take turns.

    The browser keeps scripts and styles from the first visit on, as everybody's does.

    Args:
        hub: Whose console.
        program: Path of Chromium.

    Raises:
        playwright.sync_api.Error: A page does not come.
    """
    found: dict[str, list[float]] = {path: [] for path in PAGES}
    with _visitor(hub, program) as page:
        for _ in range(ROUNDS):
            for path in PAGES:
                page.goto(hub.url + path)
                page.wait_for_function(_READY)
                found[path].append(float(page.evaluate(_SINCE_NAVIGATION_MS)))
    return found


@contextmanager
def _visitor(hub: BenchHub, program: str) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    # As root Chromium has no sandbox of its own; containers have little shared memory.
    careless = ("--no-sandbox", "--disable-dev-shm-usage")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=careless)
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN")
            page.set_default_timeout(WAIT_MS)
            page.goto(f"{hub.url}/enter?token={hub.link()}")
            page.wait_for_url(f"{hub.url}/")
            yield page
        finally:
            browser.close()
