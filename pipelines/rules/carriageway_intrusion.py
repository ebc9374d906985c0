"""`traffic.carriageway_intrusion`: a pedestrian or a non-motor vehicle is on a carriageway.

One incident per zone covers all who are in it. Who sits in or on a vehicle is not on the
carriageway: riders go with their cycle, and whoever is seen through a windscreen with the vehicle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from models.detections import Box, box_iou, common_area, plain_label
from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.found_things import FoundThings
from pipelines.rules.non_motor import NonMotorFilter
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Memory,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import Reading, Situation, SituationWatch
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import CYCLES, PERSONS, VEHICLES, Track, tracks_on_foot

MISSED_S: Final = 1.5
"""Somebody who is missed for less may still be there."""

KEPT_S: Final = 10.0
"""For so long somebody who was missed goes on where they are seen again."""

SAME_IOU: Final = 0.3
"""A new track that overlaps the last box of one that is missed by so much is the same person."""

ABOARD_SHARE: Final = 0.8
ABOARD_HEIGHT: Final = 0.15
"""Who is inside a vehicle's box by this share, and whose lower end is above that of the vehicle by
this share of its height, is aboard. Who walks before it has their feet lower."""


class CarriagewayIntrusionParameters(RuleParameters):
    """When somebody counts as being on a carriageway."""

    confirm_s: float = Field(
        default=2.0, ge=0, le=3600, description="seconds it must go on until it is an incident"
    )
    crossing_s: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="seconds that each of them may be on it, to cross, before they count",
    )
    labels: tuple[str, ...] = Field(
        default=tuple(sorted((*PERSONS, "bicycle", "cyclist"))),
        min_length=1,
        description="labels of those that must not be there",
        examples=["[person, bicycle, motorcycle]"],
    )


@dataclass(slots=True)
class _Visit:
    """Somebody on the carriageway.

    Attributes:
        since_s: Since when, monotonic seconds.
        seen_s: When they were last seen on it.
        box: Where that was.
    """

    since_s: float
    seen_s: float
    box: Box


class _IntrusionWatch(SituationWatch):
    """One carriageway, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: CarriagewayIntrusionParameters
    ) -> None:
        self._shape = shape
        self._labels = {plain_label(label) for label in parameters.labels}
        self._cycles = NonMotorFilter(self._labels, shape)
        self._found = FoundThings()
        self._crossing_s = parameters.crossing_s
        self._situation = Situation(identity, parameters)
        self._visits: dict[int, _Visit] = {}

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        self._cycles.observe(tracks, at.mono_s)
        meant = [track for track in tracks if self._is_meant(track)]
        self._found.observe(meant, at.mono_s)
        inside = self._inside(tracks, meant)
        shown = {track.id for track in tracks}
        for track in inside:
            visit = self._visits.get(track.id) or self._taken_over(track, shown, at.mono_s)
            visit.seen_s, visit.box = at.mono_s, track.box
            self._visits[track.id] = visit
        # Whoever is seen beside the carriageway has left it.
        left = shown - {track.id for track in inside}
        self._visits = {
            track: visit
            for track, visit in self._visits.items()
            if track not in left and at.mono_s - visit.seen_s <= KEPT_S
        }
        return RuleResult(self._situation.observe(self._read(inside, at.mono_s), at))

    def remember(self, at: Moment) -> Memory:
        """See `LearningWatch`: who is there now has come, whether or not they move."""
        return self._found.remember([visit.box for visit in self._visits.values()])

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        """See `LearningWatch`."""
        self._found.recall(memory, age_s)

    def _inside(self, tracks: Sequence[Track], meant: Sequence[Track]) -> list[Track]:
        vehicles = [track.box for track in tracks if plain_label(track.label) in VEHICLES]
        shown = {track.id for track in tracks}
        return [
            track
            for track in meant
            if not self._found.is_one(track)
            and (not track.rides or self._stands_for_cycle(track, shown))
            and self._shape.contains(track.box.foot)
            and not any(_is_aboard(track.box, vehicle) for vehicle in vehicles)
        ]

    def _is_meant(self, track: Track) -> bool:
        label = plain_label(track.label)
        if label in CYCLES:
            return self._cycles.knows(track.id)
        return label in self._labels

    def _stands_for_cycle(self, rider: Track, shown: set[int]) -> bool:
        """Whether a rider shows a cycle that counts and is missed in this frame."""
        return rider.rides not in shown and self._cycles.knows(rider.rides)

    def _taken_over(self, track: Track, shown: set[int], at_s: float) -> _Visit:
        """The visit of somebody who is missed and is where this track is, or a new one."""
        missed = (one for one in self._visits if one not in shown)
        same = (one for one in missed if box_iou(self._visits[one].box, track.box) >= SAME_IOU)
        return self._visits.pop(next(same, 0), _Visit(at_s, at_s, track.box))

    def _read(self, inside: Sequence[Track], at_s: float) -> Reading:
        count = [track for track in inside if self._stays_s(track.id, at_s) >= self._crossing_s]
        longest_s = max((self._stays_s(track.id, at_s) for track in inside), default=0.0)
        conditions = (
            Condition("on_carriageway", float(len(inside)), 1.0),
            Condition("longest_stay", round(longest_s, 1), self._crossing_s, "s"),
        )
        if not count:
            missed = any(
                at_s - visit.seen_s <= MISSED_S and at_s - visit.since_s >= self._crossing_s
                for visit in self._visits.values()
            )
            return Reading(holds=None if missed else False, tracks=inside, conditions=conditions)
        persons = len(tracks_on_foot(count))
        return Reading(
            holds=True,
            severity=Severity.HIGH if persons else Severity.MEDIUM,
            tracks=count,
            detail={"persons": float(persons), "others": float(len(count) - persons)},
            size=float(len(count)),
            conditions=conditions,
        )

    def _stays_s(self, track: int, at_s: float) -> float:
        return at_s - self._visits[track].since_s


def _is_aboard(person: Box, vehicle: Box) -> bool:
    above = vehicle.y2 - person.y2 >= ABOARD_HEIGHT * (vehicle.y2 - vehicle.y1)
    return above and common_area(person, vehicle) >= ABOARD_SHARE * common_area(person, person)


CARRIAGEWAY_INTRUSION: Final = RuleType(
    kind="traffic.carriageway_intrusion",
    version="1",
    task="traffic",
    Parameters=CarriagewayIntrusionParameters,
    zone=_IntrusionWatch,
)
