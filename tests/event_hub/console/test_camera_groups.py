"""Pages for who is limited to camera groups: nothing of other cameras stands on any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from event_hub.console.page import Visit
from event_hub.people.visible import Visible
from tests.event_hub.console.reading import PAGES, Store
from tests.event_hub.samples import camera_state, incident

NORTH = Visible((("gate-1", "", ""),))
HERE, THERE = {"id": "gate-1", "name": "North Gate"}, {"id": "yard", "name": "Hidden Yard"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    events = [
        incident("i-here", camera=HERE, zone="Lane of the gate"),
        incident("i-there", camera=THERE, zone="Corner of the yard", severity="critical"),
        incident("i-over", 2, "ended", camera=THERE, zone="Corner of the yard"),
    ]
    for camera in (HERE, THERE):
        state = camera_state(camera["id"])
        state["data"]["camera"] = camera
        events.append(state)
    made.page("overview", *events)
    return made


ELSEWHERE = {"models", "reports"}
"""The one is closed to whoever is limited to groups, the other is about what was before."""


@pytest.mark.parametrize("name", sorted(PAGES.keys() - ELSEWHERE))
@pytest.mark.parametrize("state", ["open", "ended", "all"])
def test_nothing_of_other_cameras_is_shown(store: Store, name: str, state: str) -> None:
    whole = store.page(name, state=state)
    assert "Yard" in whole.html
    part = store.page(name, state=state, sees=NORTH)
    assert "North Gate" in part.html
    for word in ("Yard", "yard", "i-there", "i-over"):
        assert word not in part.html, word
    assert (part.situation.open, part.situation.grave, part.situation.ended) == (1, 0, 0)


def test_an_incident_of_another_camera_is_not_there(store: Store) -> None:
    route = {"city": "-", "incident": "i-there"}
    assert "Corner of the yard" in store.page("incidents", route=route).html
    assert "Corner of the yard" not in store.page("incidents", route=route, sees=NORTH).html


def test_a_report_is_of_the_cameras_that_are_seen(store: Store) -> None:
    day = "2026-11-20"
    whole = store.page("reports", date=day, time_zone="UTC")
    assert "Hidden Yard" in whole.html
    assert "incidents opened 3" in whole.text
    # The same page keeps reports for some seconds, each for those who see the same.
    part = store.page("reports", sees=NORTH, date=day, time_zone="UTC")
    assert "Hidden Yard" not in part.html
    assert "North Gate" in part.html
    assert "incidents opened 1" in part.text


def test_two_who_see_different_cameras_do_not_share_a_reading() -> None:
    from event_hub.console.language import languages
    from pipelines.access import Scope

    visit = Visit("overview", {}, {}, languages()["en"], Scope.VIEWER)
    limited = Visit("overview", {}, {}, languages()["en"], Scope.VIEWER, groups=("north",))
    assert visit.key != limited.key
    assert limited.at(city="a", incident="b").groups == ("north",)
