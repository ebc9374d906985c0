"""`RestingPlace`: a spot where an object lies, recognised by where it is and not by track ids.

Ids change, detections fail, passers-by cover the object; the place stays the same. `OwnerTracker`
says whether somebody stays with it, as opposed to people who walk past.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from models.detections import Box, box_iou, is_covered
from pipelines.rules.situation import Situation
from pipelines.track import Track

STANDING_S: Final = 2.0
"""Somebody who has not moved for this long stands."""

STANDING_HEIGHTS: Final = 0.5
"""Moving less than this many body heights is not moving."""

LINGER_S: Final = 10.0
"""Somebody who has been near for this long stays, however much they move."""

OWNER_S: Final = 1.0
"""Whoever is near within this time of the object's first sighting may have brought it."""

LOST_S: Final = 2.0
"""How long a person counts as still there when the detector misses them."""


@dataclass(slots=True)
class _Stay:
    since_s: float
    seen_s: float
    owner: bool
    foot: tuple[float, float]
    stands_since_s: float

    def see(self, person: Track, at_s: float) -> None:
        self.seen_s = at_s
        if _moved_heights(person, self.foot) > STANDING_HEIGHTS:
            self.foot = person.box.foot
            self.stands_since_s = at_s

    def counts(self) -> bool:
        stands_s = self.seen_s - self.stands_since_s
        near_s = self.seen_s - self.since_s
        return self.owner or stands_s >= STANDING_S or near_s >= LINGER_S


class OwnerTracker:
    """The people around one object."""

    def __init__(self) -> None:
        self._stays: dict[int, _Stay] = {}
        self._first_s: float | None = None

    def observe(self, near: Iterable[Track], seen: frozenset[int], at_s: float) -> bool:
        """Takes who is near now; returns whether the object is attended.

        Args:
            near: Persons within the distance that counts.
            seen: Ids of all persons that the frame shows, near or far.
            at_s: Monotonic time of the frame, seconds.
        """
        self._first_s = at_s if self._first_s is None else self._first_s
        brought = at_s - self._first_s <= OWNER_S
        near_ids = set()
        for person in near:
            near_ids.add(person.id)
            stay = self._stays.get(person.id)
            if stay:
                stay.see(person, at_s)
            else:
                foot = person.box.foot
                self._stays[person.id] = _Stay(at_s, at_s, brought, foot, at_s)
        self._stays = {
            person: stay
            for person, stay in self._stays.items()
            if person in near_ids or (person not in seen and at_s - stay.seen_s <= LOST_S)
        }
        return any(stay.counts() for stay in self._stays.values())


def _moved_heights(person: Track, foot: tuple[float, float]) -> float:
    height = person.box.y2 - person.box.y1
    if height <= 0:
        return 0.0
    x, y = person.box.foot
    return math.hypot((x - foot[0]) * person.aspect, y - foot[1]) / height


SAME_IOU: Final = 0.3
SAME_SIZES: Final = 0.6
"""Two objects of a kind are one if their boxes overlap or their centres are this near, in sizes."""

APART_SIZES: Final = 1.5
"""Boxes whose centres are further apart, in sizes of the larger, cannot overlap: the bound is the
diagonal of a square."""

SETTLE_S: Final = 10.0
"""The place's box is the mean of about this time, so that jitter averages out but nothing that
moves on, however slowly, is taken for a thing at rest."""

MISSED_S: Final = 2.0
"""An object not seen for longer, though nothing covers it, is not there any more."""

COVERED_SHARE: Final = 0.4


class RestingPlace:
    """One object at rest.

    Attributes:
        situation: The incident at this place.
        owners: Who stays with the object.
        seen_s: When it was last seen, monotonic seconds.
        since_s: When it was first seen here.
        track: The object as last seen.
    """

    def __init__(self, track: Track, situation: Situation, at_s: float) -> None:
        self.situation = situation
        self.owners = OwnerTracker()
        self.since_s = at_s
        self.seen_s = at_s
        self.box = track.box
        self._is_empty = False
        self.track = track
        self._votes: Counter[str] = Counter({track.label: 1})

    @property
    def label(self) -> str:
        """The label that it had most often."""
        return self._votes.most_common(1)[0][0]

    def likeness(self, track: Track) -> float:
        """How well a sighting fits this object: 0 not at all, above 0 the same place."""
        away = _distance(self.box, track.box, track.aspect) / max(
            _size(self.box, track.aspect), _size(track.box, track.aspect)
        )
        if away > APART_SIZES:
            return 0.0
        iou = box_iou(self.box, track.box)
        if iou < SAME_IOU and away > SAME_SIZES:
            return 0.0
        return iou + 1 / (1 + away)

    def see(self, track: Track, at_s: float) -> None:
        """Notes that the object is seen here."""
        if self._is_empty:
            self._is_empty = False
            self.owners = OwnerTracker()
            self.since_s = at_s
        span_s = at_s - self.seen_s
        weight = span_s / (span_s + min(at_s - self.since_s, SETTLE_S)) if span_s > 0 else 0.0
        self.box = self.box.towards(track.box, weight)
        self.seen_s = at_s
        self.track = track
        self._votes[track.label] += 1

    def miss(self, at_s: float) -> None:
        """Notes that nothing lies here; what comes next is another object with other owners."""
        if not self.situation.is_open and at_s - self.seen_s > MISSED_S:
            self._is_empty = True

    def is_covered(self, others: Iterable[Track]) -> bool:
        """Whether somebody or something stands between the camera and the object."""
        return is_covered(self.box, (other.box for other in others), COVERED_SHARE)


def _size(box: Box, aspect: float) -> float:
    return max((box.x2 - box.x1) * aspect, box.y2 - box.y1, 1e-6)


def _distance(one: Box, other: Box, aspect: float) -> float:
    (x1, y1), (x2, y2) = one.centre, other.centre
    return math.hypot((x1 - x2) * aspect, y1 - y2)
