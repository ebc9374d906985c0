"""A plan of the cameras: where each stands, from its longitude and latitude, in the unit of SVG.

Works without any map of the world, which may lie behind it: a local equirectangular projection
around the middle of the cameras, with north up, and a bar that says how long a kilometre, or less,
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from event_hub.answers import CameraStatus
from event_hub.console.plan_tiles import PlanTile, PlanView, plan_tiles
from event_hub.map_tiles import MapTiles

WIDTH: Final = 720.0
HEIGHT: Final = 420.0
MARGIN: Final = 56.0
METRES_PER_DEGREE: Final = 111_320.0
"""Of latitude, on the sphere of WGS 84's equator."""

LEAST_SPAN_M: Final = 400.0
"""A single camera, or several on one mast, are not drawn larger than life."""

APART: Final = 34.0
"""Marks of two cameras are no nearer to each other than that."""

BAR_MAX: Final = 180.0
BARS_M: Final = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class MapMark:
    """A camera on the plan."""

    camera: CameraStatus
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PlaceMap:
    """The plan.

    Attributes:
        marks: The cameras whose place is known.
        elsewhere: Those whose place is not.
        bar: Length of the scale bar.
        bar_m: The same on the ground, metres.
        tiles: Of a map, behind the marks.
    """

    marks: tuple[MapMark, ...]
    elsewhere: tuple[CameraStatus, ...]
    bar: float
    bar_m: int
    tiles: tuple[PlanTile, ...] = ()


def place_map(cameras: Sequence[CameraStatus], tiles: MapTiles | None = None) -> PlaceMap:
    """The plan of some cameras, on a map where there are tiles of one."""
    placed = [one for one in cameras if _place(one) is not None]
    elsewhere = tuple(one for one in cameras if _place(one) is None)
    if not placed:
        return PlaceMap((), elsewhere, 0.0, 0)
    lons, lats = zip(*(_place(one) or (0.0, 0.0) for one in placed), strict=True)
    lon0, lat0 = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    shrink = math.cos(math.radians(lat0))
    east = [(lon - lon0) * shrink * METRES_PER_DEGREE for lon in lons]
    north = [(lat - lat0) * METRES_PER_DEGREE for lat in lats]
    across = max(max(east) - min(east), LEAST_SPAN_M) / (WIDTH - 2 * MARGIN)
    down = max(max(north) - min(north), LEAST_SPAN_M / 2) / (HEIGHT - 2 * MARGIN)
    metres = max(across, down)
    spots: list[tuple[float, float]] = []
    for x_m, y_m in zip(east, north, strict=True):
        spots.append(_free((WIDTH / 2 + x_m / metres, HEIGHT / 2 - y_m / metres), spots))
    bar_m = max((one for one in BARS_M if one / metres <= BAR_MAX), default=BARS_M[0])
    marks = tuple(MapMark(one, x, y) for one, (x, y) in zip(placed, spots, strict=True))
    behind = plan_tiles(_view(lon0, lat0, metres), tiles) if tiles is not None else ()
    return PlaceMap(marks, elsewhere, bar_m / metres, bar_m, behind)


def _view(lon0: float, lat0: float, metres: float) -> PlanView:
    """What a plan shows whose middle is there and whose unit has so many metres."""
    up = METRES_PER_DEGREE / metres
    across = up * math.cos(math.radians(lat0))

    def locate(lon: float, lat: float) -> tuple[float, float]:
        return WIDTH / 2 + (lon - lon0) * across, HEIGHT / 2 - (lat - lat0) * up

    east, north = WIDTH / 2 / across, HEIGHT / 2 / up
    return PlanView(lon0 - east, lon0 + east, lat0 - north, lat0 + north, locate, across)


def _place(camera: CameraStatus) -> tuple[float, float] | None:
    place = camera.camera.place
    return None if place.lon is None or place.lat is None else (place.lon, place.lat)


def _free(spot: tuple[float, float], taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The spot, or the nearest one on a spiral around it that no other camera has."""
    for step in range(200):
        angle, radius = step * 2.4, APART * 0.6 * math.sqrt(step)
        x = min(WIDTH - MARGIN / 2, max(MARGIN / 2, spot[0] + radius * math.cos(angle)))
        y = min(HEIGHT - MARGIN / 2, max(MARGIN / 2, spot[1] + radius * math.sin(angle)))
        if all(math.dist((x, y), other) >= APART for other in taken):
            break
    return round(x, 1), round(y, 1)
