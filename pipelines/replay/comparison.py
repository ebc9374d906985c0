"""`RuleComparison`: what the rules of several configurations found in one recording, side by side.

Incidents of one kind at one place whose times overlap are the same thing that happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from camera_adapters import RECORDING_BEGIN
from pipelines.incident import Incident, Transition
from pipelines.replay.replay import ReplayStep, RuleStep

NEAR_S: Final = 2.0
"""Incidents that are no further apart than this are the same thing too."""


@dataclass(frozen=True, slots=True)
class ComparedIncident:
    """One thing that happened.

    Attributes:
        kind: Kind of the incidents.
        place: Name of the zone or line.
        found: The incidents by configuration, in the order of time; none where it saw nothing.
    """

    kind: str
    place: str
    found: tuple[tuple[Incident, ...], ...]

    @property
    def from_s(self) -> float:
        """When the first of them began, second of the recording."""
        return min(_begin_s(one) for own in self.found for one in own)


class RuleComparison:
    """Takes the steps of a replay with several plans."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are those of the configurations, that of the replay's own plan first."""
        self.names = tuple(names)
        self._incidents: list[dict[str, Incident]] = [{} for _ in names]

    def add(self, step: ReplayStep) -> None:
        """Takes note of what each found in one step."""
        for known, found in zip(self._incidents, (step.found, *step.others), strict=True):
            known.update(_newest(found))

    def things(self) -> tuple[ComparedIncident, ...]:
        """Everything that happened, in the order of time."""
        by_place: defaultdict[tuple[str, str], list[tuple[int, Incident]]] = defaultdict(list)
        for index, known in enumerate(self._incidents):
            for incident in known.values():
                by_place[incident.kind, incident.zone].append((index, incident))
        things = [
            ComparedIncident(kind, place, self._by_name(group))
            for (kind, place), own in by_place.items()
            for group in _overlapping(own)
        ]
        return tuple(sorted(things, key=lambda one: (one.from_s, one.kind, one.place)))

    def _by_name(self, group: Sequence[tuple[int, Incident]]) -> tuple[tuple[Incident, ...], ...]:
        return tuple(
            tuple(incident for index, incident in group if index == wanted)
            for wanted in range(len(self.names))
        )


def comparison_words(one: ComparedIncident, names: Sequence[str]) -> str:
    """One thing for people: `only in B  traffic.congestion in approach  12.0 to 45.2 s, high`."""
    having = [name for name, own in zip(names, one.found, strict=True) if own]
    where = f"only in {having[0]}" if len(having) == 1 else f"in {' and '.join(having)}"
    if len(having) == len(names):
        where = "in both" if len(names) == 2 else "in all"  # noqa: PLR2004 - two are both
    said = [
        f"{name}: {'; '.join(map(_span, own))}"
        for name, own in zip(names, one.found, strict=True)
        if own
    ]
    if len(having) == 1:
        said = [said[0].partition(": ")[2]]
    return f"{where}  {one.kind} in {one.place}  {'  '.join(said)}"


def comparison_facts(one: ComparedIncident, names: Sequence[str]) -> dict[str, Any]:
    """The same for a line of JSON."""
    return {
        "kind": one.kind,
        "zone": one.place,
        "found": {
            name: [
                {
                    "id": it.id,
                    "severity": it.severity,
                    "opened_s": _begin_s(it),
                    "ended_s": _end_s(it),
                    "end_reason": it.end_reason,
                }
                for it in own
            ]
            for name, own in zip(names, one.found, strict=True)
        },
    }


def _newest(found: Sequence[RuleStep]) -> Iterator[tuple[str, Incident]]:
    for one in found:
        if isinstance(one.found, Transition):
            yield one.found.incident.id, one.found.incident


def _overlapping(own: list[tuple[int, Incident]]) -> Iterator[list[tuple[int, Incident]]]:
    """Groups whose times overlap, or nearly."""
    group: list[tuple[int, Incident]] = []
    until_s = 0.0
    for index, incident in sorted(own, key=lambda one: (_begin_s(one[1]), one[0])):
        if group and _begin_s(incident) > until_s + NEAR_S:
            yield group
            group = []
        until_s = max(until_s, _end_s(incident)) if group else _end_s(incident)
        group.append((index, incident))
    if group:
        yield group


def _begin_s(incident: Incident) -> float:
    return round((incident.opened_at - RECORDING_BEGIN).total_seconds(), 3)


def _end_s(incident: Incident) -> float:
    ended = incident.ended_at or incident.updated_at
    return round((ended - RECORDING_BEGIN).total_seconds(), 3)


def _span(incident: Incident) -> str:
    reason = f" ({incident.end_reason})" if incident.end_reason else ""
    return f"{_begin_s(incident):.1f} to {_end_s(incident):.1f} s, {incident.severity}{reason}"
