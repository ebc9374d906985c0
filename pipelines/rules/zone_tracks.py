"""What tracks do in a zone: how many there are, how fast they move, which vehicles are parked."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

from models.detections import Box, box_iou, plain_label
from pipelines.rules.zone_geometry import GroundPlane, Vector, ZoneShape, on_plane
from pipelines.track import Track

MISSED_S: Final = 1.0
"""How long a missed track still counts, seconds."""

TAKEN_IOU: Final = 0.3


class Presence:
    """The objects of one group of labels in one zone."""

    def __init__(self, shape: ZoneShape, labels: frozenset[str]) -> None:
        self._shape = shape
        self._labels = labels
        self._latest: dict[int, Track] = {}

    def observe(self, tracks: Iterable[Track], at_s: float) -> tuple[list[Track], int]:
        """The tracks that are seen in the zone now, and how many objects that makes."""
        seen = [track for track in tracks if plain_label(track.label) in self._labels]
        inside = [track for track in seen if self._shape.contains(track.box.foot)]
        ids = {track.id for track in seen}
        missed = [
            track
            for track in self._latest.values()
            if track.id not in ids and at_s - track.last_seen_s <= MISSED_S
        ]
        absent = [
            track
            for track in missed
            # One that was first seen since may be the same object under a new id.
            if not any(
                other.first_seen_s > track.last_seen_s
                and box_iou(track.box, other.box) >= TAKEN_IOU
                for other in seen
            )
        ]
        self._latest = {track.id: track for track in (*missed, *inside)}
        return inside, len(inside) + len(absent)


WINDOW_S: Final = 1.6
MIN_SPAN_S: Final = 0.7
MAX_SPAN_S: Final = 10.0
"""At low frame rates the newest `MIN_POINTS` are used, if they are not older than this."""

MIN_POINTS: Final = 3
MAX_INTERVAL_S: Final = MAX_SPAN_S / (MIN_POINTS - 1)
"""Time between two frames from which on no speed can be known."""

SPACING_S: Final = 0.15
FORGET_S: Final = 10.0
IMAGE_EDGE: Final = 0.995
"""A box that reaches the lower edge of the image has its foot outside."""

FORGET_EVERY_S: Final = 1.0


class _Sample(NamedTuple):
    """Where a track was at one time.

    Attributes:
        at_s: Monotonic time, seconds.
        x: On the plane of `on_plane`.
        y: The same.
        length: What `speed` is counted in: 1 on the ground, else the height of the box.
        to_x: Velocities from here to each later sample, oldest first, along x.
        to_y: The same along y.
    """

    at_s: float
    x: float
    y: float
    length: float
    to_x: list[float]
    to_y: list[float]


class SpeedGauge:
    """Velocities of the tracks of one zone.

    A velocity is the median over all pairs of samples (Theil, 1950; Sen, 1968), so that one box
    that is off does not move it. Those of old pairs are kept, as this is asked for in every frame,
    and what comes of them until there is a new sample.
    """

    def __init__(self, ground: GroundPlane | None) -> None:
        """Measures on `ground`, or in the image where there is none."""
        self._ground = ground
        self._samples: dict[int, deque[_Sample]] = {}
        self._velocities: dict[int, Vector | None] = {}
        self._forgot_s = -math.inf

    def observe(self, tracks: Iterable[Track], at_s: float) -> None:
        """Notes where tracks are now, and forgets those not seen for long."""
        for track in tracks:
            history = self._samples.get(track.id)
            _, top, _, bottom = track.box
            height = bottom - top
            is_cut = bottom >= IMAGE_EDGE or height <= 0
            if is_cut or (history and at_s - history[-1].at_s < SPACING_S):
                continue
            place = on_plane(track.box.foot, self._ground, track.aspect)
            if place is None:
                continue
            if history is None:
                history = self._samples[track.id] = deque()
            while len(history) >= MIN_POINTS and history[0].at_s < at_s - WINDOW_S:
                history.popleft()
            x, y = place
            for then_s, then_x, then_y, _, to_x, to_y in history:
                elapsed_s = at_s - then_s
                to_x.append((x - then_x) / elapsed_s)
                to_y.append((y - then_y) / elapsed_s)
            history.append(_Sample(at_s, x, y, 1.0 if self._ground else height, [], []))
            self._velocities.pop(track.id, None)
        if at_s - self._forgot_s >= FORGET_EVERY_S:
            self._forgot_s = at_s
            oldest_s = at_s - FORGET_S
            self._samples = {
                track_id: history
                for track_id, history in self._samples.items()
                if history[-1].at_s >= oldest_s
            }
            for gone in self._velocities.keys() - self._samples.keys():
                del self._velocities[gone]

    def speed(self, track: Track) -> float | None:
        """Metres per second, or box heights per second without calibration.

        None until there is enough history.
        """
        velocity = self.velocity(track)
        if velocity is None:
            return None
        speed = math.hypot(*velocity)
        if self._ground:
            return speed
        return speed / statistics.median(sample.length for sample in self._samples[track.id])

    def velocity(self, track: Track) -> Vector | None:
        """Metres per second on the ground, or image heights per second without calibration.

        None until there is enough history.
        """
        if track.id in self._velocities:
            return self._velocities[track.id]
        history, velocity = self._samples.get(track.id), None
        if history is None:
            return None
        span_s = history[-1].at_s - history[0].at_s
        if len(history) >= MIN_POINTS and MIN_SPAN_S <= span_s <= MAX_SPAN_S:
            along_x = chain.from_iterable(map(attrgetter("to_x"), history))
            along_y = chain.from_iterable(map(attrgetter("to_y"), history))
            velocity = statistics.median(along_x), statistics.median(along_y)
        self._velocities[track.id] = velocity
        return velocity


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
