"""A zone is drawn on the page of a camera of a running city, and an incident comes from it."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Locator

from cityeye.model_place import cache_folder
from pipelines.access import Scope, TokenFileError
from simulation import ensure_clips
from tests.e2e.command import Running, auth_of, free_ports
from tests.event_hub.browser import MISSING, Tab, chromium, visitor

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]

SCENE = "square-crowd"
SQUARE = [(0.3, 0.5), (0.72, 0.5), (0.8, 0.9), (0.2, 0.9)]
IN_FORCE = "document.getElementById('cy-force').dataset.force == 'yes'"
FORCE_MS = 90_000
CORNER = {"corner": [[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]}


@dataclass
class DrawnCity:
    """A running city of one drawn camera, whose only zone is where nobody ever is."""

    folder: Path
    url: str
    running: Running

    def json(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers=auth_of(self.folder / "state"))
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    @property
    def file(self) -> Any:
        return yaml.safe_load((self.folder / "city.yaml").read_text("utf-8"))["cameras"][0]

    def visitor(self, browser: Browser, **how: Any) -> Any:
        hub: Any = SimpleNamespace(client=SimpleNamespace(url=self.url))
        return visitor(browser, hub, self.folder / "state", **how)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrawnCity]:
    folder = tmp_path_factory.mktemp("drawn")
    clip = ensure_clips((SCENE,), cache_folder("clips", os.environ))[SCENE]
    hub, api = free_ports(2)
    rules = {"crowding.density": {"min_persons": 2, "confirm_s": 2}}
    task = {"model": "crowding", "fps": 5, "zones": ["corner"], "rules": rules}
    document = {
        "city": {"name": "Xinjin", "division": "510118", "time_zone": "Asia/Shanghai"},
        "cameras": [
            {
                "id": "square",
                "name": "五津广场",
                "source": f"{clip.as_uri()}?realtime=1&loop=1",
                "zones": CORNER,
                "tasks": {"crowding": task},
            },
        ],
        "keyframes": {"folder": "keyframes"},
        "hub": {"port": hub, "database": "sqlite:///hub.db"},
        "api": {"port": api},
        "models": {"detector": "in_process", "threads": 1, "replicas": 1},
        "state": "state",
    }
    (folder / "city.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    running = Running(folder)
    city = DrawnCity(folder, f"http://127.0.0.1:{hub}", running)
    try:
        running.wait(lambda: bool({"online", "degraded"} & states(city)), "the camera is online")
        yield city
    finally:
        running.end(signal.SIGTERM)


def states(city: DrawnCity) -> set[str]:
    try:
        return {one["state"] for one in city.json("/api/cameras")["cameras"]}
    except (OSError, TokenFileError):
        return set()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def opened(tab: Tab) -> Locator:
    """The image to draw on, of the camera's page."""
    tab.open("/cameras/510118-Xinjin/square")
    tab.page.locator("#cy-stage[data-now]").wait_for(timeout=FORCE_MS)
    tab.page.wait_for_function(IN_FORCE, timeout=FORCE_MS)
    return tab.page.locator("#cy-canvas")


def draw(tab: Tab, image: Locator, points: list[tuple[float, float]]) -> None:
    box = image.bounding_box()
    assert box is not None
    for x, y in points:
        image.click(position={"x": x * box["width"], "y": y * box["height"]})
    tab.page.locator("#cy-drawn-done").click()


def test_a_zone_that_is_drawn_finds_an_incident(browser: Browser, city: DrawnCity) -> None:
    with city.visitor(browser, scope=Scope.ENGINEER) as tab:
        image = opened(tab)
        before = {one["incident_id"] for one in city.json("/api/incidents")["incidents"]}
        assert before == set(), "nobody is in the corner"
        tab.page.get_by_role("button", name="New zone", exact=True).click()
        draw(tab, image, SQUARE)
        tab.page.get_by_label("What it is called").fill("middle")
        assert "Not saved" in tab.page.locator("#cy-force").inner_text()
        assert tab.page.get_by_role("checkbox", name="crowding").is_checked()
        tab.page.get_by_role("button", name="Save", exact=True).click()
        tab.page.wait_for_function(IN_FORCE, timeout=FORCE_MS)
        assert city.file["tasks"]["crowding"]["zones"] == ["corner", "middle"]
        for (x, y), drawn in zip(SQUARE, city.file["zones"]["middle"], strict=True):
            assert drawn == pytest.approx([x, y], abs=0.005)
        chip = tab.page.locator(".cy-camera-title .cy-chip")
        chip.wait_for(timeout=FORCE_MS)
        (incident,) = city.json("/api/incidents")["incidents"]
        assert (incident["kind"], incident["zone"]) == ("crowding.density", "middle")
        chip.click()
        tab.page.locator(".cy-queue .cy-item", has_text="middle").wait_for()
        assert tab.complaints == []
