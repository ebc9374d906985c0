"""`ParkedSpots`: where vehicles of one camera stand, which of them drove there, which are parked.

A spot is recognised by its place and not by a track id, so that a vehicle that is missed for a
while or gets a new id stays what it was. Guarantees: a vehicle that was never seen to move is not
taken for one that drove; a parked one stays parked until it moves or another takes its place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.detections import Box, box_iou, common_area
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.track import Track

PARKED_S: Final = 180.0
"""Who drove to a spot is parked there after so long, if others drove past it, seconds."""

PARKED_ALONE_S: Final = 600.0
"""The same where nobody drove past."""

PARKED_IN_JAM_S: Final = 1800.0
"""The same while there is a jam, where standing is normal."""

FOUND_PARKED_S: Final = 20.0
"""Who stood there before anybody watched is parked after so long, if others drove past, seconds."""

PASSES: Final = 2
"""How many vehicles must drive past one that stands."""

STAYS_IOU: Final = 0.5
LEAVES_IOU: Final = 0.3
"""A vehicle stays at its spot while its box overlaps that much; a new id needs more than an old."""

LEFT_S: Final = 30.0
"""How long a spot is kept for a vehicle that is covered or missed, seconds."""

RESTART_S: Final = 120.0
"""The same over a restart of the program."""

PARKED_LEFT_S: Final = 12 * 3600.0
"""The same for a parked vehicle, as small ones in the distance are often missed."""

MAX_SPOTS: Final = 200
MOVING_S: Final = 2.0
"""A vehicle that changed its spot within this time is moving, seconds."""

HIDES_S: Final = 4.0
"""A vehicle before another hides it for no longer, and one that stands does so for longer."""

ARRIVAL_INTERVAL_S: Final = 1.0
"""Where images are further apart, nobody is seen to drive to a spot: who appears has driven."""

EDGE: Final = 0.01
ARRIVES_AFTER_S: Final = 10.0
"""Who is first seen at the edge of the image, so many seconds after watching began, has come from
outside."""

BESIDE_HEIGHTS: Final = 3.0
"""Who drives past is no further to the side, in heights of the box of who stands."""

INSIDE_SHARE: Final = 0.85
SIZE_SHARE: Final = 0.4
"""A box that lies so far inside another of similar size shows the same vehicle."""


@dataclass(slots=True)
class VehicleSpot:
    """A place where a vehicle is.

    Attributes:
        box: Where it was when it came.
        track: Its newest track id.
        since_s: When it came or was first seen, monotonic seconds.
        seen_s: When it was seen last.
        taken_s: When its newest track came.
        drove: Whether it was seen to drive there.
        is_parked: Whether it is parked.
        passed: How many vehicles drove past it.
        left_by: The track that has left it just now; 0 for none.
    """

    box: Box
    track: int
    since_s: float
    seen_s: float
    taken_s: float
    drove: bool = False
    is_parked: bool = False
    passed: int = 0
    left_by: int = 0

    def keeps_s(self) -> float:
        """How long it is kept without a vehicle, seconds."""
        if self.left_by:
            return HIDES_S
        return PARKED_LEFT_S if self.is_parked else LEFT_S


def single_vehicles(vehicles: Iterable[Track]) -> list[Track]:
    """The vehicles without boxes that show one of them again, such as under another class."""
    kept: list[tuple[Track, float]] = []
    sized = [(vehicle, common_area(vehicle.box, vehicle.box)) for vehicle in vehicles]
    for vehicle, area in sorted(sized, key=lambda one: -one[1]):
        if not any(
            area >= SIZE_SHARE * its_area
            and common_area(vehicle.box, larger.box) >= INSIDE_SHARE * area
            for larger, its_area in kept
        ):
            kept.append((vehicle, area))
    return [vehicle for vehicle, _ in kept]


class ParkedSpots:
    """The spots of all vehicles in view."""

    def __init__(self) -> None:
        self._spots: list[VehicleSpot] = []
        self._feet: dict[int, tuple[float, float]] = {}
        self._last_s = -math.inf
        self._watched_s = 0.0

    def observe(
        self, vehicles: Sequence[Track], at_s: float, *, jam: bool = False
    ) -> dict[int, VehicleSpot]:
        """Takes one frame.

        Args:
            vehicles: All vehicles that are seen now, each once (`single_vehicles`).
            at_s: Monotonic time, seconds.
            jam: Whether there is a jam, in which standing is normal.

        Returns:
            The spot of each vehicle by its track id.
        """
        span_s = at_s - self._last_s
        self._last_s = at_s
        self._watched_s = self._watched_s + span_s if span_s <= MAX_GAP_S else 0.0
        self._spots = [spot for spot in self._spots if at_s - spot.seen_s <= spot.keeps_s()]
        appears = span_s > ARRIVAL_INTERVAL_S and self._watched_s > MAX_GAP_S
        by_track = {spot.track: spot for spot in self._spots}
        by_track |= self._returned(vehicles, by_track, at_s)
        found: dict[int, VehicleSpot] = {}
        others = []
        for vehicle in vehicles:
            spot = by_track.get(vehicle.id)
            if spot is not None and box_iou(spot.box, vehicle.box) >= LEAVES_IOU:
                spot.seen_s = at_s
                found[vehicle.id] = spot
            else:
                others.append((vehicle, spot))
        for vehicle, left in others:
            spot = self._taken_over(vehicle, left, at_s)
            if spot is None:
                drove = appears or left is not None or self._comes_in(vehicle)
                spot = VehicleSpot(vehicle.box, vehicle.id, at_s, at_s, at_s, drove)
                self._spots.append(spot)
                if left is not None:
                    self._leave(left, at_s)
            spot.seen_s = at_s
            found[vehicle.id] = spot
        self._count_passes(vehicles, found, at_s)
        for spot in found.values():
            spot.is_parked = spot.is_parked or _is_parked(spot, at_s, jam)
        self._drop_replaced(found.values(), at_s)
        return found

    def _comes_in(self, vehicle: Track) -> bool:
        x1, y1, x2, y2 = vehicle.box
        at_edge = min(x1, y1, 1.0 - x2, 1.0 - y2) <= EDGE
        return at_edge and self._watched_s > ARRIVES_AFTER_S

    def remember(self, at_s: float) -> list[list[float]]:
        """The spots where vehicles stand, with how long ago each began and was seen, seconds."""
        standing = [spot for spot in self._spots if spot.is_parked or spot.seen_s > spot.since_s]
        standing.sort(key=lambda spot: (not spot.is_parked, -spot.seen_s))
        return [
            [
                *(round(side, 4) for side in spot.box),
                *(float(spot.drove), float(spot.is_parked), float(spot.passed)),
                *(round(at_s - spot.since_s, 1), round(at_s - spot.seen_s, 1)),
            ]
            for spot in standing[:MAX_SPOTS]
        ]

    def recall(self, memory: Sequence[Sequence[Any]], age_s: float, at_s: float) -> None:
        """Takes what `remember` gave `age_s` seconds ago; others may have changed since."""
        for row in memory[:MAX_SPOTS]:
            x1, y1, x2, y2, drove, parked, passed, since, seen = (float(value) for value in row)
            if not all(map(math.isfinite, (x1, y1, x2, y2, drove, parked, passed, since, seen))):
                raise ValueError(f"a spot has numbers that are not finite: {row}")
            away_s = seen + age_s
            if away_s > (PARKED_LEFT_S if parked else RESTART_S):
                continue
            seen_s = at_s - away_s if parked else at_s
            box, since_s = Box(x1, y1, x2, y2), at_s - since - age_s
            spot = VehicleSpot(box, 0, since_s, seen_s, since_s, bool(drove))
            spot.is_parked, spot.passed = bool(parked), int(passed)
            self._spots.append(spot)

    def _returned(
        self, vehicles: Sequence[Track], now: dict[int, VehicleSpot], at_s: float
    ) -> dict[int, VehicleSpot]:
        """Those who are back where they stood a moment ago, or have only changed their ids.

        The spots that they seemed to be at meanwhile were none.
        """
        left = {spot.left_by: spot for spot in self._spots if spot.left_by}
        boxes = {vehicle.id: vehicle.box for vehicle in vehicles if vehicle.id in left}
        back: dict[int, VehicleSpot] = {}
        for one, other in itertools.product(boxes, repeat=2):
            is_swap = _stands_at(boxes[one], left[other]) and _stands_at(boxes[other], left[one])
            if not is_swap or one in back:
                continue
            back[one] = left[other]
            if one in now:
                self._spots.remove(now[one])
        for track, spot in back.items():
            spot.track, spot.taken_s, spot.left_by = track, at_s, 0
        return back

    def _leave(self, spot: VehicleSpot, at_s: float) -> None:
        """Who hid another for a moment leaves it there; who stood there may be back at once.

        A box that jumps away and back shows a vehicle that something drove past.
        """
        if spot.taken_s > spot.since_s and at_s - spot.taken_s < HIDES_S:
            spot.track = 0
        elif spot.seen_s - spot.since_s >= HIDES_S:
            spot.track, spot.left_by = 0, spot.track
        elif spot in self._spots:
            self._spots.remove(spot)

    def _drop_replaced(self, found: Iterable[VehicleSpot], at_s: float) -> None:
        """Forgets who was parked where another stands now, who has driven there."""
        missing = [spot for spot in self._spots if spot.seen_s < at_s]
        arrived = [spot for spot in found if spot.drove and at_s - spot.since_s > MOVING_S]
        replaced = [
            old for old in missing if any(box_iou(old.box, new.box) >= STAYS_IOU for new in arrived)
        ]
        for old in replaced:
            self._spots.remove(old)

    def _taken_over(
        self, vehicle: Track, left: VehicleSpot | None, at_s: float
    ) -> VehicleSpot | None:
        """The spot of a vehicle that is missed now, if this one stands there.

        One that has left another spot may have changed its id with who stood here.
        """
        best, most = None, STAYS_IOU
        for spot in self._spots:
            if spot is left or (spot.seen_s >= at_s and spot.track):
                continue
            if left is not None:
                stood = at_s - spot.seen_s <= LEFT_S and spot.seen_s - spot.since_s >= HIDES_S
                if not stood or spot.left_by not in (0, vehicle.id):
                    continue
            overlap = box_iou(spot.box, vehicle.box)
            if overlap >= most:
                best, most = spot, overlap
        if best is not None:
            best.track, best.taken_s, best.left_by = vehicle.id, at_s, 0
        return best

    def _count_passes(
        self, vehicles: Sequence[Track], found: dict[int, VehicleSpot], at_s: float
    ) -> None:
        """Notes who drives past whom: from behind to before, close to the side."""
        before, self._feet = self._feet, {}
        standing = [spot for spot in found.values() if at_s - spot.since_s > MOVING_S]
        for vehicle in vehicles:
            foot = vehicle.box.foot
            self._feet[vehicle.id] = foot
            spot, start = found[vehicle.id], before.get(vehicle.id)
            if start is None or not spot.drove or at_s - spot.since_s > MOVING_S:
                continue
            for other in standing:
                if not other.is_parked and _drives_past(start, foot, other.box, vehicle.aspect):
                    other.passed += 1


def _stands_at(box: Box, spot: VehicleSpot) -> bool:
    return box_iou(box, spot.box) >= STAYS_IOU


def _drives_past(
    start: tuple[float, float], end: tuple[float, float], box: Box, aspect: float
) -> bool:
    x, y = (end[0] - start[0]) * aspect, end[1] - start[1]
    foot = box.foot
    to_x, to_y = (foot[0] - start[0]) * aspect, foot[1] - start[1]
    square, ahead = x * x + y * y, to_x * x + to_y * y
    if not 0 < ahead <= square:
        return False
    return abs(x * to_y - y * to_x) <= BESIDE_HEIGHTS * (box.y2 - box.y1) * math.sqrt(square)


def _is_parked(spot: VehicleSpot, at_s: float, jam: bool) -> bool:
    stood_s, passed = at_s - spot.since_s, spot.passed >= PASSES
    if not spot.drove:
        return passed and stood_s >= FOUND_PARKED_S
    if jam:
        return stood_s >= PARKED_IN_JAM_S
    return stood_s >= (PARKED_S if passed else PARKED_ALONE_S)
