"""An open page follows the city by itself: incidents, cameras, and the hub that goes away."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from playwright.sync_api import Browser

from tests.event_hub.browser import MISSING, Tab, visitor
from tests.event_hub.process import Process
from tests.event_hub.samples import camera_state, heartbeat, incident, keyframe, picture

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]

KEY = "kf-30d/v1/2026/11/20/cam-1/04/jam.jpg"
ZONE = "<script>document.title='owned'</script>"


def test_an_open_page_follows_the_city(browser: Browser, hub: Process, tmp_path: Path) -> None:
    with visitor(browser, hub, tmp_path, timezone="Asia/Kolkata") as tab:
        live_through_an_incident(hub, tab, tmp_path)
        look_for_damage(tab)
        keep_up_with_a_burst(hub, tab)
        assert not tab.page.locator("#cy-lost").is_visible()
        assert hub.end() == 0
        tab.page.get_by_text("This page has lost the hub.").wait_for()


def live_through_an_incident(hub: Process, tab: Tab, folder: Path) -> None:
    data = picture()
    (folder / "kf" / KEY).parent.mkdir(parents=True)
    (folder / "kf" / KEY).write_bytes(data)
    opened = datetime.now(UTC) - timedelta(seconds=65)
    shots = [keyframe(KEY, data), keyframe("kf/lost.jpg", b"gone", "closing")]

    assert tab.page.evaluate("document.cookie") == ""
    tab.page.evaluate("window.sameDocument = true")
    assert "No camera has reported yet." in tab.text()
    for number in range(4):
        hub.client.post(camera_state(f"cam-{number}", number=number, at=opened))
    tab.wait("document.querySelectorAll('.cy-blind .cy-silent').length == 4")
    assert "Nothing is heard from any camera." in tab.text()
    with beating(hub):
        tab.page.get_by_text("No incident. 4 of 4 cameras are watching.").wait_for()
        follow_an_incident(hub, tab, opened, shots)
    # Nobody sends heartbeats any more.
    tab.open("/")
    tab.wait("document.querySelectorAll('.cy-blind .cy-silent').length == 4")
    assert "No incident known, and no camera is watching." in tab.text()
    # The page has had its one connection all the time.
    assert len(tab.connections) == 1


@contextmanager
def beating(hub: Process) -> Iterator[None]:
    """A worker that says every second that it has four cameras and all are online."""
    over = threading.Event()

    def beat() -> None:
        with urllib3.PoolManager(headers=hub.client.auth) as http:
            client = replace(hub.client, http=http)
            states = {f"cam-{number}": "online" for number in range(4)}
            for number in itertools.count(1):
                client.post(heartbeat(states, number, number=4, uptime_s=time.monotonic()))
                if over.wait(1.0):
                    return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def follow_an_incident(hub: Process, tab: Tab, opened: datetime, shots: list[Any]) -> None:
    hub.client.post(incident("jam", zone=ZONE, opened_at=opened, keyframes=shots))
    tab.wait("document.querySelector('.cy-worst .cy-thumb img')?.naturalWidth == 320")
    tab.wait("document.title == '(1) Overview · CityEye'")
    said = tab.page.locator("#cy-toast").inner_text()
    assert said == f"New incident: Traffic jam, medium. North Gate, {ZONE}."
    assert "UTC+5:30" in tab.text()
    assert tab.page.evaluate("window.sameDocument === true")

    tab.page.locator(".cy-worst a").click()
    tab.page.wait_for_url("**/incidents/-/jam*")
    tab.page.evaluate("window.sameDocument = true")
    look_at_the_incident(tab)
    hub.client.post(incident("jam", 2, "ended", opened_at=opened, keyframes=shots, zone=ZONE))
    tab.page.get_by_text("lasted 0:10").wait_for()
    local = (opened + timedelta(seconds=10, hours=5, minutes=30)).strftime("%H:%M")
    assert f"Ended {local}, lasted 0:10" in tab.page.locator(".cy-title").inner_text()
    tab.page.get_by_role("button", name="At the end").click()
    tab.page.get_by_text("Picture not available").locator("visible=true").wait_for()
    assert tab.page.evaluate("window.sameDocument === true")
    assert tab.page.title() == "Traffic jam, North Gate · CityEye"


def look_at_the_incident(tab: Tab) -> None:
    first = tab.page.locator(".cy-title [data-since]").inner_text()
    assert first[:2] in {"1:", "2:"}
    tab.wait(f"document.querySelector('.cy-title [data-since]').textContent != '{first}'")
    corner = (
        "(({x, y, width}) => [x, y, width])(document.querySelector('.cy-frame rect').getBBox())"
    )
    assert tab.page.evaluate(corner) == pytest.approx([80, 59.4, 80], abs=0.1)


def look_for_damage(tab: Tab) -> None:
    assert "owned" not in tab.page.title()
    for width in (1440, 1000, 390, 320):
        tab.page.set_viewport_size({"width": width, "height": 800})
        assert tab.width() <= width
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    assert [one for one in tab.requests if not one.startswith((tab.url, "data:"))] == []
    assert tab.complaints == []


def keep_up_with_a_burst(hub: Process, tab: Tab) -> None:
    count = "document.querySelectorAll('.cy-queue [data-incident^=burst]').length"
    for number in range(30):
        hub.client.post(incident(f"burst-{number}"))
    tab.open("/incidents")
    assert tab.page.evaluate(count) == 30
    for number in range(20, 50):
        hub.client.post(incident(f"burst-{number}"))
        hub.client.post(incident(f"burst-{number}", 2, "ended"))
    tab.wait(f"{count} == 20")
    tab.wait("document.title.startsWith('(20) ')")
