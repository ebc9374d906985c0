"""`LeftOpenIncidents`: what a crash left open goes on where it goes on, and ends where it does not.

A killed worker says nothing of its incidents. When it is back, each of them waits for its rule: if
the rule finds an incident of the same kind at the same place, that is the old one, which goes on
under its id, with its opening, its severity and its peak. If the rule has had the time to find one
and did not, the incident ends as `recovered`. Either way there is one incident, with one end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from models.detections import Box
from pipelines.delivery.outbox import Outbox
from pipelines.event import IncidentEvent
from pipelines.incident import (
    EndReason,
    Incident,
    Peak,
    Phase,
    Severity,
    Subject,
    Transition,
    worst,
)
from pipelines.plan import CameraPlan
from pipelines.rules import EndedIncident, RuleError, closeness, find_rule
from pipelines.rules.rule import RuleParameters

START_S: Final = 30.0
"""How long a worker may take until the first frames of its cameras are analysed."""

MOST_S: Final = 300.0
"""An incident that nobody could see for longer is not called open any more."""

COOLING_ENDS: Final = frozenset({EndReason.CLEARED, EndReason.RECOVERED})
"""What ended otherwise may go on, and be told again at once."""

FRAMES: Final = 3
"""So many frames a rule gets at least, at low rates too."""


def resumption_s(plan: CameraPlan) -> dict[str, float]:
    """How long incidents of each kind wait for their rule, seconds, for the rules of a camera."""
    waits: dict[str, float] = {}
    for task in plan.tasks:
        for rule in task.rules:
            known = find_rule(rule.kind, rule.version)
            if known is None:
                raise RuleError(f"camera {plan.camera.id}: there is no rule {rule.kind!r}")
            parameters = known.Parameters.model_validate(dict(rule.parameters))
            if not isinstance(parameters, RuleParameters):
                continue  # It only measures.
            wait_s = min(START_S + parameters.confirm_s + FRAMES / task.least_fps, MOST_S)
            waits[rule.kind] = max(waits.get(rule.kind, 0.0), wait_s)
    return waits


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: IncidentEvent
    until_s: float


class LeftOpenIncidents:
    """Those of one worker. Not thread-safe."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}
        # By the id that the rule gave an incident when it found it again.
        self._resumed: dict[str, Incident] = {}
        # Groups by the id that an incident of theirs got when it was found again.
        self._groups: dict[str, str] = {}

    def wait(self, last: IncidentEvent, until_s: float) -> None:
        """Lets an incident wait for its rule.

        Args:
            last: Its newest event.
            until_s: Up to which monotonic time.
        """
        self._waiting[last.data.incident_id] = _Waiting(last, until_s)

    def follow(self, transition: Transition) -> tuple[Transition, bool]:
        """Gives a transition of an incident that was found again as one of the old incident.

        Returns:
            The transition, and whether the peak in it was seen by this worker.
        """
        new = transition.incident
        if transition.phase is Phase.STARTED and (found := self._find(new)):
            old = self._resumed[new.id] = _incident_of(self._waiting.pop(found).event)
            self._groups[new.id] = old.group
        group = self._groups.get(new.group, new.group)
        if new.id not in self._resumed:
            return replace(transition, incident=replace(new, group=group)), True
        old = self._resumed[new.id]
        if transition.phase is Phase.ENDED:
            del self._resumed[new.id]
        is_own = new.peak is not None and new.peak.exceeds(old.peak)
        peak = new.peak if is_own else old.peak
        has_ended = transition.phase is Phase.ENDED and peak is not None
        whole = replace(
            new,
            id=old.id,
            group=old.group,
            opened_at=old.opened_at,
            severity=worst((old.severity, new.severity)),
            peak=peak,
            detail=peak.detail if has_ended and peak else new.detail,
        )
        phase = Phase.UPDATED if transition.phase is Phase.STARTED else transition.phase
        return Transition(phase, whole), is_own

    def overdue(self, now_s: float = math.inf, camera: str = "") -> list[IncidentEvent]:
        """Gives away those that have waited for long enough, of one camera or of all."""
        due = [
            name
            for name, one in self._waiting.items()
            if one.until_s <= now_s and camera in ("", one.event.data.camera.id)
        ]
        return [self._waiting.pop(name).event for name in due]

    @property
    def ids(self) -> frozenset[str]:
        """The incidents that wait."""
        return frozenset(self._waiting)

    def _find(self, new: Incident) -> str | None:
        """The incident of the same kind and zone whose subjects are nearest to those of this."""
        likely = {
            name: _likeness([Box(*said.box) for said in one.event.data.subjects], new.subjects)
            for name, one in self._waiting.items()
            if (one.event.data.camera.id, one.event.data.kind, one.event.data.zone)
            == (new.camera, new.kind, new.zone)
        }
        rule = find_rule(new.kind)
        if rule is not None and rule.by_spot:
            likely = {name: likeness for name, likeness in likely.items() if likeness > 0}
        return max(likely, key=lambda name: likely[name], default=None)


def _likeness(boxes: Iterable[Box], subjects: Iterable[Subject]) -> float:
    """How near the nearest of two groups of boxes are: 0 for apart, above it for one spot."""
    others = [subject.box for subject in subjects]
    return max((closeness(one, other) for one in boxes for other in others), default=0.0)


def cooling_down(outbox: Outbox, camera: str, now: datetime) -> list[EndedIncident]:
    """The incidents of a camera that ended by themselves, or as `recovered`, in the last day.

    Raises:
        OutboxUnavailable: The outbox cannot be read.
    """
    ended = outbox.ended_incidents(camera, (now - timedelta(days=1)).timestamp())
    said = [last.data for last in ended if last.data.end_reason in COOLING_ENDS]
    return [
        EndedIncident(
            one.kind,
            one.zone,
            # The frame that ended it may show none of them any more.
            tuple(Box(*s.box) for s in one.subjects or (one.peak.subjects if one.peak else ())),
            one.ended_at or one.updated_at,
        )
        for one in said
    ]


def _incident_of(last: IncidentEvent) -> Incident:
    """What an event said of an incident, as far as it matters for going on with it."""
    data = last.data
    peak = None
    if data.peak is not None:
        subjects = (Subject(s.track, s.label, Box(*s.box), s.score) for s in data.peak.subjects)
        severity = Severity(data.peak.severity)
        figures = (severity, data.peak.size, data.peak.detail)
        peak = Peak(data.peak.at, *figures, tuple(subjects))
    return Incident(
        id=data.incident_id,
        kind=data.kind,
        camera=data.camera.id,
        zone=data.zone,
        severity=Severity(data.severity),
        opened_at=data.opened_at,
        updated_at=data.updated_at,
        ended_at=None,
        end_reason=None,
        subjects=(),
        detail=data.detail,
        peak=peak,
        group=data.group or data.incident_id,
    )
