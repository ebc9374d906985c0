"""`Situation`: readings of one condition at one place become the transitions of its incidents.

Guarantees: every opened incident ends exactly once, severity never falls within an incident, and
times within an incident never run backwards: they are counted on the monotonic clock from the
opening, so that a step of the wall clock cannot disturb them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from pipelines.incident import EndReason, Incident, Phase, Severity, Subject, Transition
from pipelines.rules.hysteresis import Edge, Hysteresis
from pipelines.rules.rule import Identity, Moment, RuleParameters
from pipelines.track import Track

SETTLE_S: Final = 2.0
_ORDER: Final = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule makes of one frame at one place.

    Attributes:
        holds: Whether the condition holds; None where this frame does not show it.
        severity: How bad it is now.
        subjects: The objects that take part.
        detail: Numbers by name with unit.
    """

    holds: bool | None
    severity: Severity = Severity.LOW
    subjects: tuple[Subject, ...] = ()
    detail: Mapping[str, float] = field(default_factory=dict)


class Situation:
    """One condition at one place, from reading to reading."""

    def __init__(self, identity: Identity, parameters: RuleParameters) -> None:
        self._identity = identity
        self._update_every_s = parameters.update_every_s
        self._hysteresis = Hysteresis(parameters.windows)
        self._incident: Incident | None = None
        self._opened = Moment(datetime.min, 0.0)
        self._published_s = 0.0
        self._latest = Reading(holds=None)
        self._severities: deque[tuple[float, Severity]] = deque()

    @property
    def is_open(self) -> bool:
        """Whether an incident is going on."""
        return self._incident is not None

    def is_cool(self, at_s: float) -> bool:
        """Whether the cool-down after the last incident is over."""
        return self._hysteresis.is_cool(at_s)

    def open_for_s(self, at: Moment) -> float:
        """How long the open incident has been going on, seconds; 0 without one."""
        return at.mono_s - self._opened.mono_s if self._incident else 0.0

    def observe(self, reading: Reading, at: Moment) -> list[Transition]:
        """Takes a reading; gives the transition that it brings, if any."""
        if reading.holds:
            self._latest = reading
            self._severities.append((at.mono_s, reading.severity))
            while self._severities[0][0] < at.mono_s - SETTLE_S:
                self._severities.popleft()
        edge = self._hysteresis.observe(reading.holds, at.mono_s)
        if edge:
            step = self._open(edge, reading, at) if edge.opened else self._end(edge, reading, at)
            return [step] if step else []
        if self._incident and reading.holds and self._is_due(self._incident, at):
            return [self._update(self._incident, reading, at)]
        return []

    def close(self, reason: EndReason, at: Moment) -> list[Transition]:
        """Ends the open incident, if there is one: now, or when it was last seen to cease."""
        ceased_s = self._hysteresis.close()
        if not self._incident:
            return []
        ended_s = at.mono_s if ceased_s is None else ceased_s
        return [self._finish(self._incident, reason, ended_s, at, self._incident.subjects)]

    def _open(self, edge: Edge, reading: Reading, at: Moment) -> Transition:
        began = timedelta(seconds=at.mono_s - edge.since_s)
        self._opened = Moment(at.utc - began, edge.since_s)
        self._published_s = at.mono_s
        self._incident = Incident(
            id=self._identity.mint(),
            kind=self._identity.kind,
            camera=self._identity.camera,
            zone=self._identity.zone,
            severity=self._severity(),
            opened_at=self._opened.utc,
            updated_at=at.utc,
            ended_at=None,
            end_reason=None,
            subjects=reading.subjects,
            detail=dict(reading.detail),
        )
        return Transition(Phase.STARTED, self._incident)

    def _severity(self) -> Severity:
        """The severity that has lasted, so that one odd frame does not raise it."""
        return min((severity for _, severity in self._severities), key=_ORDER.index)

    def _is_due(self, incident: Incident, at: Moment) -> bool:
        if _worse(self._severity(), incident.severity) != incident.severity:
            return True
        return at.mono_s - self._published_s >= self._update_every_s

    def _update(self, incident: Incident, reading: Reading, at: Moment) -> Transition:
        self._published_s = at.mono_s
        self._incident = replace(
            incident,
            severity=_worse(self._severity(), incident.severity),
            updated_at=self._utc(at.mono_s),
            subjects=reading.subjects,
            detail=dict(reading.detail),
        )
        return Transition(Phase.UPDATED, self._incident)

    def _end(self, edge: Edge, reading: Reading, at: Moment) -> Transition | None:
        if not self._incident:
            return None
        return self._finish(self._incident, EndReason.CLEARED, edge.since_s, at, reading.subjects)

    def _finish(
        self,
        incident: Incident,
        reason: EndReason,
        ended_s: float,
        at: Moment,
        subjects: tuple[Subject, ...],
    ) -> Transition:
        self._incident = None
        ended = replace(
            incident,
            updated_at=self._utc(at.mono_s),
            ended_at=self._utc(ended_s),
            end_reason=reason,
            subjects=subjects,
            detail=dict(self._latest.detail),
        )
        return Transition(Phase.ENDED, ended)

    def _utc(self, mono_s: float) -> datetime:
        return self._opened.utc + timedelta(seconds=max(0.0, mono_s - self._opened.mono_s))


def _worse(one: Severity, other: Severity) -> Severity:
    """The higher of two severities."""
    return max(one, other, key=_ORDER.index)


def subjects_of(tracks: Iterable[Track]) -> tuple[Subject, ...]:
    """Tracks as subjects."""
    return tuple(Subject(track.id, track.label, track.box, track.score) for track in tracks)
