"""Map tiles behind the plan of the cameras: which, and where each lies in the unit of the plan.

Tiles are cut in Web Mercator (EPSG:3857), the plan is a local equirectangular projection. Each tile
is laid at its own four corners, so they agree there; within a tile of a district they differ by
less than the width of a line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from event_hub.map_tiles import MapTiles

MOST_MERCATOR_LAT: Final = 85.05
WIDEST: Final = 256.0
"""A tile is no wider than that on the plan; it has 256 pixels or more."""


@dataclass(frozen=True, slots=True)
class PlanTile:
    """A tile on the plan; `x` and `y` are those of its upper left corner."""

    url: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PlanView:
    """What part of the earth a plan shows.

    Attributes:
        west: Degrees, as the others.
        locate: Where a longitude and latitude lie on the plan.
        unit_per_degree: Units of the plan for a degree of longitude.
    """

    west: float
    east: float
    south: float
    north: float
    locate: Callable[[float, float], tuple[float, float]]
    unit_per_degree: float


def plan_tiles(view: PlanView, tiles: MapTiles) -> tuple[PlanTile, ...]:
    """The tiles that cover a plan, a few dozen at most."""
    zoom = math.ceil(math.log2(max(1.0, 360.0 * view.unit_per_degree / WIDEST)))
    zoom = min(zoom, tiles.max_zoom)
    return tuple(_placed(view, tiles, zoom))


def _placed(view: PlanView, tiles: MapTiles, zoom: int) -> Iterator[PlanTile]:
    count = 2**zoom
    first_x, last_x = (math.floor(_column(lon, count)) for lon in (view.west, view.east))
    first_y, last_y = (math.floor(_row(lat, count)) for lat in (view.north, view.south))
    for y in range(max(0, first_y), min(count - 1, last_y) + 1):
        for x in range(max(0, first_x), min(count - 1, last_x) + 1):
            left, top = view.locate(_lon(x, count), _lat(y, count))
            right, bottom = view.locate(_lon(x + 1, count), _lat(y + 1, count))
            yield PlanTile(tiles.address(zoom, x, y), left, top, right - left, bottom - top)


def _column(lon: float, count: int) -> float:
    return (lon + 180.0) / 360.0 * count


def _row(lat: float, count: int) -> float:
    bounded = max(-MOST_MERCATOR_LAT, min(MOST_MERCATOR_LAT, lat))
    return (1.0 - math.asinh(math.tan(math.radians(bounded))) / math.pi) / 2.0 * count


def _lon(column: int, count: int) -> float:
    return column / count * 360.0 - 180.0


def _lat(row: int, count: int) -> float:
    return math.degrees(math.atan(math.sinh(math.pi * (1.0 - 2.0 * row / count))))
