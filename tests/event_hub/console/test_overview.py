import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from event_hub.answers import CameraStatus
from event_hub.console.place_map import APART, HEIGHT, WIDTH, place_map
from tests.event_hub.console.reading import Markup, Store
from tests.event_hub.samples import START, camera_state, heartbeat, in_city, incident


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_quiet_and_blind_read_differently(store: Store) -> None:
    beats = itertools.count(1)

    def line(states: dict[str, str]) -> str:
        heard = [heartbeat(states, next(beats))] if states else []
        return store.page("overview", *heard).said("worst-head").removeprefix("The worst first ")

    assert line({}) == "No incident known, and no camera is watching."
    assert line({"a": "online"}) == "No incident. 1 of 1 cameras are watching."
    some = line({"a": "online", "b": "degraded"})
    assert some == "No incident. 1 of 2 cameras are watching."
    assert "no camera is watching" in line({"a": "offline", "b": "stopped"})


def test_silent_cameras_are_not_watching(store: Store) -> None:
    shown = store.page("overview", camera_state("a"), camera_state("b"), heartbeat({"a": "online"}))
    assert (shown.situation.watching, len(shown.situation.cameras)) == (1, 2)
    said = shown.said("blind")
    assert said.startswith("Cameras that do not watch B not watching")
    assert "nothing heard since this hub started; last known: watching" in said
    assert "cameras watching 1/2" in shown.said("tiles")
    # The hub that reads this has heard of nobody yet.
    later = store.page("overview")
    assert later.situation.is_silent
    assert "no camera is watching" in later.said("worst-head")


def test_a_stopped_camera_says_why_and_an_unknown_reason_stays_as_it_is(store: Store) -> None:
    stopped = camera_state("a", "stopped", 2)
    stopped["data"]["reason"] = "CityEye was stopped"
    odd = camera_state("b", "stopped", 2)
    odd["data"]["reason"] = "the moon was full"
    shown = store.page("overview", stopped, odd, language="zh")
    assert "CityEye 已停止" in shown.said("blind")
    assert '<span lang="en">the moon was full</span>' in shown.content.parts["blind"]


def test_the_page_is_bounded_and_says_so(store: Store) -> None:
    many = [incident(f"i-{n}") for n in range(20)]
    states = {f"c-{n}": "offline" for n in range(40)}
    shown = store.page("overview", *many, heartbeat(states))
    assert len(shown.content.lists["worst"]) == 8
    assert shown.said("worst-more") == "12 more open incidents"
    assert "and 10 more" in shown.said("blind")


def test_open_incidents_stand_on_their_camera_with_the_worst_severity(store: Store) -> None:
    place = {"lon": 103.81, "lat": 30.41, "division": "510118"}
    camera = {"id": "cam-1", "name": "North Gate", "place": place}
    beat = heartbeat({"cam-1": "online", "cam-2": "online"})
    beat["data"]["cameras"][0]["camera"] = camera
    events = [incident(f"i-{n}", camera=camera, severity=s) for n, s in enumerate(["low", "high"])]
    ended = incident("over", 2, "ended", camera=camera, severity="critical")
    shown = store.page("overview", beat, *events, ended)
    plan = shown.part("plan")
    assert "North Gate: watching, 2 open" in plan.values("aria-label")
    assert any("cy-worst-high" in str(css) for css in plan.values("class"))
    assert not any("cy-worst-critical" in str(css) for css in plan.values("class"))
    assert "/incidents?camera=%2Fcam-1" in plan.values("href")
    # A camera without a place is not forgotten.
    assert "Cam-2" in shown.said("places")


def test_two_cities_are_told_apart(store: Store) -> None:
    events = [in_city(incident("a"), "1-East"), in_city(incident("b"), "2-West")]
    (one, two) = store.page("overview", *events).content.lists["worst"].values()
    assert {"East (1)", "West (2)"} == {
        re.sub(r".*Lane 2 (.*\)).*", r"\1", " ".join(Markup(row).words.split()))
        for row in (one, two)
    }


def status(name: str, lon: float | None, lat: float | None) -> CameraStatus:
    camera: Any = {"id": name, "place": {"lon": lon, "lat": lat}}
    return CameraStatus(
        camera=camera, state="online", previous="", reason="", since=START, city="",
        reported_at=START, received_at=START,
    )  # fmt: skip


def test_the_plan_has_north_above_and_east_on_the_right() -> None:
    plan = place_map(
        [status("sw", 103.80, 30.40), status("ne", 103.82, 30.42), status("lost", None, None)]
    )
    at = {mark.camera.camera.id: (mark.x, mark.y) for mark in plan.marks}
    assert at["ne"][0] > at["sw"][0]
    assert at["ne"][1] < at["sw"][1]
    assert [one.camera.id for one in plan.elsewhere] == ["lost"]
    # 0.02 degrees of latitude are 2226 m, whatever they are of longitude there.
    metres = plan.bar_m / plan.bar
    assert (at["sw"][1] - at["ne"][1]) * metres == pytest.approx(2226, rel=0.01)
    assert (at["ne"][0] - at["sw"][0]) * metres == pytest.approx(2226 * 0.8624, rel=0.01)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_cameras_at_one_spot_do_not_cover_each_other(count: int) -> None:
    plan = place_map([status(f"c{n}", 103.8, 30.4) for n in range(count)])
    spots = [(mark.x, mark.y) for mark in plan.marks]
    for one, other in itertools.combinations(spots, 2):
        assert (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 >= (APART - 0.2) ** 2
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in spots)
