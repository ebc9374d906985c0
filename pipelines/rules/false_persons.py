"""`FalsePersons`: what a model takes for a person at a place although nobody is there.

A pole, a signboard or a reflection is "seen" all day at one spot. It is told from a person who
stands still by five things at once: nobody was seen to walk there, its box does not change, it has
been there for minutes in which others walked by, few other things in view are like it, and none of
these is near. In a crowd that has always stood there an hour is needed, in which nobody may sway.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.detections import Box, box_has_moved, box_iou, pairwise_iou
from pipelines.rules.rule import Memory, Moment
from pipelines.track import Track

SAMPLE_S: Final = 0.5
"""Time between two comparisons of all persons with all spots, seconds."""

SAME_IOU: Final = 0.7
"""How much a box must be the one of a spot to be at it."""

LEFT_IOU: Final = 0.3

ALONE_S: Final = 120.0
"""How long a thing must be at its spot until it is no person, seconds."""

CROWD_S: Final = 3600.0
"""The same where other persons near it have not moved either."""

IN_SIGHT_SHARE: Final = 0.4
"""Share of that time in which it must be seen; the model may miss it, and people cover it."""

MAX_SWAY: Final = 0.05
"""Mean deviation of the edges of its box, in box sizes. Who stands for minutes has more."""

SWAY_SAMPLES: Final = 60
MIN_WALKERS: Final = 3
"""How many persons must have walked in view meanwhile."""

WALKED_HEIGHTS: Final = 0.7
NEAR_HEIGHTS: Final = 2.0
FEW: Final = 2
FEW_SHARE: Final = 0.25
"""Of the persons in view, those that may be like it, if they are more than `FEW`."""

FORGET_S: Final = 30.0
"""How long the spot of a person is kept who is covered or missed."""

PASSING_S: Final = 2.0
WALKED_OFF_S: Final = 5.0
"""How long a spot from which somebody walked away may be empty until it is none."""

REMEMBERED_S: Final = 30 * 86400.0
MAX_REMEMBERED: Final = 50


@dataclass(slots=True, eq=False)
class _Spot:
    """Where something has stood since.

    Attributes:
        box: Mean of its boxes.
        owner: The track that was there last.
        arrived: Whether somebody was seen to walk there.
        since_s: Monotonic time of the first sighting, seconds.
        last_s: The same of the newest one.
        seen_s: For how long it was in sight.
        sway: Mean deviation of the edges of its box, in box sizes.
        samples: How many boxes that is the mean of, `SWAY_SAMPLES` at most.
        walkers: How many persons had walked in view before.
        left_s: When its owner was seen elsewhere; infinite if it was not.
        is_false: Whether it is no person.
    """

    box: Box
    owner: int
    arrived: bool
    since_s: float
    last_s: float
    walkers: int
    seen_s: float = 0.0
    sway: float = 0.0
    samples: int = 1
    left_s: float = math.inf
    is_false: bool = False

    def is_passing(self, at_s: float) -> bool:
        """Whether its owner was there for a moment only, and goes on."""
        return self.last_s < at_s and self.seen_s < PASSING_S and not self.is_false

    def see(self, track: Track, at_s: float, span_s: float) -> None:
        """Takes the box of the track that is at it."""
        self.owner, self.last_s, self.left_s = track.id, at_s, math.inf
        self.seen_s += span_s
        self.samples = min(self.samples + 1, SWAY_SAMPLES)
        box, mean = track.box, self.box
        width, height = max(mean.x2 - mean.x1, 1e-6), max(mean.y2 - mean.y1, 1e-6)
        off = abs(box.x1 - mean.x1) + abs(box.x2 - mean.x2)
        tall = abs(box.y1 - mean.y1) + abs(box.y2 - mean.y2)
        self.sway += ((off / width + tall / height) / 4 - self.sway) / self.samples
        self.box = Box(*(m + (b - m) / self.samples for m, b in zip(mean, box, strict=True)))


@dataclass(slots=True)
class _Begin:
    """Where a track was first seen, and what it has done since."""

    box: Box
    last_s: float
    moved: bool = False
    walked: bool = False


class FalsePersons:
    """The spots of one view at which a model sees persons that are none."""

    def __init__(self) -> None:
        self._spots: list[_Spot] = []
        self._begins: dict[int, _Begin] = {}
        self._walkers = 0
        self._aspect = 1.0
        self._sampled_s = -math.inf

    def leave_out(self, persons: Sequence[Track], at_s: float) -> list[Track]:
        """The persons without those that are none.

        Args:
            persons: All persons on foot in view.
            at_s: Monotonic time, seconds.
        """
        span_s = at_s - self._sampled_s
        if not 0 <= span_s < SAMPLE_S:
            self._sampled_s = at_s
            self._sample(persons, at_s, span_s if 0 <= span_s <= FORGET_S else 0.0)
        false = [spot.box for spot in self._spots if spot.is_false]
        if not false:
            return list(persons)
        return [p for p in persons if all(box_iou(box, p.box) < SAME_IOU for box in false)]

    def remember(self) -> list[dict[str, Any]]:
        """The spots that hold no person, with the seconds since each was last seen."""
        false = sorted((s for s in self._spots if s.is_false), key=lambda spot: -spot.last_s)
        return [
            {"box": list(spot.box), "unseen_s": round(max(0.0, self._sampled_s - spot.last_s), 1)}
            for spot in false[:MAX_REMEMBERED]
        ]

    def recall(self, spots: Iterable[Mapping[str, Any]], age_s: float, at_s: float) -> None:
        """Goes on with what `remember` gave `age_s` seconds before `at_s`.

        Raises:
            KeyError, TypeError, ValueError: It is not what `remember` gives.
        """
        for said in spots:
            box, unseen_s = Box(*(float(edge) for edge in said["box"])), float(said["unseen_s"])
            if age_s + unseen_s <= REMEMBERED_S:
                last_s = at_s - age_s - unseen_s
                spot = _Spot(box, 0, arrived=False, since_s=last_s, last_s=last_s, walkers=0)
                spot.samples, spot.is_false = SWAY_SAMPLES, True
                self._spots.append(spot)

    def _sample(self, persons: Sequence[Track], at_s: float, span_s: float) -> None:
        for person in persons:
            self._follow(person, at_s)
            self._aspect = person.aspect
        self._begins = {
            track: begin for track, begin in self._begins.items() if at_s - begin.last_s < FORGET_S
        }
        self._take_up(persons, at_s, span_s)
        self._spots = [spot for spot in self._spots if _is_kept(spot, at_s)]
        self._decide(len(persons), at_s)

    def _follow(self, person: Track, at_s: float) -> None:
        """Notes whether a track has moved from where it began."""
        begin = self._begins.setdefault(person.id, _Begin(person.box, at_s))
        begin.last_s = at_s
        begin.moved = begin.moved or box_has_moved(begin.box, person.box)
        if not begin.walked and _heights_between(begin.box, person) >= WALKED_HEIGHTS:
            begin.walked = True
            self._walkers += 1

    def _take_up(self, persons: Sequence[Track], at_s: float, span_s: float) -> None:
        """Gives every person the spot at which it is, the one that it was at before others."""
        owned = {spot.owner: spot for spot in self._spots}
        late: list[Track] = []
        for person in persons:
            spot = owned.get(person.id)
            if spot is not None and box_iou(spot.box, person.box) >= SAME_IOU:
                spot.see(person, at_s, span_s)
            else:
                late.append(person)
        free = [spot for spot in self._spots if spot.last_s < at_s]
        for person, near in zip(late, _nearest(late, free), strict=True):
            if near is not None and near.last_s < at_s:
                near.see(person, at_s, span_s)
                continue
            begin, own = self._begins[person.id], owned.get(person.id)
            spot = _Spot(person.box, person.id, begin.moved, at_s, at_s, self._walkers)
            if own is not None and own.is_passing(at_s):
                self._spots.remove(own)
            self._spots.append(spot)
        boxes = {person.id: person.box for person in persons}
        for spot in self._spots:
            box = boxes.get(spot.owner)
            if spot.last_s < at_s and box is not None and box_iou(spot.box, box) < LEFT_IOU:
                spot.left_s = min(spot.left_s, at_s)

    def _decide(self, persons: int, at_s: float) -> None:
        """Finds which spots hold no person."""
        still = [spot for spot in self._spots if not spot.arrived and not spot.is_false]
        still = [spot for spot in still if at_s - spot.since_s >= ALONE_S / 2]
        few = len(still) <= max(FEW, FEW_SHARE * persons)
        for spot in still:
            others = (other for other in still if other is not spot)
            alone = few and not any(_are_near(spot, other, self._aspect) for other in others)
            needed_s = ALONE_S if alone else CROWD_S
            spot.is_false = (
                at_s - spot.since_s >= needed_s
                and spot.seen_s >= IN_SIGHT_SHARE * (at_s - spot.since_s)
                and spot.sway <= MAX_SWAY
                and self._walkers - spot.walkers >= MIN_WALKERS
            )


def _nearest(persons: Sequence[Track], spots: Sequence[_Spot]) -> list[_Spot | None]:
    """For each person the spot at which it is, if there is one."""
    if not persons or not spots:
        return [None] * len(persons)
    iou = pairwise_iou(
        np.array([person.box for person in persons]), np.array([spot.box for spot in spots])
    )
    best = iou.argmax(axis=1).tolist()
    return [spots[k] if iou[row, k] >= SAME_IOU else None for row, k in enumerate(best)]


def _is_kept(spot: _Spot, at_s: float) -> bool:
    if spot.is_false:
        return at_s - spot.left_s < FORGET_S
    return at_s - spot.last_s < FORGET_S and at_s - spot.left_s < WALKED_OFF_S


def _heights_between(before: Box, person: Track) -> float:
    """How far the foot of a person is from where it was, in its own heights."""
    box = person.box
    (x1, y1), (x2, y2) = before.foot, box.foot
    return math.hypot((x2 - x1) * person.aspect, y2 - y1) / max(box.y2 - box.y1, 1e-6)


def _are_near(one: _Spot, other: _Spot, aspect: float) -> bool:
    """Whether two spots are within a few heights, in an image of that width over height."""
    (x1, y1), (x2, y2) = one.box.foot, other.box.foot
    height = max(one.box.y2 - one.box.y1, other.box.y2 - other.box.y1)
    return math.hypot((x2 - x1) * aspect, y2 - y1) <= NEAR_HEIGHTS * height


class FalsePersonsWatch:
    """A rule at a place that counts no false persons; see `LearningWatch`."""

    _false: FalsePersons

    def remember(self, at: Moment) -> Memory:
        """What it has learned up to now."""
        return {"false_persons": self._false.remember()}

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        """Goes on with what an earlier run learned."""
        self._false.recall(memory["false_persons"], age_s, at.mono_s)
