"""Two districts on one hub: what has one name in both is two things, on every surface."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from event_hub import queries
from event_hub.console.language import languages
from event_hub.console.words import CodeWords
from event_hub.incidents import IncidentFilter, incident_page
from pipelines.event_identity import camera_source, city_of, worker_source
from tests.event_hub.conftest import Client
from tests.event_hub.console.reading import Markup, Store
from tests.event_hub.samples import (
    camera_state,
    heartbeat,
    in_city,
    incident,
    keyframe,
    notice,
    picture,
)
from tests.event_hub.test_store import add, opened

XINJIN, DAYI = "510118-Xinjin", "510129-Dayi"
GATE = {"id": "gate-1", "name": "North Gate", "place": {}}
KEY = "kf-30d/v1/2026/11/20/gate-1/04/a.jpg"


def life(city: str, state: str, shade: int) -> list[dict[str, Any]]:
    """The same names and numbers in each city."""
    kf = [keyframe(KEY, picture(shade))]
    events = [
        camera_state("gate-1", state, 1),
        incident("jam", camera=GATE, keyframes=kf),
        incident("bag", 2, "ended", camera=GATE),
    ]
    return [in_city(event, city) for event in events]


BOTH = [*life(XINJIN, "offline", 60), *life(DAYI, "online", 200)]


@pytest.fixture
def districts(hub: Client, tmp_path: Path) -> Client:
    for event in BOTH:
        assert hub.post(event).json() == {"stored": 1, "duplicates": 0}
    hub.post(in_city(heartbeat({"gate-1": "online"}, number=1, incarnation=1), DAYI))
    (tmp_path / "kf" / KEY).parent.mkdir(parents=True)
    (tmp_path / "kf" / KEY).write_bytes(picture(200))
    return hub


def test_cameras_of_one_name_are_two_and_each_is_heard_for_itself(districts: Client) -> None:
    listing = districts.json("/api/cameras")
    states = [(one["city"], one["camera"]["id"], one["state"]) for one in listing["cameras"]]
    assert states == [(XINJIN, "gate-1", "silent"), (DAYI, "gate-1", "online")]
    assert listing["online"] == 1
    (one,) = districts.json("/api/cameras", city=XINJIN)["cameras"]
    assert "last known: offline" in one["reason"]
    assert len(districts.json("/api/cameras", camera="gate-1")["cameras"]) == 2
    assert districts.json("/api/cameras", camera="yard")["cameras"] == []


def test_incidents_of_one_id_are_two(districts: Client) -> None:
    def cities(**query: str) -> list[str]:
        return [one["city"] for one in districts.json("/api/incidents", **query)["incidents"]]

    assert sorted(cities()) == [XINJIN, XINJIN, DAYI, DAYI]
    assert sorted(cities(state="open")) == [XINJIN, DAYI]
    assert cities(state="open", city=DAYI) == [DAYI]
    assert districts.json("/health")["open_incidents"] == 2
    assert districts.get("/api/incidents/jam").status == 409
    record = districts.json("/api/incidents/jam", city=XINJIN)
    assert (record["incident"]["city"], len(record["history"])) == (XINJIN, 1)
    assert districts.get("/api/incidents/jam", city="nowhere").status == 404


def test_pages_walk_through_equal_ids_too(districts: Client) -> None:
    seen, query = [], {"limit": "1"}
    for _ in range(4):
        page = districts.json("/api/incidents", **query)
        seen += [(one["incident_id"], one["city"]) for one in page["incidents"]]
        query["before"] = page["next_before"] or ""
    assert sorted(seen) == sorted(itertools.product(("jam", "bag"), (XINJIN, DAYI)))
    assert page["next_before"] is None


def test_events_are_filtered_by_city_and_camera(districts: Client) -> None:
    def sources(**query: str) -> set[str]:
        return {one["event"]["source"] for one in districts.json("/api/events", **query)["events"]}

    assert sources(city=DAYI) == {camera_source(DAYI, "gate-1")}
    assert sources(city=DAYI.lower()) == set()
    assert len(sources(camera="gate-1")) == 2
    assert sources(city=DAYI, camera="yard") == set()


def test_notices_of_workers_of_one_name_are_apart_and_of_no_camera(districts: Client) -> None:
    # A worker may be called like a camera, and like one of another city.
    for city in (XINJIN, DAYI):
        sent = in_city(notice("gate-1"), city)
        assert districts.post(sent).json() == {"stored": 1, "duplicates": 0}
        assert districts.post(sent).json() == {"stored": 0, "duplicates": 1}

    def stored(**query: str) -> list[dict[str, Any]]:
        found = districts.json("/api/events", **query)["events"]
        return [one["event"] for one in found]

    (of_dayi,) = stored(type="cityeye.worker.notice", city=DAYI)
    assert of_dayi["source"] == worker_source(DAYI, "gate-1")
    assert of_dayi["data"]["values"] == {"count": 3}
    assert len(stored(type="cityeye.worker.notice")) == 2
    assert all("notice" not in event["type"] for event in stored(camera="gate-1"))
    assert len(districts.json("/api/cameras")["cameras"]) == 2


def test_a_keyframe_is_that_of_its_city(districts: Client) -> None:
    # Both stores have this key; the hub reads the one of Dayi.
    path = f"/api/keyframes/{KEY}"
    assert districts.get(path, city=DAYI).data == picture(200)
    assert districts.get(path).data == picture(200)
    assert districts.get(path, city=XINJIN).status == 502
    assert districts.get(path, city="nowhere").status == 404


def test_the_console_names_the_city_where_there_are_two(tmp_path: Path) -> None:
    shown = Store(tmp_path).page("incidents", *BOTH, state="all")
    html = list(shown.content.lists["queue"].values())
    assert len({Markup(one).words for one in html}) == 4
    assert sum("Xinjin (510118)" in Markup(one).words for one in html) == 2
    links = [link for one in html for link in Markup(one).values("href")]
    assert len(set(links)) == 4
    blind = Store(tmp_path).page("overview").said("blind")
    assert "Xinjin (510118)" in blind
    assert "Dayi (510129)" in blind


def test_the_console_names_no_city_where_there_is_one(tmp_path: Path) -> None:
    events = [*life(DAYI, "online", 90), camera_state("gate-1", "offline")]
    shown = Store(tmp_path).page("incidents", *events, state="all")
    (camera,) = shown.situation.cameras
    assert camera.city == DAYI
    assert "Dayi (510129)" not in shown.text


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_names_no_city_is_of_the_one_that_has_it(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    # As after an update: the worker's old outbox still has events of the program before.
    old = incident("jam", camera=GATE)
    new = in_city(incident("jam", 2, "ended", camera=GATE), DAYI, incarnation=5)
    sent = [[camera_state("gate-1", "online"), old], [*life(DAYI, "degraded", 90)[:1], new]]
    with opened(tmp_path) as store:
        for index in order:
            add(store, *sent[index])
        with store.database.read() as connection:
            (one,) = incident_page(connection, IncidentFilter(), 9).incidents
            (camera,) = queries.camera_list(connection, store.heard).cameras
    assert (one.city, one.phase) == (DAYI, "ended")
    assert (camera.city, camera.previous) == (DAYI, "degraded")


@pytest.mark.parametrize("city", ["510118-Xinjin", "新津", "a/b", "x%2Fy", "", "a.b c"])
def test_a_source_gives_its_city_back(city: str) -> None:
    assert city_of(camera_source(city, "gate/1")) == city
    assert city_of(worker_source(city, "worker-0")) == city


@pytest.mark.parametrize(
    "source", ["", "cityeye/worker-0", "/cityeye/a/b", "other/a/b", "cityeye/a%0Ab/c", "cityeye"]
)
def test_other_sources_have_no_city(source: str) -> None:
    assert city_of(source) == ""


def test_a_city_reads_as_people_call_it() -> None:
    names = [
        CodeWords(languages()["en"]).city(one)
        for one in (XINJIN, "Xinjin", "old-town", "510118", "")
    ]
    assert names == ["Xinjin (510118)", "Xinjin", "old-town", "510118", ""]
