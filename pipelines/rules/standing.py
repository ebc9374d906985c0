"""`StandingVehicles`: which vehicles stand in view of a camera, each known by its place.

Guarantees: a vehicle that stands is one place however often its track id changes, other traffic
covers it, or its box shakes; a vehicle that creeps is none. Measured in sizes of its box, so that
it works without calibration; a size is the root of the area of the box in pixels.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from models.detections import Box, box_iou, common_area, is_covered
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.rules.zone_geometry import Vector
from pipelines.track import Track

MOVED_SIZES: Final = 0.4
"""A box whose short mean is so far from where it stood has moved, in its sizes."""

NOW_S: Final = 0.7
REST_MEAN_S: Final = 60.0
"""Time constants of the mean of the newest sightings, and of the mean at the place."""

STANDS_S: Final = 3.0
"""Whoever has not moved for so long stands."""

DOUBLE_IOU, DOUBLE_SHARE = 0.6, 0.8
"""Two boxes that overlap so much, or of which one is inside the other by this share, show one
vehicle; neighbours of a row far away overlap by less."""

SAME_SIZES: Final = 0.4
SAME_IOU: Final = 0.4
LEAST_RATIO: Final = 0.5
"""Two boxes are at one place if they overlap so much or are so near, and alike in size."""

MISSED_S, MISSED_FRAMES = 5.0, 2.5
"""A vehicle that is missed for less is still there: in seconds, and in frames at low rates."""

LEFT_S: Final = 4.0
"""The same where its track was seen elsewhere: until then another id stands there if only the ids
were mixed up."""

MIXED_UP_S: Final = 1.5
"""No other vehicle can have come to rest at the place within this time."""

START_S: Final = 5.0
"""Whoever is first seen within this time after watching began, and stands, was there before."""

IDS_KEPT, PAUSES_KEPT = 8, 9

COVERED_S: Final = 300.0
COVERED_SHARE: Final = 0.3
"""A vehicle behind others, which cover this share of it, may be there for so long."""

BARE_S: Final = 1.0
"""A place that nothing has covered for so long is in view; for less, what covers it may be missed.
"""

REMEMBERED_S: Final = 1800.0
"""After a pause that is longer another vehicle may stand at the same place."""

_FORGET_S: Final = 10.0


def size_of(box: Box, aspect: float) -> float:
    """Root of the area of a box, in heights of the image."""
    return math.sqrt(max((box.x2 - box.x1) * aspect * (box.y2 - box.y1), 1e-9))


def way_between(one: Box, other: Box, aspect: float) -> Vector:
    """From the middle of a box to that of another, in heights of the image."""
    (x1, y1), (x2, y2) = one.centre, other.centre
    return (x2 - x1) * aspect, y2 - y1


def is_same_place(one: Box, other: Box, aspect: float) -> bool:
    """Whether two boxes show a vehicle at one place."""
    size, other_size = size_of(one, aspect), size_of(other, aspect)
    if min(size, other_size) < LEAST_RATIO * max(size, other_size):
        return False
    away = math.hypot(*way_between(one, other, aspect))
    return away <= SAME_SIZES * min(size, other_size) or box_iou(one, other) >= SAME_IOU


def _show_one(one: Box, other: Box) -> bool:
    common = common_area(one, other)
    smaller = min(common_area(one, one), common_area(other, other))
    return common >= DOUBLE_SHARE * smaller or box_iou(one, other) >= DOUBLE_IOU


@dataclass(slots=True)
class Movement:
    """What is known of a track: since when it is where it is, and how it came there.

    Attributes:
        box: Mean of its boxes since then.
        start: The first of them.
        now: Mean of its newest boxes.
        since_s: Since when it has not moved, monotonic seconds.
        seen_s: When it was last seen.
        came: The way of its last movement, in heights of the image; None if it was not seen to
            move.
    """

    box: Box
    start: Box
    now: Box
    since_s: float
    seen_s: float
    came: Vector | None = None

    def see(self, track: Track, at_s: float) -> bool:
        """Takes the newest sighting; returns whether it has moved since it stood."""
        span_s = at_s - self.seen_s
        self.seen_s = at_s
        self.now = self.now.towards(track.box, span_s / (span_s + NOW_S))
        way = way_between(self.box, self.now, track.aspect)
        if math.hypot(*way) > MOVED_SIZES * size_of(self.now, track.aspect):
            self.came = way
            self.box = self.start = self.now = track.box
            self.since_s = at_s
            return True
        rest_s = min(at_s - self.since_s, REST_MEAN_S)
        self.box = self.box.towards(track.box, span_s / (span_s + rest_s) if span_s > 0 else 0.0)
        return False

    def stands(self, at_s: float) -> bool:
        """Whether it has not moved for long enough."""
        return at_s - self.since_s >= STANDS_S


@dataclass(slots=True, eq=False)
class StandingVehicle:
    """A place at which a vehicle stands.

    Attributes:
        box: Where, as a mean.
        track: The vehicle as last seen.
        ids: Its newest track ids.
        since_s: Since when it stands there, monotonic seconds.
        seen_s: When it was last seen there.
        came: See `Movement`.
        from_start: Whether it stood there when watching began: nobody knows for how long.
        missed_s: How long it may be missed, seconds.
        told: Whether it was reported.
        passers: When vehicles have passed it, by their track; bounded.
        elsewhere_s: When its track was first seen at another place since; infinite if it was not.
        covered_s: When others were last seen to cover the place.
        empty_s: For how long, in all since it was seen, the place was in view without it, seconds.
        left: Whether nobody can know any more who stands there.
    """

    box: Box
    track: Track
    since_s: float
    seen_s: float
    came: Vector | None
    from_start: bool
    missed_s: float = MISSED_S
    told: bool = False
    passers: dict[int, float] = field(default_factory=dict)
    elsewhere_s: float = math.inf
    covered_s: float = -math.inf
    empty_s: float = 0.0
    left: bool = False
    ids: deque[int] = field(default_factory=lambda: deque(maxlen=IDS_KEPT))

    def is_there(self, at_s: float) -> bool | None:
        """Whether it still stands there; None while others hide it."""
        if self.left:
            return False
        if self.elsewhere_s <= at_s:
            # If only ids were mixed up, a vehicle is seen at the place.
            return None if self.covered_s >= at_s and not self.has_left(at_s) else False
        unseen_s = at_s - self.seen_s
        if unseen_s <= self.missed_s:
            return True
        # Traffic that passes covers an empty place again and again.
        is_covered = max(at_s - self.covered_s, self.empty_s) <= self.missed_s
        return None if is_covered and unseen_s <= COVERED_S else False

    def has_left(self, at_s: float) -> bool:
        """Whether it was seen elsewhere for so long that ids were not mixed up."""
        return self.left or at_s - self.elsewhere_s > LEFT_S

    def passed_after(self, stood_s: float) -> int:
        """How many have passed it after it had stood for so long."""
        return sum(at_s - self.since_s >= stood_s for at_s in self.passers.values())

    def see(self, track: Track, movement: Movement, at_s: float) -> None:
        """Notes that it is seen there."""
        span_s = at_s - self.seen_s
        rest_s = min(at_s - self.since_s, REST_MEAN_S)
        self.box = self.box.towards(track.box, span_s / (span_s + rest_s) if span_s > 0 else 0.0)
        self.track, self.seen_s, self.elsewhere_s = track, at_s, math.inf
        self.empty_s = 0.0
        if track.id not in self.ids:
            self.ids.append(track.id)
        movement.since_s = min(movement.since_s, self.since_s)


class StandingVehicles:
    """The vehicles that stand in one zone, and how all others move."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.places: list[StandingVehicle] = []
        self.movements: dict[int, Movement] = {}
        self._began_s = self._last_s = -math.inf
        self._pauses_s: deque[float] = deque(maxlen=PAUSES_KEPT)

    def observe(self, vehicles: Iterable[Track], at_s: float) -> list[tuple[Track, Box]]:
        """Takes all vehicles of a frame.

        Returns:
            Those that have moved, with the box from which they began.
        """
        pause_s = self._bridge(at_s)
        seen = list(vehicles)
        moved = []
        for track in seen:
            movement = self.movements.get(track.id)
            if movement is None:
                self.movements[track.id] = Movement(track.box, track.box, track.box, at_s, at_s)
                continue
            before = movement.start
            if movement.see(track, at_s):
                moved.append((track, before))
        oldest_s = at_s - _FORGET_S
        self.movements = {k: m for k, m in self.movements.items() if m.seen_s >= oldest_s}
        self._match(seen, at_s, pause_s)
        return moved

    def begin(self, tracks: Iterable[Track], at_s: float) -> list[StandingVehicle]:
        """Makes places of those that stand and have none; returns them."""
        taken = {place.track.id for place in self.places if place.seen_s >= at_s}
        begun = []
        for track in tracks:
            movement = self.movements[track.id]
            if track.id in taken or not movement.stands(at_s) or self._doubles(track, at_s):
                continue
            was_there = movement.came is None and movement.since_s <= self._began_s + START_S
            # The mean since then is partly of the last of its way.
            place = StandingVehicle(
                movement.now, track, movement.since_s, at_s, movement.came, was_there
            )
            place.ids.append(track.id)
            self.places.append(place)
            begun.append(place)
        return begun

    def forget(self, gone: Collection[StandingVehicle]) -> None:
        """Drops places."""
        self.places = [place for place in self.places if place not in gone]

    def _bridge(self, at_s: float) -> float:
        """After a pause gives every vehicle time to be found where it stood.

        Returns:
            The time since the last frame, seconds; 0 after such a pause.
        """
        pause_s, self._last_s = at_s - self._last_s, at_s
        if pause_s > MAX_GAP_S:
            self._began_s = at_s
        if pause_s > REMEMBERED_S:
            for place in self.places:
                place.left = True
        elif pause_s > MAX_GAP_S:
            for place in self.places:
                place.seen_s = max(place.seen_s, at_s)
        elif pause_s > 0:
            self._pauses_s.append(pause_s)
            missed_s = max(MISSED_S, MISSED_FRAMES * statistics.median(self._pauses_s))
            for place in self.places:
                place.missed_s = missed_s
            return pause_s
        return 0.0

    def _match(self, seen: list[Track], at_s: float, pause_s: float) -> None:
        """Finds the vehicle of each place: by its ids, else by the place."""
        free = {track.id: track for track in seen}
        missing = []
        for place in self.places:
            if place.left:
                continue
            own = (free[known] for known in place.ids if known in free)
            found = next((track for track in own if self._is_at(place, track)), None)
            if found is not None:
                place.see(free.pop(found.id), self.movements[found.id], at_s)
            else:
                missing.append(place)
        for place in missing:
            found = max(
                (track for track in free.values() if self._may_be(place, track, at_s)),
                key=lambda track: box_iou(place.box, track.box),
                default=None,
            )
            if found is not None:
                place.see(free.pop(found.id), self.movements[found.id], at_s)
                continue
            if place.track.id in free and place.elsewhere_s == math.inf:
                place.elsewhere_s = at_s
            if is_covered(place.box, (other.box for other in seen), COVERED_SHARE):
                place.covered_s = at_s
            elif at_s - place.covered_s > BARE_S:
                place.empty_s += pause_s

    def _is_at(self, place: StandingVehicle, track: Track) -> bool:
        return is_same_place(place.box, self.movements[track.id].now, track.aspect)

    def _may_be(self, place: StandingVehicle, track: Track, at_s: float) -> bool:
        """Whether a track shows the vehicle of a place under another id."""
        movement = self.movements[track.id]
        if not self._is_at(place, track):
            return False
        if movement.came is None:
            return track.first_seen_s >= place.seen_s or movement.stands(at_s)
        # Who was seen to drive up is another vehicle, unless ids were mixed up.
        return movement.stands(at_s) and movement.since_s <= place.seen_s + MIXED_UP_S

    def _doubles(self, track: Track, at_s: float) -> bool:
        """Whether a place that is seen now shows the same vehicle as this track."""
        return any(
            place.seen_s >= at_s and _show_one(place.box, self.movements[track.id].box)
            for place in self.places
        )

    def remember(
        self, at_s: float, open_places: Collection[StandingVehicle]
    ) -> list[dict[str, Any]]:
        """The places, with ages instead of times.

        An incident that is open now goes on after a crash, so it must be reported then as well.
        """
        return [
            {
                "box": [round(float(value), 5) for value in place.box],
                "label": place.track.label,
                "aspect": place.track.aspect,
                "stood_s": round(at_s - place.since_s, 1),
                "came": place.came and [round(float(value), 5) for value in place.came],
                "from_start": place.from_start,
                "told": place.told and place not in open_places,
            }
            for place in self.places
            if place.is_there(at_s) is not False
        ]

    def recall(self, kept: Iterable[Mapping[str, Any]], age_s: float, at_s: float) -> None:
        """Places of an earlier run; one whose vehicle is not found again is soon dropped."""
        if age_s > REMEMBERED_S:
            return
        for number, one in enumerate(kept):
            box = Box(*(float(value) for value in one["box"]))
            came = one["came"] and (float(one["came"][0]), float(one["came"][1]))
            # No track has a negative id.
            track = Track(
                -1 - number, str(one["label"]), box, 0.0, at_s, at_s, float(one["aspect"])
            )
            since_s, was_there = at_s - age_s - float(one["stood_s"]), bool(one["from_start"])
            place = StandingVehicle(box, track, since_s, at_s, came, was_there)
            place.told = bool(one["told"])
            self.places.append(place)
        self._began_s = self._last_s = at_s
