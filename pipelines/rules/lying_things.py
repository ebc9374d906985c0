"""`LyingThings`: what lies in one zone, from static changes and from classes, each thing once.

A static change that was added is a thing without any class; a class that stays at one place is one
too. Where both show the same place they are one thing, and so are the parts of a change.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from models.detections import Box, common_share, plain_label
from pipelines.rules.condition import Condition
from pipelines.rules.ground_scale import GroundScale
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.rules.lying_thing import (
    PARTS_GAP,
    PARTS_S,
    ROAD_USERS,
    SAME_PART,
    LyingThing,
    gap,
    likeness,
)
from pipelines.rules.people_log import OwnerReach, PeopleLog, PeopleSighting, is_near
from pipelines.rules.resting_place import OWNER_S
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.signals.signal import ChangeKind, StaticChange
from pipelines.track import LITTER, Track

LitterEvidence = Literal["both", "class", "static_change"]

MISSED_S: Final = 2.0
MISSED_FRAMES: Final = 2.5
"""What a class does not see for so long, and so many usual intervals, is not there any more."""

COVERED_S: Final = 120.0
"""How long a thing that only a class shows is remembered behind what stands before it."""

FRESH_S: Final = 3.0
CARRIED_S: Final = 1.5
"""A change that was seen so lately is seen now: it is looked for once a second. The shorter time is
for a thing whose track has moved on."""

REPLAYED_S: Final = 1.5
"""So long before it came begins what is asked about its owner."""

START_S: Final = 3.0
"""What a class shows so soon after the start was there before; nobody has seen who brought it."""

MAX_THINGS: Final = 100
ASK_EVERY_S: Final = 1.0


class LyingThings:
    """The things in one zone.

    Attributes:
        scale: How many metres the image shows.
        log: Who was there in the last minute.
    """

    def __init__(self, shape: ZoneShape, evidence: LitterEvidence, reach: OwnerReach) -> None:
        """Starts with none.

        Args:
            shape: The zone; a thing belongs to it if its foot does.
            evidence: Which signals count.
            reach: Within which distance a person may belong to a thing.
        """
        self.scale = GroundScale(shape.ground)
        self.log = PeopleLog()
        self._shape = shape
        self._evidence = evidence
        self._reach = reach
        self._things: list[LyingThing] = []
        self._numbers = itertools.count(1)
        self._started_s: float | None = None
        self._has_signal = False
        self._first: list[Box] = []

    @property
    def things(self) -> Sequence[LyingThing]:
        """Those that are known now."""
        return self._things

    def observe(
        self, tracks: Sequence[Track], changes: Sequence[StaticChange] | None, at_s: float
    ) -> None:
        """Takes a frame.

        Args:
            tracks: All of the camera.
            changes: Its static changes; None where nobody computes them.
            at_s: Monotonic time of the frame, seconds.
        """
        self._started_s = at_s if self._started_s is None else self._started_s
        self._has_signal = changes is not None and self._evidence != "class"
        self.log.observe(tracks, at_s, MAX_GAP_S)
        now = self.log.newest
        self.scale.observe(now.persons)
        if self.log.gap_s == at_s:
            self._forget_beforegap(at_s)
        added = [one for one in changes or () if one.kind is ChangeKind.ADDED]
        listed = {one.id: one for one in added if self._has_signal}
        aspect = tracks[0].aspect if tracks else 16 / 9
        self._place_changes([one for one in listed.values() if not one.settled], aspect, at_s)
        others = [one for one in tracks if plain_label(one.label) not in ROAD_USERS]
        seen = self._place_classes(others, at_s)
        road_users = (*now.persons, *now.vehicles)
        # A track that has left its thing was carried on: nothing lies where it was.
        carried = frozenset(one.id for one in others)
        for thing in self._things:
            thing.frames += 1
            thing.as_road_user += thing.is_seen_as(road_users)
            thing.lies = self._lies(thing, listed, thing in seen, carried, road_users, at_s)
            self._note_people(thing, now)
            self._note_bringer(thing, at_s)
            thing.size_m = max(self.scale.size_m(thing.box, thing.aspect))
        self._forget(at_s)

    def conditions(self, thing: LyingThing, at_s: float, confirm_s: float) -> Sequence[Condition]:
        """What decides whether a thing is litter.

        Of a static change, somebody who brought it and a class two must speak for it. A class is
        enough where static change is not computed or does not count.
        """
        by_class = thing.is_litter_by_class or (thing.is_thing_by_class and bool(thing.changes))
        if not self._has_signal:
            return thing.conditions(at_s, confirm_s, 1, int(thing.is_litter_by_class))
        if self._evidence == "static_change":
            by_class = False
        points = bool(thing.changes) + thing.brought + by_class
        return thing.conditions(at_s, confirm_s, 2, points)

    def area_m2(self, thing: LyingThing) -> float:
        """Area of a thing as the camera sees it, square metres."""
        return (
            thing.area * thing.aspect * self.scale.metres_per_height(thing.box, thing.aspect) ** 2
        )

    def recall(self, box: Box, aspect: float, label: str, since_s: float, at_s: float) -> None:
        """Goes on with a thing that an earlier run has reported; it must be seen to count again."""
        thing = self._new(box, aspect, since_s, at_s)
        thing.lies, thing.brought, thing.alone_since_s = None, True, at_s
        thing.votes[label] += 1

    def _place_changes(self, changes: Sequence[StaticChange], aspect: float, at_s: float) -> None:
        for change in changes:
            if not self._shape.contains(change.box.foot):
                continue
            thing = next((one for one in self._things if change.id in one.changes), None)
            if thing is None:
                thing = self._thing_of(change, aspect)
            if thing is None:
                thing = self._new(change.box, aspect, change.since_s, change.seen_s)
                self._replay(thing, at_s)
            self._note_pieces(thing, change, changes)
            thing.changes[change.id] = change
            if math.isinf(thing.named_s):
                thing.box = _around(thing.changes.values())
            thing.since_s = min(thing.since_s, change.since_s)
            thing.seen_s = max(thing.seen_s, change.seen_s)

    def _note_pieces(
        self, thing: LyingThing, change: StaticChange, live: Sequence[StaticChange]
    ) -> None:
        """Notes what somebody put on a thing or against it."""
        if change.id not in thing.changes and self._is_piece(thing, change, live):
            thing.joined[change.id] = change.since_s
        layers = [(change.id, since_s) for since_s in change.later_s]
        for gone in [one for one in thing.layers if one[0] == change.id and one not in layers]:
            del thing.layers[gone]
        reach, ground = self._reach, self._shape.ground
        for layer in layers:
            if layer not in thing.layers:
                brought = self.log.has_bringer(change.box, layer[1], reach, ground)
                thing.layers[layer] = brought

    def _is_piece(
        self, thing: LyingThing, change: StaticChange, live: Sequence[StaticChange]
    ) -> bool:
        """Whether a new change of a thing is another one, put on it or against it by somebody."""
        others = [one for one in live if one.id in thing.changes]
        is_later = all(abs(one.since_s - change.since_s) > PARTS_S for one in others)
        reach, ground = self._reach, self._shape.ground
        return (
            bool(others)
            and is_later
            and self.log.has_bringer(change.box, change.since_s, reach, ground)
        )

    def _thing_of(self, change: StaticChange, aspect: float) -> LyingThing | None:
        """The thing that a new change shows, or is a part of."""
        for thing in self._things:
            if not thing.changes:
                if likeness(thing.box, change.box, aspect) > 0:
                    return thing
                continue
            is_part = (
                gap(thing.box, change.box, aspect) <= PARTS_GAP
                and abs(thing.since_s - change.since_s) <= PARTS_S
            )
            if is_part or common_share(thing.box, change.box) >= SAME_PART:
                return thing
        return None

    def _place_classes(self, tracks: Sequence[Track], at_s: float) -> set[LyingThing]:
        """Finds the thing that each track shows, best pairs first; new ones for litter."""
        pairs = sorted(
            (
                (-fit, thing.number, index)
                for thing in self._things
                for index, track in enumerate(tracks)
                if (fit := likeness(thing.box, track.box, track.aspect)) > 0
            )
        )
        by_number = {thing.number: thing for thing in self._things}
        seen: dict[LyingThing, Track] = {}
        placed: set[int] = set()
        counts = self._evidence != "static_change"
        for _, number, index in pairs:
            thing, track = by_number[number], tracks[index]
            if index in placed:
                continue
            if thing not in seen:
                is_litter = counts and plain_label(track.label) in LITTER
                thing.see_class(track, at_s, places=is_litter)
                if is_litter:
                    seen[thing] = track
                placed.add(index)
            elif common_share(seen[thing].box, track.box) > 0:
                # A second box on a thing that was found shows the same one again.
                placed.add(index)
        for index, track in enumerate(tracks):
            is_new = counts and index not in placed and plain_label(track.label) in LITTER
            if is_new and self._shape.contains(track.box.foot):
                thing = self._new(track.box, track.aspect, at_s, at_s)
                thing.was_there = self._was_there(track, at_s)
                thing.see_class(track, at_s, places=True)
                self._replay(thing, at_s)
                seen[thing] = track
        return set(seen)

    def _was_there(self, track: Track, at_s: float) -> bool:
        """Whether a class shows something where it did so at the start, however often it missed it.

        Whoever passes then has not brought it.
        """
        if self._started_s is not None and at_s - self._started_s < START_S:
            self._first = [*self._first, track.box][-MAX_THINGS:]
            return True
        return any(likeness(box, track.box, track.aspect) > 0 for box in self._first)

    def _new(self, box: Box, aspect: float, since_s: float, seen_s: float) -> LyingThing:
        thing = LyingThing(next(self._numbers), box, aspect, since_s, seen_s)
        kept = [one for one in self._things if one.is_kept]
        others = sorted(
            (one for one in self._things if not one.is_kept), key=lambda one: one.seen_s
        )
        # When there are too many, what was seen least lately is forgotten, never an incident.
        room = max(MAX_THINGS - len(kept), 1)
        self._things = kept + [*others, thing][-room:]
        return thing

    def _lies(
        self,
        thing: LyingThing,
        listed: dict[int, StaticChange],
        is_seen: bool,
        carried: frozenset[int],
        road_users: Sequence[Track],
        at_s: float,
    ) -> bool | None:
        """Whether a thing lies there now; None where nothing is known."""
        is_covered = thing.is_covered(road_users)
        is_carried = not is_seen and thing.track is not None and thing.track.id in carried
        said: list[bool | None] = []
        own = [listed[one] for one in thing.changes if one in listed]
        if live := [one for one in own if not one.settled]:
            fresh_s = self.log.interval_s + (CARRIED_S if is_carried else FRESH_S)
            is_fresh = at_s - max(one.seen_s for one in live) <= fresh_s
            said.append(is_fresh or (None if is_covered and not is_carried else False))
        elif thing.changes:
            said.append(None if own else False)
        if is_seen:
            said.append(True)
        elif self._evidence != "static_change" and thing.named_s > 0:
            is_missed = thing.is_kept or at_s - thing.named_s > self._missed_s
            said.append(False if is_carried or (is_missed and not is_covered) else None)
        if not said:
            return thing.lies  # Recalled, and not seen since.
        return True if True in said else None if None in said else False

    def _note_people(self, thing: LyingThing, sighting: PeopleSighting) -> None:
        """Takes who was there in one frame, in order."""
        ground, at_s = self._shape.ground, sighting.at_s
        near = [one for one in sighting.persons if is_near(thing.box, one, self._reach, ground)]
        ids = frozenset(person.id for person in sighting.persons)
        thing.watched_from_s = min(thing.watched_from_s, at_s)
        if at_s - thing.watched_from_s <= OWNER_S:
            thing.owner_ids.update(person.id for person in near)
        # Who brought it and comes back is not somebody who passes.
        is_back = any(person.id in thing.owner_ids for person in near)
        if thing.owners.observe(near, ids, at_s) or is_back:
            thing.alone_since_s = None
        elif thing.alone_since_s is None:
            thing.alone_since_s = max(at_s, thing.since_s)

    def _replay(self, thing: LyingThing, at_s: float) -> None:
        """Asks about the people who were there when the thing came, up to the newest frame."""
        for sighting in self.log.since(thing.since_s - REPLAYED_S):
            if sighting.at_s < at_s:
                self._note_people(thing, sighting)

    def _note_bringer(self, thing: LyingThing, at_s: float) -> None:
        """Asks who brought a thing, at most once a second, while that is not known."""
        thing.was_there = thing.was_there and not thing.changes
        if thing.brought or thing.was_there or at_s - thing.asked_s < ASK_EVERY_S:
            return
        thing.asked_s = at_s
        thing.brought = self.log.has_bringer(
            thing.box, thing.since_s, self._reach, self._shape.ground
        )

    def _forget_beforegap(self, at_s: float) -> None:
        """Nobody knows what was in a gap: what no incident is about has lain from now on."""
        for thing in self._things:
            if thing.is_kept:
                continue
            if not thing.changes:
                thing.since_s = at_s
            if thing.alone_since_s is not None:
                thing.alone_since_s = at_s

    def _forget(self, at_s: float) -> None:
        self._things = [
            thing
            for thing in self._things
            if thing.is_kept
            or thing.lies
            or (thing.lies is None and (thing.changes or at_s - thing.seen_s <= COVERED_S))
        ]

    @property
    def _missed_s(self) -> float:
        return max(MISSED_S, MISSED_FRAMES * self.log.interval_s)


def _around(changes: Iterable[StaticChange]) -> Box:
    """The box around all parts."""
    x1, y1, x2, y2 = zip(*(one.box for one in changes), strict=True)
    return Box(min(x1), min(y1), max(x2), max(y2))
