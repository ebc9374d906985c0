"""The page of a camera: drawing by mouse, finger and keyboard, saving, and what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator

from pipelines.access import Scope
from tests.cityeye.editing.city import APPROACH, CITY, City
from tests.event_hub.browser import MISSING, Tab, visitor
from tests.event_hub.console.drawn_city import NAME, Workers, drawn_city
from tests.event_hub.console.test_screens import VIEWS, keep, violations
from tests.event_hub.process import Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]

GATE = f"/cameras/{NAME}/gate"
SQUARE = [(0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4)]
CROSSED = [(0.1, 0.1), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4)]
Drawn = tuple[Process, City, Workers]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Drawn]:
    with drawn_city(folder) as drawn:
        yield drawn


@pytest.fixture
def drawn(shared: Drawn) -> Drawn:
    """The city as it was at the beginning."""
    _, city, workers = shared
    workers.kept, workers.is_away, city.faults = None, False, {}
    city.write(CITY)
    assert city.changes.apply(dry_run=False).done
    return shared


def force(tab: Tab, state: str) -> Locator:
    """What the page says of the drawing, once it says so."""
    tab.wait(f"document.getElementById('cy-force')?.dataset.force == '{state}'")
    return tab.page.locator("#cy-force")


def opened(tab: Tab, path: str = GATE) -> Locator:
    """The image of the camera's page, once it is there and the drawing is in force."""
    tab.open(path)
    tab.page.locator("#cy-stage[data-now]").wait_for()
    force(tab, "yes")
    return tab.page.locator("#cy-canvas")


def click(image: Locator, *points: tuple[float, float]) -> None:
    box = image.bounding_box()
    assert box is not None
    for x, y in points:
        image.click(position={"x": x * box["width"], "y": y * box["height"]})


def draw(tab: Tab, image: Locator, kind: str, *points: tuple[float, float]) -> None:
    tab.page.locator(f"[data-new={kind}]").click()
    click(image, *points)
    done = tab.page.locator("#cy-drawn-done")
    if done.is_visible():
        done.click()


def camera_of(city: City, name: str = "gate") -> Any:
    return next(one for one in city.changes.config.settings.cameras if one.id == name)


def engineer(browser: Browser, drawn: Drawn, folder: Path, **how: Any) -> Any:
    return visitor(browser, drawn[0], folder, scope=Scope.ENGINEER, **how)


def test_all_kinds_are_drawn_by_clicks_and_saved_as_one_change(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    _, city, _ = drawn
    given = len(city.given)
    with engineer(browser, drawn, folder) as tab:
        image = opened(tab)
        draw(tab, image, "zones", *SQUARE)
        tab.page.get_by_label("What it is called").fill("park")
        tab.page.get_by_role("button", name="Draw the direction of traffic").click()
        click(image, (0.2, 0.2), (0.2, 0.35))
        draw(tab, image, "lines", (0.2, 0.8), (0.8, 0.8))
        tab.page.get_by_role("button", name="Swap the sides").click()
        draw(tab, image, "masks", *SQUARE)
        tab.page.get_by_text("When tasks are armed").click()
        tab.page.locator("#cy-schedule-rows textarea").fill("mon-fri 07:00-19:00")
        assert "Not saved" in force(tab, "unsaved").inner_text()
        assert camera_of(city).lines == {}, "nothing is saved by drawing"
        tab.page.get_by_role("button", name="Save", exact=True).click()
        assert "In force" in force(tab, "yes").inner_text()
        assert len(city.given) == given + 1, "the camera is opened anew once"
        camera = camera_of(city)
        assert camera.zones["park"][2] == pytest.approx((0.4, 0.4), abs=0.01)
        assert camera.directions["park"][1] == pytest.approx((0.2, 0.35), abs=0.01)
        assert camera.lines["line-1"][0] == pytest.approx((0.8, 0.8), abs=0.01)
        assert list(camera.masks) == ["mask-1"]
        task = camera.tasks["traffic"]
        assert (task.zones, task.lines) == (("approach", "park"), ("line-1",))
        assert task.schedule == ("mon-fri 07:00-19:00",)
        assert "# measured in May" in city.text
        assert tab.complaints == []


def test_a_zone_is_drawn_by_keys_alone(browser: Browser, drawn: Drawn, folder: Path) -> None:
    _, city, _ = drawn
    with engineer(browser, drawn, folder) as tab:
        opened(tab)
        keys = tab.page.keyboard
        tab.page.locator("[data-new=zones]").focus()
        keys.press("Enter")
        keys.press("Enter")  # the cross stands in the middle
        for _ in range(5):
            keys.press("ArrowRight")
        keys.press("Enter")
        keys.press("ArrowUp")
        keys.press("Enter")
        keys.press("Backspace")
        for _ in range(5):
            keys.press("ArrowDown")
        keys.press("Shift+ArrowDown")
        keys.press("Enter")
        tab.page.locator("#cy-drawn-done").focus()
        keys.press("Enter")
        keys.press("Control+A")
        keys.type("by-keys")
        points = tab.page.locator(".cy-point")
        points.nth(0).focus()
        keys.press("ArrowLeft")
        keys.press("+")
        assert points.count() == 4
        keys.press("Delete")
        assert points.count() == 3
        said = points.nth(1).get_attribute("aria-label")
        assert said == "Point 2 of 3 of by-keys: 60 % from the left, 50 % from the top"
        row = tab.page.locator("#cy-point-rows tr").nth(2).locator("input")
        row.nth(0).fill("33.3")
        keys.press("Tab")
        tab.page.locator("#cy-save").focus()
        keys.press("Enter")
        force(tab, "yes")
    zone = camera_of(city).zones["by-keys"]
    assert zone == ((0.49, 0.5), (0.6, 0.5), (0.333, pytest.approx(0.582)))


def test_points_move_by_drag_by_two_clicks_and_back(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    _, city, _ = drawn
    with engineer(browser, drawn, folder) as tab:
        image = opened(tab)
        tab.page.locator("#cy-shapes button").click()
        box = image.bounding_box()
        assert box is not None
        tab.page.locator(".cy-point").nth(0).hover()
        tab.page.mouse.down()
        tab.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
        tab.page.mouse.up()
        tab.page.locator(".cy-point").nth(2).click()
        click(image, (0.7, 0.8))
        tab.page.locator("#cy-save").click()
        force(tab, "yes")
        zone = camera_of(city).zones["approach"]
        assert zone[0] == pytest.approx((0.3, 0.6), abs=0.01)
        assert zone[2] == pytest.approx((0.7, 0.8), abs=0.01)
        # A step that is not saved goes back by itself, a saved change by the history.
        tab.page.locator("#cy-remove").click()
        assert tab.page.locator("#cy-shapes button").count() == 0
        assert "watches the whole image" in tab.page.locator("#cy-shapes").inner_text()
        tab.page.locator("#cy-back").click()
        assert tab.page.locator("#cy-shapes button").count() == 1
        assert tab.page.locator("#cy-save").is_disabled()
        tab.page.locator("#cy-undo").click()
        tab.page.locator("#cy-taking-back").wait_for()
        assert "camera gate: changed" in tab.page.locator("#cy-taking-back-what").inner_text()
        tab.page.locator("#cy-taking-back-do").click()
        tab.page.locator("#cy-taking-back").wait_for(state="hidden")
        force(tab, "yes")
        assert [list(one) for one in camera_of(city).zones["approach"]] == APPROACH


def test_what_is_not_valid_is_said_at_its_shape_in_both_languages(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    _, city, _ = drawn
    before = city.text
    for language, says in (("en-US", "edges cross near"), ("zh-CN", "相交")):
        with engineer(browser, drawn, folder, language=language) as tab:
            image = opened(tab)
            draw(tab, image, "masks", *SQUARE)
            draw(tab, image, "zones", *CROSSED)
            tab.page.locator("#cy-save").click()
            problem = tab.page.locator("#cy-shapes li", has_text=says)
            problem.wait_for()
            assert "-1" in problem.inner_text()
            assert tab.page.locator("#cy-shapes .cy-problem").count() == 1
            assert tab.page.locator("#cy-drawn .cy-zones.cy-wrong").count() == 1
            force(tab, "unsaved")
            # Two of one name would become one.
            tab.page.locator("#cy-shape [name=name]").fill("approach")
            tab.page.locator("#cy-save").click()
            assert tab.page.locator("#cy-shapes .cy-problem").count() == 1
    assert city.text == before


def test_in_force_is_said_only_of_what_the_worker_has(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    _, city, workers = drawn
    with engineer(browser, drawn, folder) as tab:
        image = opened(tab)
        workers.kept = workers.plans
        draw(tab, image, "zones", *SQUARE)
        tab.page.locator("#cy-save").click()
        assert "Not in force yet" in force(tab, "no").inner_text()
        assert "zone-1" in camera_of(city).zones
        tab.page.wait_for_timeout(2500)
        force(tab, "no")
        workers.is_away = True
        assert "not known" in force(tab, "unknown").inner_text()
        tab.page.locator("#cy-stage:not([data-now])").wait_for()
        workers.is_away, workers.kept = False, None
        force(tab, "yes")
        # Who watches a zone is part of it.
        workers.kept = workers.plans
        tab.page.get_by_role("checkbox", name="traffic").uncheck()
        assert "nothing comes of it" in tab.page.locator("#cy-shapes").inner_text()
        tab.page.locator("#cy-save").click()
        force(tab, "no")
        workers.kept = None
        force(tab, "yes")
        city.faults = {"gate": "camera gate: not changed (OSError)"}
        tab.page.get_by_role("checkbox", name="traffic").check()
        tab.page.locator("#cy-save").click()
        tab.page.locator("#cy-force", has_text="not changed (OSError)").wait_for()
        city.faults = {}


def test_the_stream_is_open_only_while_somebody_sees_it(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    hub, _, workers = drawn
    with visitor(browser, hub, folder, scope=Scope.VIEWER) as tab:
        tab.page.set_viewport_size({"width": 1800, "height": 900})
        tab.open(GATE)
        tab.page.locator("#cy-stage[data-now]").wait_for()
        assert all(one.boxes for one in workers.streamed[-3:])
        tab.page.get_by_label("Boxes").uncheck()
        tab.page.wait_for_timeout(3000)
        assert not any(one.boxes for one in workers.streamed[-3:])
        tab.page.evaluate("document.getElementById('cy-stage').style.marginTop = '3000px'")
        tab.page.wait_for_timeout(3000)
        before = len(workers.streamed)
        tab.page.wait_for_timeout(2000)
        assert len(workers.streamed) == before
        tab.page.evaluate("document.getElementById('cy-stage').style.marginTop = ''")
        tab.page.wait_for_timeout(5000)
        assert len(workers.streamed) > before
        tab.open("/cameras")
        tab.page.wait_for_timeout(2000)
        before = len(workers.streamed)
        tab.page.wait_for_timeout(2000)
        assert len(workers.streamed) == before


def test_two_who_draw_at_once_do_not_overwrite_each_other(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    _, city, _ = drawn
    with engineer(browser, drawn, folder) as mine, engineer(browser, drawn, folder) as theirs:
        image = opened(mine)
        draw(mine, image, "zones", *SQUARE)
        draw(theirs, opened(theirs, f"/cameras/{NAME}/yard"), "masks", *SQUARE)
        theirs.page.locator("#cy-save").click()
        force(theirs, "yes")
        mine.page.locator("#cy-save").click()
        force(mine, "yes")  # another camera is no conflict
        assert set(camera_of(city).zones) == {"approach", "zone-1"}
        draw(theirs, opened(theirs), "lines", (0.2, 0.8), (0.8, 0.8))
        draw(mine, image, "masks", *SQUARE)
        mine.page.locator("#cy-save").click()
        force(mine, "yes")
        theirs.page.locator("#cy-save").click()
        theirs.page.locator("#cy-keep").wait_for()
        assert camera_of(city).lines == {}
        theirs.page.locator("#cy-keep").click()
        force(theirs, "yes")
        assert list(camera_of(city).lines) == ["line-1"]
        assert list(camera_of(city).masks) == ["mask-1"], "what mine did stays"
        mine.page.locator("#cy-shapes button", has_text="line-1").wait_for()


def test_who_may_not_change_anything_sees_it_and_has_no_buttons(
    browser: Browser, drawn: Drawn, folder: Path
) -> None:
    hub, city, _ = drawn
    before = city.text
    with visitor(browser, hub, folder, scope=Scope.OPERATOR) as tab:
        tab.open(GATE)
        force(tab, "yes")
        assert tab.page.locator("#cy-drawn polygon").count() == 1
        assert tab.page.locator("#cy-canvas").is_hidden()
        assert tab.page.locator("#cy-save, [data-new], [data-ask]").count() == 0
        status = tab.page.evaluate(
            "fetch(document.getElementById('cy-editor').dataset.api + '/places', {method: 'PUT',"
            " headers: {'Content-Type': 'application/json'}, body: '{}'}).then(a => a.status)"
        )
        assert status == 403
    assert city.text == before


def test_a_camera_is_removed_after_a_question(browser: Browser, drawn: Drawn, folder: Path) -> None:
    _, city, _ = drawn
    with engineer(browser, drawn, folder) as tab:
        opened(tab, f"/cameras/{NAME}/yard")
        tab.page.get_by_role("button", name="Remove this camera").click()
        assert "堆场" in tab.page.locator("#cy-removal").inner_text()
        tab.page.locator("#cy-removal [data-close]").click()
        assert len(city.changes.config.settings.cameras) == 2
        tab.page.get_by_role("button", name="Remove this camera").click()
        tab.page.locator("#cy-removal-do").click()
        tab.page.wait_for_url("**/cameras")
        assert [one.id for one in city.changes.config.settings.cameras] == ["gate"]


@pytest.mark.parametrize(("language", "scheme", "phone"), VIEWS)
def test_the_page_is_accessible(
    browser: Browser, drawn: Drawn, folder: Path, language: str, scheme: str, phone: bool
) -> None:
    how = {"language": language, "scheme": scheme, "phone": phone}
    with engineer(browser, drawn, folder, **how) as tab:
        image = opened(tab)
        assert violations(tab) == []
        tab.page.locator("#cy-shapes button").click()
        kind = "-phone" if phone else ""
        keep(tab, f"camera-{language[:2]}{kind}{'-dark' if scheme == 'dark' else ''}")
        tab.page.locator("[data-new=zones]").click()
        assert violations(tab) == []
        click(image, *CROSSED)
        tab.page.locator("#cy-drawn-done").click()
        tab.page.locator("#cy-save").click()
        tab.page.locator("#cy-shapes .cy-problem").wait_for()
        tab.page.get_by_role("group").locator("summary").last.click()
        assert violations(tab) == []
        assert tab.width() <= (390 if phone else 1440)
        assert [one for one in tab.complaints if "422" not in one] == []
