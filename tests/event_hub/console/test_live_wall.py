"""The live wall: images of now, only while somebody looks, and none of before."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.access import Scope
from tests.event_hub.browser import MISSING, visitor
from tests.event_hub.console import city
from tests.event_hub.console.live_city import ControlApi, live_city

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]


def test_the_wall_shows_cameras_as_they_are_now(browser: Browser, tmp_path: Path) -> None:
    with live_city(tmp_path, city.CITY, ControlApi()) as (hub, api):
        api.away.add("cam-5")
        hub.client.post(city.beat(1))
        with (
            city.beating(hub),
            visitor(browser, hub, tmp_path, language="zh-CN", scope=Scope.VIEWER) as tab,
        ):
            tab.open("/cameras")
            tab.page.get_by_role("link", name="实时画面").click()
            tab.wait("document.querySelectorAll('.cy-now[data-now] img').length == 4")
            tab.wait(
                "Array.from(document.querySelectorAll('.cy-now[data-now] img'))"
                ".every(image => image.naturalWidth == 320)"
            )
            offline = tab.page.locator(".cy-now:not([data-now])")
            assert offline.inner_text() == "离线"
            assert "boxes=true" in api.asked[-1]
            tab.page.get_by_label("目标框").uncheck()
            shown = len(api.asked)
            while not any("boxes=false" in one for one in api.asked[shown:]):
                tab.page.wait_for_timeout(100)
            # One that gives no image any more keeps none.
            api.away.add("cam-1")
            tab.wait("document.querySelectorAll('.cy-now[data-now]').length == 3")
            tab.page.get_by_text("现在没有画面").locator("visible=true").wait_for()
            # What is out of sight is not asked for.
            tab.page.set_viewport_size({"width": 390, "height": 300})
            tab.page.wait_for_timeout(1500)
            before = len(api.asked)
            tab.page.wait_for_timeout(2500)
            assert len({one.split("/")[2] for one in api.asked[before:]}) < 4
            assert all(one.startswith("/cameras/cam-") for one in api.asked)
            complaints = [one for one in tab.complaints if "503" not in one]
            assert complaints == []
