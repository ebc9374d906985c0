import itertools
import os
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

from pipelines.access import Scope, TokenFile
from tests.event_hub.browser import Tab, chromium, is_installed
from tests.event_hub.process import Process, hub_process
from tests.event_hub.samples import camera_state, heartbeat, incident, keyframe, picture

REQUIRED = os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not is_installed() and not REQUIRED, reason="chromium is not installed"),
]

KEY = "kf-30d/v1/2026/11/20/cam-1/04/jam.jpg"
ZONE = "<script>document.title='owned'</script>"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Process]:
    with hub_process(tmp_path) as process:
        yield process


@pytest.fixture
def tab() -> Iterator[Tab]:
    with chromium("Asia/Kolkata") as tab:
        yield tab


def test_an_open_page_follows_the_city(hub: Process, tab: Tab, tmp_path: Path) -> None:
    live_through_an_incident(hub, tab, tmp_path)
    look_for_damage(tab, hub.client.url)
    keep_up_with_a_burst(hub, tab)
    assert "lost the hub" not in tab.text()
    assert hub.end() == 0
    tab.wait("document.body.innerText.includes('This page has lost the hub.')")


def live_through_an_incident(hub: Process, tab: Tab, folder: Path) -> None:
    data = picture()
    (folder / "kf" / KEY).parent.mkdir(parents=True)
    (folder / "kf" / KEY).write_bytes(data)
    opened = datetime.now(UTC) - timedelta(seconds=65)
    shots = [keyframe(KEY, data), keyframe("kf/lost.jpg", b"gone", "closing")]

    tokens = TokenFile(folder / "access")
    link = tokens.issue("link", Scope.OPERATOR, timedelta(minutes=5), once=True)
    tab.open(f"{hub.client.url}/enter?token={link}")
    assert tab.js("location.pathname + location.search") == "/"
    assert tab.js("document.cookie") == ""
    tab.js("window.sameDocument = true")
    assert "No camera has reported yet." in tab.text()
    for number in range(4):
        hub.client.post(camera_state(f"cam-{number}", number=number, at=opened))
    tab.wait("document.querySelectorAll('.cy-cameras .cy-silent').length == 4")
    assert "Nothing is heard from any camera." in tab.text()
    with beating(hub):
        tab.wait("document.body.innerText.includes('No incident. 4 of 4 cameras are watching.')")
        follow_an_incident(hub, tab, opened, shots)
    # Nobody sends heartbeats any more.
    tab.wait("document.querySelectorAll('.cy-cameras .cy-silent').length == 4", 30.0)
    assert "0/4 cameras watching" in tab.text()
    assert "No incident known, and no camera is watching." in tab.text()


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
    tab.wait("document.querySelector('.cy-open .cy-image img')?.naturalWidth == 320")
    seen = tab.text()
    for words in ("Traffic jam", "medium", "North Gate", ZONE, "1 open now", "UTC+5:30"):
        assert words in seen
    look_at_the_viewer(tab)

    hub.client.post(incident("jam", 2, "ended", opened_at=opened, keyframes=shots, zone=ZONE))
    tab.wait("document.querySelector('.cy-ended article')")
    tab.wait("document.querySelector('dialog header')?.innerText.includes('lasted 0:10')")
    tab.js("document.querySelector('.cy-close').click()")
    seen = tab.text()
    assert "No incident. 4 of 4" in seen
    local = (opened + timedelta(seconds=10, hours=5, minutes=30)).strftime("%H:%M")
    assert f"{local}, lasted 0:10 cleared" in seen.replace("\n", " ")
    assert tab.js("window.sameDocument === true")


def look_at_the_viewer(tab: Tab) -> None:
    first = tab.js("document.querySelector('[data-since]').textContent")
    assert first[:2] in {"1:", "2:"}
    tab.wait(f"document.querySelector('[data-since]').textContent != '{first}'")
    tab.js("document.querySelector('.cy-open .cy-image').click()")
    tab.wait("document.querySelector('dialog[open] img')?.complete")
    corner = "(({x, y, width}) => [x, y, width])(document.querySelector('dialog rect').getBBox())"
    assert tab.js(corner) == pytest.approx([80, 59.4, 80], abs=0.1)
    tab.wait("document.querySelector('dialog img.cy-missing')")
    assert "Picture not available" in tab.text()


def look_for_damage(tab: Tab, url: str) -> None:
    assert tab.js("document.title") == "CityEye"
    for width in (1280, 390):
        tab.size(width, 800)
        assert tab.js("document.documentElement.scrollWidth") <= width
    assert [one for one in tab.requests if not one.startswith((url, "data:"))] == []
    assert [text for text in tab.complaints if "404" not in text] == []


def keep_up_with_a_burst(hub: Process, tab: Tab) -> None:
    def count(section: str) -> str:
        return f"document.querySelectorAll('.cy-{section} [data-incident^=burst]').length"

    for number in range(30):
        hub.client.post(incident(f"burst-{number}"))
    tab.open(hub.client.url + "/")
    assert tab.js(count("open")) == 30
    for number in range(20, 50):
        hub.client.post(incident(f"burst-{number}"))
        hub.client.post(incident(f"burst-{number}", 2, "ended"))
    tab.wait(f"{count('ended')} == 30")
    tab.wait(f"{count('open')} == 20")
    assert "20 open now" in tab.text()
