"""Every page in both languages, light, dark and on a phone: no violation of WCAG 2.2 AA (axe).

With CITYEYE_SCREENSHOTS it writes what it sees into that folder: `make screenshots`.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from pipelines.access import Scope
from tests.event_hub.browser import MISSING, PHONE, Tab, visitor
from tests.event_hub.console import city
from tests.event_hub.console.live_city import live_city
from tests.event_hub.console.model_city import ModelControl
from tests.event_hub.people import send
from tests.event_hub.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]

PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "cameras": "/cameras",
    "traffic": "/traffic",
    "reports": f"/reports?date={datetime.now(ZoneInfo('Asia/Shanghai')).date()}",
}
SYSTEM_PAGES = {"models": "/models", "settings": "/settings"}
"""For whoever runs the system."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
VIEWS = [
    ("en-US", "light", False),
    ("en-US", "dark", False),
    ("zh-CN", "light", False),
    ("zh-CN", "dark", False),
    ("zh-CN", "light", True),
    ("en-US", "dark", True),
]
SCREENSHOTS = os.environ.get("CITYEYE_SCREENSHOTS", "")


def violations(tab: Tab) -> list[str]:
    found = Axe().run(tab.page, options=OPTIONS).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


STRETCHED = ".cy-tile, .cy-counts li"


def is_flat(tab: Tab) -> bool:
    """Whether the numbers at the top are one or two lines high."""
    heights = f"Array.from(document.querySelectorAll('{STRETCHED}')).map(e => e.offsetHeight)"
    return max(tab.page.evaluate(heights)) < 100


def keep(tab: Tab, name: str) -> None:
    if SCREENSHOTS:
        tab.page.wait_for_timeout(600)
        pixels = np.frombuffer(tab.page.screenshot(), np.uint8)
        image = cv2.imdecode(pixels, cv2.IMREAD_COLOR)
        assert image is not None
        cv2.imwrite(str(Path(SCREENSHOTS) / f"{name}.webp"), image, [cv2.IMWRITE_WEBP_QUALITY, 80])


@pytest.mark.parametrize(("language", "scheme", "phone"), VIEWS)
def test_every_page_is_accessible(
    browser: Browser, town: Process, folder: Path, language: str, scheme: str, phone: bool
) -> None:
    with visitor(browser, town, folder, language=language, scheme=scheme, phone=phone) as tab:
        for name, path in PAGES.items():
            tab.open(path)
            assert violations(tab) == [], name
            assert is_flat(tab), name
            kind = "-phone" if phone else ""
            keep(tab, f"{name}-{language[:2]}{kind}{'-dark' if scheme == 'dark' else ''}")
        tab.open("/incidents")
        tab.page.keyboard.press("?")
        tab.page.locator("#cy-help").wait_for()
        assert violations(tab) == []
        tab.page.keyboard.press("Escape")
        tab.page.locator(".cy-queue .cy-item").first.click()
        tab.page.locator(".cy-title").wait_for()
        assert violations(tab) == []
        if phone:
            keep(tab, f"incident-{language[:2]}-phone{'-dark' if scheme == 'dark' else ''}")
        assert tab.complaints == []


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path]]:
    """A city with a canary and a shadow, users, and a subscription."""
    folder = tmp_path_factory.mktemp("system")
    control = ModelControl()
    control.decide("rollout", {"canary": "2", "cameras": "50%", "shadow": "3"}, "Zhang")
    with live_city(folder, city.CITY, control) as (hub, _):
        city.fill(hub, folder)
        for name, role in (("zhang", "engineer"), ("li", "operator")):
            user = {"name": name, "role": role, "password": "correct horse 7"}
            assert send(hub.client, "POST", "/api/users", user).status == 200
        with city.beating(hub):
            yield hub, folder


@pytest.mark.parametrize(("language", "scheme", "phone"), VIEWS)
def test_every_page_of_the_system_is_accessible(
    browser: Browser,
    system: tuple[Process, Path],
    language: str,
    scheme: str,
    phone: bool,
) -> None:
    hub, folder = system
    with visitor(
        browser, hub, folder, language=language, scheme=scheme, phone=phone, scope=Scope.ADMIN
    ) as tab:
        for name, path in SYSTEM_PAGES.items():
            tab.open(path)
            tab.page.locator(".cy-table tbody tr").nth(1).wait_for()
            assert violations(tab) == [], name
            if phone:
                assert tab.width() == PHONE["width"], name
            kind = "-phone" if phone else ""
            keep(tab, f"{name}-{language[:2]}{kind}{'-dark' if scheme == 'dark' else ''}")
        assert tab.complaints == []
