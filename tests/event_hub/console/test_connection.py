"""How a camera is reached is shown, tried and changed on its page, without its password."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.access import Scope
from tests.camera_adapters.clips import TinyClip
from tests.event_hub.browser import MISSING, visitor
from tests.event_hub.console.drawn_city import NAME, drawn_city
from tests.event_hub.console.test_screens import violations

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]


def test_address_login_and_name_are_changed_on_the_page(
    browser: Browser, tmp_path: Path, tiny_clip: TinyClip
) -> None:
    with (
        drawn_city(tmp_path) as (hub, city, _),
        visitor(browser, hub, tmp_path, scope=Scope.ENGINEER) as tab,
    ):
        tab.open(f"/cameras/{NAME}/gate")
        page = tab.page
        page.get_by_role("button", name="Name, address and login").click()
        form, problem = page.locator("#cy-connection-form"), page.locator("#cy-connection-problem")
        tab.wait("document.querySelector('#cy-connection-form [name=source]').value")
        assert form.get_by_label("Address").input_value() == "rtsp://10.0.0.5/live"
        assert form.get_by_label("User name").input_value() == "viewer"
        assert page.locator("#cy-connection-kept").is_visible()
        assert page.locator("#cy-connection-tested").inner_text() == ""
        assert "hunter" not in page.content()
        assert violations(tab) == []

        form.get_by_label("Address").fill("rtsp://10.0.0.77/live")
        assert "not tested" in page.locator("#cy-connection-tested").inner_text()
        form.get_by_role("button", name="Save").click()
        problem.get_by_text("its password was given for another address").wait_for()
        assert "10.0.0.77" not in city.text

        form.get_by_label("User name").fill("")
        form.get_by_label("Address").fill(tiny_clip.path.as_uri())
        form.get_by_label("Reason").fill("where does it point")
        form.get_by_role("button", name="Test").click()
        tab.wait("document.querySelector('#cy-connection-result img')?.naturalWidth == 320")
        form.get_by_label("What people call it").fill("North gate")
        form.get_by_role("button", name="Save").click()
        page.locator("#cy-connection-said").get_by_text("The camera is opened anew").wait_for()
        gate = city.given[-1]["gate"].camera
        assert (gate.name, gate.source) == ("North gate", tiny_clip.path.as_uri())
        assert gate.credentials is None
        assert page.locator("#cy-connection-result img").count() == 0
        assert [one for one in tab.complaints if "409" not in one] == []

        with visitor(browser, hub, tmp_path) as other:
            other.open(f"/cameras/{NAME}/gate")
            other.page.locator("#cy-editor").wait_for()
            assert other.page.locator("[data-ask=cy-connection]").count() == 0


def test_a_smaller_stream_is_given_and_taken_away_on_the_page(
    browser: Browser, tmp_path: Path
) -> None:
    live, smaller = "rtsp://10.0.0.5/live", "rtsp://10.0.0.5/small"
    with (
        drawn_city(tmp_path) as (hub, city, _),
        visitor(browser, hub, tmp_path, scope=Scope.ENGINEER) as tab,
    ):
        tab.open(f"/cameras/{NAME}/gate")
        page = tab.page
        form, said = page.locator("#cy-connection-form"), page.locator("#cy-connection-said")
        field = form.get_by_label("Smaller stream for inference")
        for before, after in (("", smaller), (smaller, "")):
            page.get_by_role("button", name="Name, address and login").click()
            tab.wait("document.querySelector('#cy-connection-form [name=source]').value")
            assert field.input_value() == before
            field.fill(after)
            assert "not tested" in page.locator("#cy-connection-tested").inner_text()
            form.get_by_role("button", name="Save").click()
            said.get_by_text("The camera is opened anew").wait_for()
            gate = city.given[-1]["gate"].camera
            assert (gate.source, gate.main_source) == ((after, live) if after else (live, ""))
        assert violations(tab) == []
