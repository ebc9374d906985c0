"""Whether a vehicle that stands waits for others to drive on: who passes it, who stands with it.

A queue moves on in its order, and nobody in it is passed for longer than a red light takes. So a
vehicle that others pass in its direction is no part of one, and one that stands on a lane alone and
is not passed may wait for a light. Where nobody drives there is nothing to wait for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.detections import Box
from pipelines.rules.standing import Movement, StandingVehicle, size_of, way_between
from pipelines.rules.zone import ImagePoint
from pipelines.rules.zone_geometry import Vector
from pipelines.track import Track

COLUMNS, ROWS = 96, 54
"""Cells of the image in which lanes are learned."""

FOOT_SHARE: Final = 0.25
"""A vehicle stands in the cells within this share of its width beside its foot."""

REACH_SHARE: Final = 0.5
"""Vehicles stand together whose boxes, wider and higher by this share at each side, meet."""

NEAR_SIZES: Final = 3.0
"""Whoever passes within this distance, in sizes of the vehicle that stands, passes it."""

PASSED_SIZES: Final = 1.0
PASSED_S: Final = 3.0
"""It must move by so many sizes of the vehicle that stands within this time: whoever is slower
creeps in a queue beside it."""

MAX_PASSERS: Final = 64

SAME_WAY: Final = 0.5
"""Least cosine between two ways that are one direction."""


class DrivenCells:
    """Where vehicles drive, learned from those that do, as cells of the image."""

    def __init__(self) -> None:
        """No lane is known."""
        self._by: dict[int, int] = {}

    def drive(self, track: Track, start: Box) -> None:
        """Notes that a vehicle has moved from a box to where it is now."""
        (x1, y1), (x2, y2) = start.foot, track.box.foot
        steps = max(1, math.ceil(max(abs(x2 - x1) * COLUMNS, abs(y2 - y1) * ROWS)))
        for step in range(steps + 1):
            share = step / steps
            cell = _cell((x1 + share * (x2 - x1), y1 + share * (y2 - y1)))
            known = self._by.setdefault(cell, track.id)
            if known != track.id:
                self._by[cell] = 0

    def are_driven(self, place: StandingVehicle) -> bool:
        """Whether others than the vehicle itself have driven where it stands."""
        x, y = place.box.foot
        reach = FOOT_SHARE * (place.box.x2 - place.box.x1)
        left, right = _cell((x - reach, y)), _cell((x + reach, y))
        owners = (self._by.get(cell) for cell in range(left, right + 1))
        return any(owner is not None and owner not in place.ids for owner in owners)

    def remember(self) -> list[int]:
        """The cells that were driven on, for `recall`."""
        return sorted(self._by)

    def recall(self, cells: Iterable[Any]) -> None:
        """Adds the cells of an earlier run."""
        self._by |= {int(cell): 0 for cell in cells if 0 <= int(cell) < COLUMNS * ROWS}


class Passing:
    """Notes at places which vehicles have passed them."""

    def __init__(self) -> None:
        """Nobody was seen yet."""
        self._last: dict[int, tuple[float, Box]] = {}
        self._near: dict[tuple[int, int], tuple[float, Box]] = {}

    def observe(
        self,
        vehicles: Sequence[Track],
        movements: Mapping[int, Movement],
        places: Sequence[StandingVehicle],
        direction: Vector | None,
        at_s: float,
    ) -> None:
        """Takes one frame.

        Args:
            vehicles: All of them.
            movements: Their movement, by track.
            places: Those that stand, and are asked for.
            direction: Where traffic goes, in the image; None if that is not known.
            at_s: Monotonic time, seconds.
        """
        near: dict[tuple[int, int], tuple[float, Box]] = {}
        last, self._last = self._last, {one.id: (at_s, one.box) for one in vehicles}
        for vehicle in vehicles:
            stands = movements[vehicle.id].stands(at_s)
            before = last.get(vehicle.id, (at_s, vehicle.box))
            for place in places:
                if stands:
                    # It drove up beside the other one, and waits as well.
                    place.passers.pop(vehicle.id, None)
                elif _is_near(place, before[1], vehicle):
                    key = id(place), vehicle.id
                    start = self._near.get(key, before)
                    near[key] = self._pass(place, vehicle, start, direction, at_s)
        self._near = near

    @staticmethod
    def _pass(
        place: StandingVehicle,
        vehicle: Track,
        start: tuple[float, Box],
        direction: Vector | None,
        at_s: float,
    ) -> tuple[float, Box]:
        """From where on a vehicle near a place is watched; notes that it has passed."""
        since_s, box = start
        way = way_between(box, vehicle.box, vehicle.aspect)
        if math.hypot(*way) < PASSED_SIZES * size_of(place.box, vehicle.aspect):
            return start
        passes = at_s - since_s <= PASSED_S and is_same_way(way, direction or place.came)
        if passes and len(place.passers) < MAX_PASSERS:
            place.passers.setdefault(vehicle.id, at_s)
        return at_s, vehicle.box


def is_same_way(way: Vector, direction: Vector | None) -> bool:
    """Whether a movement goes in a direction; one that is not known is any."""
    if direction is None:
        return True
    length = math.hypot(*way) * math.hypot(*direction)
    return way[0] * direction[0] + way[1] * direction[1] >= SAME_WAY * length


def rows_of(places: Iterable[StandingVehicle]) -> list[list[StandingVehicle]]:
    """Vehicles that stand together as rows or queues; one that stands alone is a row of its own."""
    rows: list[list[StandingVehicle]] = []
    for place in places:
        joined = [row for row in rows if any(_stand_together(place, other) for other in row)]
        rows = [row for row in rows if row not in joined]
        rows.append([place, *(other for row in joined for other in row)])
    return rows


def _is_near(place: StandingVehicle, before: Box, vehicle: Track) -> bool:
    """Whether the way of a vehicle between two frames comes near a place."""
    from_x, from_y = way_between(place.box, before, vehicle.aspect)
    x, y = way_between(before, vehicle.box, vehicle.aspect)
    square = x * x + y * y
    share = min(max(-(from_x * x + from_y * y) / square, 0.0), 1.0) if square > 0 else 0.0
    away = math.hypot(from_x + share * x, from_y + share * y)
    return away <= NEAR_SIZES * size_of(place.box, vehicle.aspect)


def _cell(point: ImagePoint) -> int:
    column, row = int(point[0] * COLUMNS), int(point[1] * ROWS)
    return min(max(row, 0), ROWS - 1) * COLUMNS + min(max(column, 0), COLUMNS - 1)


def _stand_together(one: StandingVehicle, other: StandingVehicle) -> bool:
    left, top, right, bottom = _wider(one.box)
    x1, y1, x2, y2 = _wider(other.box)
    return left <= x2 and x1 <= right and top <= y2 and y1 <= bottom


def _wider(box: Box) -> Box:
    x, y = REACH_SHARE * (box.x2 - box.x1), REACH_SHARE * (box.y2 - box.y1)
    return Box(box.x1 - x, box.y1 - y, box.x2 + x, box.y2 + y)
