"""What people do on the pages: with the keyboard alone, on a phone, in their language."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.access import Scope
from tests.event_hub.browser import MISSING, PHONE, Tab, visitor
from tests.event_hub.console import city
from tests.event_hub.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]


def seen_evidence(hub: Process) -> list[str]:
    """Why somebody saw restricted evidence, by the audit trail."""
    entries = hub.client.json("/api/audit", limit="100")["entries"]
    return [one["reason"] for one in entries if "ev-7d/" in one["key"]]


def current(tab: Tab) -> str:
    return str(tab.page.locator(".cy-title").get_attribute("data-incident"))


def test_the_keyboard_is_enough(browser: Browser, town: Process, folder: Path) -> None:
    with visitor(browser, town, folder) as tab:
        page = tab.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("2")
        page.wait_for_url("**/incidents")
        tab.wait("document.querySelectorAll('.cy-queue .cy-item').length == 10")
        first = current(tab)
        page.keyboard.press("j")
        tab.wait(f"document.querySelector('.cy-title').dataset.incident != '{first}'")
        second = current(tab)
        assert page.url.endswith(f"/incidents/510118-%E6%96%B0%E6%B4%A5/{second}")
        page.keyboard.press("ArrowDown")
        tab.wait(f"document.querySelector('.cy-title').dataset.incident != '{second}'")
        page.keyboard.press("k")
        tab.wait(f"document.querySelector('.cy-title').dataset.incident == '{second}'")
        page.keyboard.press("o")
        assert not page.locator(".cy-frame svg").first.is_visible()
        page.keyboard.press("p")
        tab.wait("document.querySelector('.cy-frames').dataset.frame == 'opening'")
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keyboard").wait_for()
        page.get_by_label("Use single keys on this computer").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("k")
        page.go_back()
        tab.wait(f"document.querySelector('.cy-title').dataset.incident != '{second}'")
        assert tab.complaints == []


def test_the_language_is_the_browsers_and_can_be_switched(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder, language="zh-CN") as tab:
        page = tab.page
        assert page.evaluate("document.documentElement.lang") == "zh-CN"
        assert page.title() == "(10) 总览 · CityEye"
        assert page.get_by_role("heading", name="未监看的摄像机").is_visible()
        page.get_by_role("button", name="English").click()
        page.wait_for_function("document.title == '(10) Overview · CityEye'")
        assert page.evaluate("document.documentElement.lang") == "en-US"
        # The choice stays.
        tab.open("/incidents")
        assert page.get_by_role("button", name="Hold as evidence").is_visible()


def test_on_a_phone_the_list_leads_to_the_incident_and_back(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder, phone=True) as tab:
        page = tab.page
        tab.wait("document.querySelectorAll('.cy-worst .cy-item').length == 8")
        assert tab.width() == PHONE["width"]
        page.locator(".cy-nav").get_by_role("link", name="Incidents").click()
        tab.wait("document.querySelectorAll('.cy-queue .cy-item').length == 10")
        assert not page.locator(".cy-title").is_visible()
        page.locator(".cy-queue .cy-item").nth(1).tap()
        page.locator(".cy-title").wait_for()
        assert not page.locator(".cy-queue").is_visible()
        assert tab.width() == PHONE["width"]
        page.go_back()
        page.locator(".cy-queue").wait_for()
        targets = page.evaluate(
            "Array.from(document.querySelectorAll('a, button, select, input')).filter(e =>"
            " e.offsetParent && Math.min(e.offsetWidth, e.offsetHeight) < 24).map(e => e.outerHTML)"
        )
        assert targets == []


def test_restricted_evidence_needs_a_reason_and_is_noted(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder) as tab:
        page = tab.page
        tab.open("/incidents")
        page.locator(".cy-figure:visible").get_by_role("button", name="Unmasked picture").click()
        page.get_by_role("textbox", name="Reason").fill("short")
        page.get_by_role("button", name="Show it").click()
        page.get_by_text("Give a reason of at least 8 characters.").wait_for()
        assert seen_evidence(town) == []
        page.get_by_role("textbox", name="Reason").fill("complaint of a neighbour")
        page.get_by_role("button", name="Show it").click()
        tab.wait("document.querySelector('#cy-evidence-view img')?.naturalWidth == 640")
        assert seen_evidence(town) == ["complaint of a neighbour"]
        page.locator("#cy-evidence").get_by_role("button", name="Close").click()
        # What was seen does not stay in the page.
        page.locator("#cy-evidence-view img").wait_for(state="detached")
        assert tab.complaints == []


def test_a_hold_shows_at_once_and_a_refusal_is_said(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder, language="zh-CN") as tab:
        page = tab.page
        tab.open("/incidents")
        page.get_by_role("button", name="留存为证据").click()
        page.get_by_role("button", name="解除留存").click()
        page.get_by_role("button", name="留存为证据").wait_for()
        page.route("**/hold*", lambda route: route.fulfill(status=403, body="{}"))
        page.get_by_role("button", name="留存为证据").click()
        page.get_by_text("您没有此操作的权限。").wait_for()


def test_what_a_viewer_may_not_do_is_neither_offered_nor_done(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder, scope=Scope.VIEWER) as tab:
        tab.open("/incidents")
        assert tab.page.get_by_role("button", name="Hold as evidence").count() == 0
        url = tab.page.locator(".cy-queue .cy-item").first.get_attribute("data-incident")
        status = f"fetch('/api/incidents/{url}/hold', {{method: 'POST'}}).then(one => one.status)"
        assert tab.page.evaluate(status) == 403


def test_a_change_of_the_incident_leaves_what_somebody_does_alone(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder) as tab:
        page = tab.page
        tab.open("/incidents")
        shown = current(tab)
        page.get_by_role("button", name="As it began").click()
        page.get_by_label("Labels").check()
        page.get_by_role("button", name="Print").focus()
        page.evaluate("document.querySelector('.cy-figure img').same = true")
        number = int(shown.removeprefix("i-"))
        event = city.happened(folder, number, datetime.now(UTC), "started")
        event["id"], event["sequence"] = "changed", f"{5:012d}"
        event["type"] = "cityeye.incident.updated"
        event["data"] |= {"phase": "updated", "revision": 5, "zone": "另一区域"}
        town.client.post(event)
        page.locator(".cy-title").get_by_text("另一区域").wait_for()
        assert page.locator(".cy-frames").get_attribute("data-frame") == "opening"
        assert (
            page.get_by_role("button", name="As it began").get_attribute("aria-pressed") == "true"
        )
        assert page.get_by_label("Labels").is_checked()
        assert page.evaluate("document.activeElement.textContent.trim()") == "Print"
        assert page.evaluate("document.querySelector('.cy-figure img').same")


def test_a_filter_by_hand_and_the_file_of_what_it_leaves(
    browser: Browser, town: Process, folder: Path
) -> None:
    with visitor(browser, town, folder) as tab:
        page = tab.page
        tab.open("/incidents")
        page.get_by_label("Severity").select_option("high")
        page.wait_for_url("**severity=high*")
        tab.wait("document.querySelectorAll('.cy-queue .cy-item').length == 5")
        with page.expect_download() as download:
            page.get_by_role("link", name="Save as CSV").click()
        lines = Path(download.value.path()).read_text("utf-8-sig").strip().splitlines()
        assert len(lines) == 1 + 5
        assert lines[0].startswith("incident_id,city,kind")


def test_a_case_is_worked_to_its_end(browser: Browser, town: Process, folder: Path) -> None:
    with visitor(browser, town, folder) as tab:
        page = tab.page
        tab.open("/incidents?severity=critical")
        page.locator(".cy-queue .cy-item").nth(1).click()
        state = page.locator(".cy-title .cy-case-state")
        page.keyboard.press("c")
        state.get_by_text("confirmed").wait_for()
        # Somebody else sees it in the list.
        page.locator(".cy-queue .cy-case-state").get_by_text("confirmed").wait_for()
        page.keyboard.press("d")
        send = page.locator("#cy-act-send")
        send.click()
        page.get_by_text("Say to whom it goes.").wait_for()
        page.get_by_label("To whom").fill("Team <b>East</b>")
        page.get_by_role("textbox", name="Words for the history").fill("with a truck")
        send.click()
        state.get_by_text("dispatched → Team <b>East</b>").wait_for()
        page.get_by_role("button", name="Resolve").click()
        send.click()
        state.get_by_text("resolved").wait_for()
        said = page.locator(".cy-case").first.inner_text()
        for words in ("confirmed", "→ Team <b>East</b>", "with a truck", "resolved"):
            assert words in said
        page.keyboard.press("n")
        send.click()
        page.get_by_text("Write the note.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Reopen").click()
        send.click()
        state.get_by_text("confirmed").wait_for()
        page.keyboard.press("f")
        send.click()
        page.get_by_text("Choose a reason.").wait_for()
        page.get_by_label("known already").check()
        send.click()
        state.get_by_text("false alarm").wait_for()
        assert tab.complaints == []


def test_two_who_decide_at_once_are_told(browser: Browser, town: Process, folder: Path) -> None:
    with visitor(browser, town, folder, language="zh-CN") as tab:
        page = tab.page
        tab.open("/incidents?kind=traffic.wrong_way")
        page.evaluate("document.querySelector('[data-revision]').dataset.revision = 7")
        page.keyboard.press("c")
        page.get_by_text("其他人刚刚对其作了别的处理，请重新查看。").wait_for()


def test_incidents_are_joined_and_split_again(
    browser: Browser, hub: Process, tmp_path: Path
) -> None:
    city.fill(hub, tmp_path, open_count=3, ended=0)
    with visitor(browser, hub, tmp_path) as tab:
        page, dialog = tab.page, tab.page.locator("dialog[open]")
        tab.open("/incidents?severity=critical")
        page.get_by_role("button", name="Join …").click()
        dialog.get_by_label("The other incident").select_option("i-0")
        dialog.get_by_label("Words for the history").fill("the same cause")
        dialog.get_by_role("button", name="Join").click()
        page.get_by_role("heading", name="One case with").wait_for()
        case = hub.client.json("/api/incidents/i-0/case")
        assert {one["incident_id"] for one in case["incidents"]} == {"i-0", "i-1"}
        assert case["history"][0]["text"] == "the same cause"
        page.get_by_role("button", name="Split off …").click()
        dialog.get_by_role("button", name="Split off").click()
        page.get_by_role("heading", name="One case with").wait_for(state="detached")
        assert len(hub.client.json("/api/incidents/i-0/case")["incidents"]) == 1
        # A filter by case and dates stands in the address, with the time of the browser's zone.
        tab.open("/incidents")
        page.locator("select[name=case]").select_option("new")
        page.wait_for_url("**case=new*")
        page.get_by_text("From a date to a date").click()
        page.locator("input[name=from]").fill("2026-11-20T08:00")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**from=2026-11-20T00%3A00%3A00.000Z*")
        page.reload()
        tab.wait("document.querySelector('[name=from]').value == '2026-11-20T08:00'")
        assert tab.complaints == []
