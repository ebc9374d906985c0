"""`OwnerTracker`: whether somebody stays with an object, as opposed to people who walk past.

A person stays with the object who was near when it was first seen and has not left since, who
stands still near it, or who has been near for long. Whoever walks through is a passer-by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

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
