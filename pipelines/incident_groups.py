"""`IncidentGroups`: incidents of one cause carry the same group, so that one matter is one case.

The group of an incident is the id of the first incident of its cause: its own, where it is alone or
the first. It is decided once, when the incident opens, from what was published before, so the same
run gives the same groups. What counts as one cause:

- incidents of different rules of one family (`FAMILIES`) in one zone, of which the first is still
  open, such as a vehicle that stopped within the zone of a jam;
- things at spots (rules that are `by_spot`) of one family, within `NEAR_M` metres on calibrated
  cameras, else within `NEAR_SIZES` sizes of the larger box, opened within `WITHIN` of the first of
  them, such as several bags of one heap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from models.detections import Box
from pipelines.incident import Incident, Phase, Transition
from pipelines.rules import GroundPlane, Line, Zone, ZoneShape, find_rule

FAMILIES: Final = (
    frozenset({"traffic.congestion", "traffic.stopped_vehicle"}),
    frozenset({"littering.dropped_object", "littering.exposed_rubbish", "littering.bin_overflow"}),
    frozenset({"crowding.density", "crowding.gathering", "crowding.dispersal"}),
)
"""Kinds that one cause may bring together; another kind is a family of its own."""

NEAR_M: Final = 5.0
NEAR_SIZES: Final = 4.0
WITHIN: Final = timedelta(minutes=5)
MOST: Final = 200
"""Incidents of one camera that are remembered; the oldest ended ones are forgotten first."""


@dataclass(slots=True)
class _Member:
    """An incident that was published.

    Attributes:
        family: The kinds that may have its cause.
        box: Where its most confident subject was at the opening; None without subjects.
        group_began_at: When the first incident of its group opened.
    """

    incident: Incident
    family: frozenset[str]
    by_spot: bool
    box: Box | None
    group_began_at: datetime
    is_open: bool = True


class IncidentGroups:
    """The incidents of one camera."""

    def __init__(self, places: Iterable[Zone | Line]) -> None:
        """Takes the zones and lines of all rules of the camera."""
        self._shapes: dict[str, ZoneShape] = {}
        self._ground: GroundPlane | None = None
        for place in places:
            if isinstance(place, Zone):
                self._shapes[place.name] = ZoneShape(place)
            if place.ground is not None and self._ground is None:
                self._ground = GroundPlane(place.ground)
        self._members: dict[str, _Member] = {}

    @property
    def remembered(self) -> int:
        """How many incidents are remembered."""
        return len(self._members)

    def follow(self, transition: Transition) -> Transition:
        """The same transition, with the group of its incident."""
        incident = transition.incident
        if transition.phase is Phase.STARTED:
            self._add(incident)
        member = self._members.get(incident.id)
        if member is None:
            return replace(transition, incident=replace(incident, group=incident.id))
        if transition.phase is Phase.ENDED:
            member.is_open = False
            self._forget()
        group = member.incident.group
        return replace(transition, incident=replace(incident, group=group))

    def _add(self, incident: Incident) -> None:
        rule = find_rule(incident.kind)
        best = max(incident.subjects, key=lambda one: (one.score, -one.track), default=None)
        new = _Member(
            incident,
            next((one for one in FAMILIES if incident.kind in one), frozenset({incident.kind})),
            rule is not None and rule.by_spot,
            None if best is None else best.box,
            incident.opened_at,
        )
        others = [one for one in self._members.values() if self._is_one_cause(one, new)]
        first = min(others, key=lambda one: (one.group_began_at, one.incident.id), default=None)
        if first is not None:
            new.group_began_at = first.group_began_at
        group = first.incident.group if first else incident.id
        new.incident = replace(incident, group=group)
        self._members[incident.id] = new

    def _is_one_cause(self, old: _Member, new: _Member) -> bool:
        if old.family != new.family:
            return False
        if old.by_spot and new.by_spot:
            since_first = new.incident.opened_at - old.group_began_at
            return abs(since_first) <= WITHIN and self._are_near(old.box, new.box)
        if old.incident.kind == new.incident.kind or not old.is_open:
            return False
        if old.by_spot == new.by_spot:
            return old.incident.zone == new.incident.zone
        thing, place = (old, new) if old.by_spot else (new, old)
        return self._is_in(thing.box, place.incident.zone)

    def _is_in(self, box: Box | None, zone: str) -> bool:
        shape = self._shapes.get(zone)
        return box is not None and shape is not None and shape.contains(box.foot)

    def _are_near(self, one: Box | None, other: Box | None) -> bool:
        if one is None or other is None:
            return False
        if self._ground is not None:
            here, there = self._ground.metres(one.foot), self._ground.metres(other.foot)
            return here is not None and there is not None and math.dist(here, there) <= NEAR_M
        size = max(one.x2 - one.x1, one.y2 - one.y1, other.x2 - other.x1, other.y2 - other.y1)
        return math.dist(one.foot, other.foot) <= NEAR_SIZES * size

    def _forget(self) -> None:
        """Lets the oldest ended ones go where there are too many."""
        surplus = len(self._members) - MOST
        ended = [name for name, one in self._members.items() if not one.is_open]
        for name in ended[: max(0, surplus)]:
            del self._members[name]
