"""Map tiles behind the plan: the right ones, at their place, and only from where they may come."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from event_hub import HubSettings, MapTiles
from event_hub.access import content_security_policy
from event_hub.console.language import languages
from event_hub.console.overview import OverviewPage
from event_hub.console.page import Visit
from event_hub.console.place_map import HEIGHT, WIDTH, place_map
from event_hub.envelope import parse_event
from event_hub.store import EventStore
from pipelines.access import Scope
from tests.event_hub.console.reading import shown_page
from tests.event_hub.console.test_overview import status
from tests.event_hub.samples import camera_state, dump

URL = "https://tiles.city.example:8443/map/{z}/{x}/{y}.png"
TILES = MapTiles(url=URL, attribution="Survey <of> the city")


def test_tiles_cover_the_plan_and_join() -> None:
    cameras = [status("a", 103.811, 30.410), status("b", 103.828, 30.415)]
    tiles = place_map(cameras, TILES).tiles
    assert 4 <= len(tiles) <= 60
    assert min(one.x for one in tiles) <= 0
    assert max(one.x + one.width for one in tiles) >= WIDTH
    assert min(one.y for one in tiles) <= 0
    assert max(one.y + one.height for one in tiles) >= HEIGHT
    assert all(100 <= one.width <= 256.1 for one in tiles)
    row = sorted((one for one in tiles if one.y == tiles[0].y), key=lambda one: one.x)
    assert all(a.x + a.width == pytest.approx(b.x) for a, b in pairwise(row))


def test_a_camera_lies_where_the_map_has_it() -> None:
    """By the formula of the tiles alone: the fraction of the tile in which a camera stands."""
    cameras = [status("a", 103.811, 30.410), status("b", 103.828, 30.415)]
    plan = place_map(cameras, TILES)
    for mark, (lon, lat) in zip(plan.marks, ((103.811, 30.410), (103.828, 30.415)), strict=True):
        zoom = int(plan.tiles[0].url.split("/map/")[1].split("/")[0])
        column = (lon + 180) / 360 * 2**zoom
        row = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**zoom
        name = f"/map/{zoom}/{int(column)}/{int(row)}.png"
        tile = next(one for one in plan.tiles if one.url.endswith(name))
        assert mark.x == pytest.approx(tile.x + (column % 1) * tile.width, abs=0.2)
        assert mark.y == pytest.approx(tile.y + (row % 1) * tile.height, abs=0.2)


@pytest.mark.parametrize("spread", [0.0, 1.0, 60.0])
def test_there_are_never_many(spread: float) -> None:
    cameras = [status("a", 10.0, 20.0), status("b", 10.0 + spread, 20.0 + spread)]
    for most in (3, 18):
        tiles = place_map(cameras, MapTiles(url=URL, max_zoom=most)).tiles
        assert 1 <= len(tiles) <= 60


@pytest.mark.parametrize(
    "url",
    [
        "ftp://tiles.city.example/{z}/{x}/{y}",
        "https://tiles.city.example/{z}/{x}",
        "https://tiles.city.example/{z}/{x}/{y}; script-src *",
        "https://tiles.city.example/{z}/{x}/{y} https://other.example",
        "https://user:secret@tiles.city.example/{z}/{x}/{y}",
        "https:///{z}/{x}/{y}",
    ],
)
def test_an_address_that_is_no_tile_server_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        MapTiles(url=url)


def test_pages_let_images_come_from_there_only_where_it_is_configured() -> None:
    assert TILES.origin == "https://tiles.city.example:8443"
    plain, tiled = content_security_policy(), content_security_policy(TILES.origin)
    assert "http" not in plain
    assert f"img-src 'self' data: blob: {TILES.origin}; " in tiled
    assert tiled.replace(f" {TILES.origin}", "") == plain
    assert HubSettings(access=Path("access")).map_tiles is None


def test_the_overview_has_them_behind_its_marks(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/hub.db")
    event = camera_state("gate")
    event["data"]["camera"]["place"] = {"lon": 103.8, "lat": 30.4}
    store.add([parse_event(dump(event))])
    visit = Visit("overview", {}, {}, languages()["en"], Scope.VIEWER)
    try:
        plain = shown_page(store, visit).content.parts["plan"]
        tiled = shown_page(store, visit, page=OverviewPage(TILES)).content.parts["plan"]
    finally:
        store.close()
    assert "<image" not in plain
    assert tiled.count('<image href="https://tiles.city.example:8443/map/') > 3
    assert tiled.index("<image") < tiled.index("cy-dot")
    assert "Survey &lt;of&gt; the city" in tiled
