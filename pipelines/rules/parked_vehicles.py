"""`ParkedVehicleFilter`: a row of parked cars is no congestion.

A vehicle is parked if it has stood at its place for minutes while there was no jam, or for longer
than any jam stands still. Whoever moves is traffic again; a new id at the same place is no move.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipelines.track import Box, Track, box_iou

PARKED_S: Final = 180.0
"""Whoever has stood for this long is parked, seconds."""

JAM_S: Final = 1800.0
"""The same while there is a jam, where standing vehicles are normal."""

STAYS_IOU: Final = 0.5
LEAVES_IOU: Final = 0.3
LEFT_S: Final = 30.0
"""How long a place is kept for a vehicle that is covered or missed."""


@dataclass(slots=True)
class _Spot:
    box: Box
    track: int
    since_s: float
    seen_s: float
    parked: bool


class ParkedVehicleFilter:
    """The places where vehicles stand in view of one zone."""

    def __init__(self) -> None:
        self._spots: list[_Spot] = []

    def traffic(self, vehicles: Iterable[Track], at_s: float, jam: bool) -> list[Track]:
        """The vehicles that are not parked.

        Args:
            vehicles: All vehicles that are seen now.
            at_s: Monotonic time, seconds.
            jam: Whether there is a jam.
        """
        self._spots = [spot for spot in self._spots if at_s - spot.seen_s <= LEFT_S]
        by_track = {spot.track: spot for spot in self._spots}
        traffic = []
        for vehicle in vehicles:
            spot = by_track.get(vehicle.id) or self._taken_over(vehicle, at_s)
            if spot and box_iou(spot.box, vehicle.box) < LEAVES_IOU:
                spot.box, spot.since_s, spot.parked = vehicle.box, at_s, False
            elif not spot:
                spot = _Spot(vehicle.box, vehicle.id, at_s, at_s, parked=False)
                self._spots.append(spot)
            spot.seen_s, spot.track = at_s, vehicle.id
            spot.parked = spot.parked or at_s - spot.since_s >= (JAM_S if jam else PARKED_S)
            if not spot.parked:
                traffic.append(vehicle)
        return traffic

    def _taken_over(self, vehicle: Track, at_s: float) -> _Spot | None:
        """The place of a vehicle that is missed now, if this one stands there."""
        missed = (spot for spot in self._spots if spot.seen_s < at_s)
        return next((s for s in missed if box_iou(s.box, vehicle.box) >= STAYS_IOU), None)
