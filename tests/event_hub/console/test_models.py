"""The page of models: it says what serves, decides only for who may, and shows nothing old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pydantic import SecretStr

from event_hub.city_control import CityControl, ControlSettings
from event_hub.console.language import LanguageCode, languages
from event_hub.console.models import ModelsPage
from event_hub.console.page import CityReading, Visit
from event_hub.console.situation import read_situation
from event_hub.store import EventStore
from pipelines.access import Scope
from tests.event_hub.browser import MISSING, visitor
from tests.event_hub.console import city
from tests.event_hub.console.live_city import live_city
from tests.event_hub.console.model_city import ModelControl
from tests.event_hub.console.reading import Markup, ShownPage
from tests.event_hub.console.test_screens import violations
from tests.event_hub.stand_in import serving


@pytest.fixture
def control() -> Iterator[ModelControl]:
    with serving(ModelControl()) as api:
        yield api


class ModelsReading:
    """The page of a hub that belongs to a city, in a fresh store."""

    def __init__(self, folder: Path, control: ModelControl) -> None:
        url = f"http://127.0.0.1:{control.server_port}"
        way = CityControl(ControlSettings(url=url, token=SecretStr("own"), city="1-E"))
        self.page = ModelsPage(way)
        self._url = f"sqlite:///{folder}/hub.db"

    def shown(
        self, scope: Scope = Scope.ENGINEER, language: LanguageCode = "en", *, fetch: bool = True
    ) -> ShownPage:
        if fetch:
            self.page.fetch()
        store = EventStore(self._url)
        try:
            with store.database.read() as connection:
                situation = read_situation(connection, store.heard)
                reading = CityReading(connection, store.heard, situation)
                visit = Visit("models", {}, {}, languages()[language], scope)
                return ShownPage(self.page.read(reading, visit), situation)
        finally:
            store.close()


@pytest.fixture
def models(tmp_path: Path, control: ModelControl) -> ModelsReading:
    return ModelsReading(tmp_path, control)


def test_what_serves_is_said_with_its_accuracy(models: ModelsReading) -> None:
    assert "Asking the control API" in models.shown(fetch=False).text
    said = models.shown().text
    assert "stable version 1" in said
    # The evaluation of other bytes is newer, and says nothing of these.
    assert "AP50 0.63 on district-frames, 128 images" in said
    assert "of-before" not in said
    assert "4cam-1, cam-2, cam-3, cam-4" in said
    assert "Nobody has changed anything yet." in said


def test_a_shadow_is_compared_and_a_young_one_has_no_numbers(
    models: ModelsReading, control: ModelControl
) -> None:
    control.table = control.table.model_copy(update={"shadow": "2"})
    said = models.shown().text
    assert "traffic/1 and its shadow traffic/2 on the same frames" in said
    assert "objects that both found 80%" in said
    # Nobody has evaluated this one; what was measured when it was built is not hidden.
    assert re.search(r"AP50 0\.79 measured when it was built, on \d+ images", said)
    assert "not evaluated" not in said
    assert "210 MiB of memory" in said
    assert "incidents only of traffic/2 1" in said
    assert "The shadow was too slow for 7 frames" in said
    control.thin = True
    young = models.shown().text
    assert "objects that both found –" in young
    assert "frames 0" in young


@pytest.mark.parametrize("fault", [500, 503, 404])
def test_what_was_known_goes_when_the_control_api_does(
    models: ModelsReading, control: ModelControl, fault: int
) -> None:
    assert "stable version 1" in models.shown().text
    control.fault = fault
    said = models.shown().text
    assert "The control API does not answer." in said
    assert "traffic" not in said
    control.fault = 0
    assert "stable version 1" in models.shown().text


def test_a_viewer_sees_and_is_offered_nothing(models: ModelsReading) -> None:
    for scope, offered in ((Scope.VIEWER, 0), (Scope.OPERATOR, 0), (Scope.ENGINEER, 3)):
        shown = models.shown(scope)
        assert "stable version 1" in shown.text
        assert shown.html.count("data-open=") == offered


def test_what_people_wrote_in_the_ledger_becomes_no_markup(
    models: ModelsReading, control: ModelControl
) -> None:
    evil = "<img src=x onerror=alert(1)>{{7*7}}"
    control.decide("rollout", {"shadow": "2"}, evil)
    html = models.shown().html
    assert f"{evil} by event hub" in Markup(html).words
    assert "img" not in Markup(html).tags


def test_a_version_that_was_not_admitted_cannot_be_chosen(models: ModelsReading) -> None:
    html = models.shown().html
    assert '<option value="4" disabled>4 (not admitted)</option>' in html
    assert '<option value="1"' not in html


pytest_browser = pytest.mark.skipif(MISSING, reason="chromium is not installed")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest_browser
def test_an_engineer_tries_promotes_and_rolls_back(browser: Browser, tmp_path: Path) -> None:
    with (
        live_city(tmp_path, city.CITY, ModelControl()) as (hub, api),
        visitor(browser, hub, tmp_path, scope=Scope.ENGINEER) as tab,
    ):
        page = tab.page
        page.get_by_role("link", name="Models").click()
        page.get_by_text("stable version 1").wait_for()
        page.get_by_role("button", name="Start a canary …").click()
        dialog = page.locator("dialog[open]")
        assert violations(tab) == []
        dialog.get_by_label("Version").select_option("2")
        dialog.get_by_label("Cameras").fill("no-such-camera")
        dialog.get_by_label("Reason").fill("new weights of November")
        dialog.get_by_role("button", name="Start it").click()
        # The refusal names what is wrong, and nothing has changed.
        dialog.get_by_text("no-such-camera").wait_for()
        assert api.table.canary is None
        dialog.get_by_label("Cameras").fill("50%")
        dialog.get_by_role("button", name="Start it").click()
        page.get_by_text("Canary: version 2 on 2 of 4 cameras").wait_for()
        page.get_by_role("button", name="Promote version 2 …").click()
        dialog.get_by_label("Reason").fill("short")
        dialog.get_by_role("button", name="Promote").click()
        assert api.table.stable == "1", "a reason is asked for"
        dialog.get_by_label("Reason").fill("better on two cameras for a day")
        dialog.get_by_role("button", name="Promote").click()
        page.get_by_text("stable version 2").wait_for()
        page.get_by_role("button", name="Roll back to a version …").click()
        dialog.get_by_label("Version").select_option("3")
        dialog.get_by_label("Reason").fill("false alarms in the rain")
        dialog.get_by_role("button", name="Roll back").click()
        page.get_by_text("stable version 3").wait_for()
        page.get_by_text("Who changed versions, when and why").click()
        page.get_by_role("cell", name="better on two cameras for a day").wait_for()
        # Who was behind the session stands in the ledger, and in the hub's own trail.
        assert [line.who for line in api.ledger] == ["console session by event hub"] * 3
        noted = hub.client.json("/api/audit", action="model.changed")["entries"]
        assert len(noted) == 4
        assert violations(tab) == []
        complaints = [one for one in tab.complaints if "409" not in one]
        assert complaints == []


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest_browser
def test_a_viewer_can_do_nothing_to_models(browser: Browser, tmp_path: Path) -> None:
    with (
        live_city(tmp_path, city.CITY, ModelControl()) as (hub, api),
        visitor(browser, hub, tmp_path, language="zh-CN", scope=Scope.VIEWER) as tab,
    ):
        tab.open("/models")
        tab.page.get_by_text("稳定版本 1").wait_for()
        assert tab.page.locator("[data-open]").count() == 0
        for verb in ("promote", "rollback", "rollout"):
            url = f"/api/models/{city.CITY}/traffic/{verb}"
            body = "JSON.stringify({reason: 'because I want to'})"
            how = (
                f"{{method: 'POST', headers: {{'Content-Type': 'application/json'}}, body: {body}}}"
            )
            assert tab.page.evaluate(f"fetch('{url}', {how}).then(one => one.status)") == 403
        assert (api.table.stable, api.ledger) == ("1", [])
        assert violations(tab) == []
