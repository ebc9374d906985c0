"""The page of all cameras: one is tested and added, many come from a spreadsheet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Browser

from pipelines.access import Scope
from tests.camera_adapters.clips import TinyClip
from tests.cityeye.editing.city import City
from tests.event_hub.browser import MISSING, visitor
from tests.event_hub.console.drawn_city import drawn_city
from tests.event_hub.console.test_screens import VIEWS, violations
from tests.event_hub.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]

RESULT = "document.querySelector('#cy-adding-result p')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("added")


@pytest.fixture(scope="module")
def drawn(folder: Path) -> Iterator[tuple[Process, City]]:
    with drawn_city(folder) as (hub, city, _):
        yield hub, city


def ids(city: City) -> list[str]:
    return [one.id for one in city.changes.config.settings.cameras]


def test_a_camera_is_tested_before_it_is_saved(
    browser: Browser, drawn: tuple[Process, City], folder: Path, tiny_clip: TinyClip
) -> None:
    hub, city = drawn
    with visitor(browser, hub, folder, scope=Scope.ENGINEER) as tab:
        tab.open("/cameras")
        tab.page.get_by_role("button", name="Add a camera").click()
        form = tab.page.locator("#cy-adding-form")
        form.get_by_role("button", name="Test").click()
        assert (
            tab.page.locator("#cy-adding-problem").inner_text() == "Give the address of the camera."
        )
        form.get_by_label("Address").fill("rtsp://127.0.0.1:1/live")
        form.get_by_role("button", name="Test").click()
        tab.wait(f"{RESULT}?.textContent.startsWith('No image came')")
        form.get_by_label("Address").fill(tiny_clip.path.as_uri())
        assert "not tested" in tab.page.locator("#cy-tested").inner_text()
        assert tab.page.locator("#cy-adding-result p").count() == 0
        form.get_by_label("Reason").fill("where does it point")
        form.get_by_role("button", name="Test").click()
        tab.wait(f"{RESULT}?.textContent.includes('320x180')")
        tab.wait("document.querySelector('#cy-adding-result img').naturalWidth == 320")
        assert ids(city) == ["gate", "yard"], "a test changes nothing"
        # What is missing is named with its key, and nothing is added.
        form.get_by_label("Id", exact=True).fill("south")
        form.get_by_role("button", name="Save").click()
        tab.wait("document.getElementById('cy-adding-problem').textContent.includes('tasks')")
        form.get_by_label("crowding").check()
        form.get_by_label("Longitude").fill("103.8")
        form.get_by_label("Latitude").fill("300")
        form.get_by_role("button", name="Save").click()
        tab.wait("document.querySelector('[name=lat]').getAttribute('aria-invalid') == 'true'")
        form.get_by_label("Latitude").fill("30.4")
        form.get_by_label("User name").fill("viewer")
        form.get_by_label("Password").fill("hunter2")
        form.get_by_role("button", name="Save").click()
        tab.page.locator("#cy-added", has_text="Added: 1").wait_for()
        assert ids(city) == ["gate", "yard", "south"]
        assert "hunter2" not in city.text
        tab.page.get_by_role("button", name="Add a camera").click()
        assert form.get_by_label("Password").input_value() == ""
        assert tab.page.locator("#cy-adding-result img").count() == 0
        assert [one for one in tab.complaints if "422" not in one] == []


def workbook(*rows: tuple[str, ...]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def test_a_spreadsheet_is_checked_by_the_row_and_taken_as_a_whole(
    browser: Browser, drawn: tuple[Process, City], folder: Path
) -> None:
    hub, city = drawn
    before = ids(city)
    head = ("编号", "地址", "任务")
    bad = workbook(head, ("n-1", "rtsp://10.0.0.7/a", "traffic"), ("n-2", "no address", "traffic"))
    good = "id,source,tasks\nn-1,rtsp://10.0.0.7/a,traffic\nn-2,rtsp://10.0.0.8/a,crowding\n"
    with visitor(browser, hub, folder, scope=Scope.ENGINEER, language="zh-CN") as tab:
        tab.open("/cameras")
        tab.page.get_by_role("button", name="导入表格").click()
        file = tab.page.locator("#cy-import-file")
        file.set_input_files({"name": "a.xlsx", "mimeType": "", "buffer": bad})
        rows = tab.page.locator("#cy-import-rows tr")
        rows.nth(1).wait_for()
        assert rows.nth(0).locator("td").all_inner_texts() == ["2", "n-1", "正常"]
        assert "source" in rows.nth(1).inner_text()
        assert tab.page.locator("#cy-import").is_disabled()
        file.set_input_files({"name": "b.csv", "mimeType": "text/csv", "buffer": b"id;what\n1;2\n"})
        tab.wait("document.getElementById('cy-import-said').textContent.includes('what')")
        assert tab.page.locator("#cy-import").is_disabled()
        file.set_input_files({"name": "a.csv", "mimeType": "text/csv", "buffer": good.encode()})
        tab.wait("!document.getElementById('cy-import').disabled")
        assert ids(city) == before, "choosing a file changes nothing"
        tab.page.locator("#cy-import").click()
        tab.page.locator("#cy-added", has_text="2").wait_for()
    assert ids(city) == [*before, "n-1", "n-2"]


def test_who_may_not_add_has_no_form(
    browser: Browser, drawn: tuple[Process, City], folder: Path
) -> None:
    with visitor(browser, drawn[0], folder, scope=Scope.OPERATOR) as tab:
        tab.open("/cameras")
        assert tab.page.locator("#cy-adding, [data-ask]").count() == 0


@pytest.mark.parametrize(("language", "scheme", "phone"), VIEWS)
def test_the_forms_are_accessible(
    browser: Browser,
    drawn: tuple[Process, City],
    folder: Path,
    language: str,
    scheme: str,
    phone: bool,
) -> None:
    how = {"language": language, "scheme": scheme, "phone": phone, "scope": Scope.ENGINEER}
    with visitor(browser, drawn[0], folder, **how) as tab:  # type: ignore[arg-type]
        tab.open("/cameras")
        for dialog in ("cy-adding", "cy-importing"):
            tab.page.locator(f"[data-ask={dialog}]").click()
            tab.page.locator(f"#{dialog}").wait_for()
            assert violations(tab) == []
            tab.page.keyboard.press("Escape")
        assert tab.width() <= (390 if phone else 1440)
