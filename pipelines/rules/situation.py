"""`Situation`: readings of one condition at one place become the transitions of its incidents.

Guarantees: every opened incident ends exactly once, severity never falls within an incident, and
times within an incident never run backwards: they are counted on the monotonic clock from the
opening, so that a step of the wall clock cannot disturb them. `Hysteresis` decides when to open and
to end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

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
from pipelines.rules.condition import Condition, Explanation
from pipelines.rules.hysteresis import Edge, Hysteresis
from pipelines.rules.peak import PeakWatch
from pipelines.rules.rule import Identity, Moment, RuleParameters, RuleResult
from pipelines.track import Track

SETTLE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule makes of one frame at one place.

    Attributes:
        holds: Whether the condition holds; None where this frame does not show it.
        severity: How bad it is now.
        tracks: The objects that take part.
        detail: Numbers by name with unit.
        size: How much of it there is now, in whatever the rule counts, such as vehicles or persons;
            greatest at the peak. What can only grow, such as a duration, is no size. 0 where the
            rule says none: its incidents have no peak.
        conditions: What was compared with what.
        note: What else decided, in a short sentence.
        since_s: Since when it has held, monotonic seconds, where the rule knows that from before
            this reading; else infinite.
    """

    holds: bool | None
    severity: Severity = Severity.LOW
    tracks: Sequence[Track] = ()
    detail: Mapping[str, float] = field(default_factory=dict)
    size: float = 0.0
    conditions: Sequence[Condition] = ()
    note: str = ""
    since_s: float = math.inf


class Situation:
    """One condition at one place, from reading to reading.

    Attributes:
        is_open: Whether an incident is going on.
        opened_s: Monotonic time at which the open incident began; infinite without one.
    """

    def __init__(self, identity: Identity, parameters: RuleParameters) -> None:
        self._identity = identity
        self._update_every_s = parameters.update_every_s
        self._hysteresis = Hysteresis(
            parameters.confirm_s, parameters.expire_s, parameters.cooldown_s
        )
        self.is_open = False
        self.opened_s = math.inf
        self._incident: Incident | None = None
        self._opened = Moment(datetime.min, 0.0)
        self._published_s = 0.0
        self._latest = Reading(holds=None)
        self._newest = self._latest
        self._severities: deque[tuple[float, Severity]] = deque()
        self._peak: PeakWatch | None = None

    def is_cool(self, at_s: float) -> bool:
        """Whether the cool-down after the last incident is over."""
        return self._hysteresis.is_cool(at_s)

    def observe(self, reading: Reading, at: Moment) -> list[Transition]:
        """Takes a reading; gives the transition that it brings, if any."""
        self._newest = reading
        if not at.armed:
            return self.close(EndReason.DISARMED, at)
        if reading.holds:
            self._latest = reading
            self._severities.append((at.mono_s, reading.severity))
            while self._severities[0][0] < at.mono_s - SETTLE_S:
                self._severities.popleft()
        if not self._incident and reading.holds:
            place = (self._identity.zone, reading.tracks)
            self._hysteresis.cool_until(self._identity.cooling.until_s(*place, at.mono_s))
        edge = self._hysteresis.observe(reading.holds, at.mono_s)
        if edge and edge.opened:
            began_s = min(edge.since_s, reading.since_s)
            return [self._open(replace(edge, since_s=began_s), reading, at)]
        if edge and self._incident:
            subjects = _subjects(reading.tracks)
            return [self._finish(self._incident, EndReason.CLEARED, edge.since_s, at, subjects)]
        if not self._incident:
            return []
        if reading.holds and self._peak and self._peak.observe(self._as_peak(reading, at)):
            self._identity.peaks.append(self._incident.id)
        if self._is_due(self._incident, reading, at):
            return [self._update(self._incident, at)]
        return []

    def explain(self, at: Moment, subject: str = "") -> Explanation:
        """What the newest reading was, and how far the situation is.

        Args:
            at: The time of that reading.
            subject: Which of several situations at the place this is.
        """
        stage, elapsed_s, needed_s = self._hysteresis.progress(at.mono_s)
        newest, place = self._newest, self._identity.zone
        return Explanation(
            place,
            newest.holds,
            newest.conditions,
            stage,
            elapsed_s,
            needed_s,
            subject,
            newest.note,
            _subjects(newest.tracks),
        )

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
        self.is_open, self.opened_s = True, edge.since_s
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
            subjects=_subjects(reading.tracks),
            detail=dict(reading.detail),
        )
        self._peak = PeakWatch(self._as_peak(reading, at), edge.since_s, at.mono_s)
        self._incident = replace(self._incident, peak=self._peak.value)
        return Transition(Phase.STARTED, self._incident)

    def _as_peak(self, reading: Reading, at: Moment) -> Peak:
        subjects, severity = _subjects(reading.tracks), self._severity()
        return Peak(self._utc(at.mono_s), severity, reading.size, dict(reading.detail), subjects)

    def _severity(self) -> Severity:
        """The severity that has lasted, so that one odd frame does not raise it."""
        return min((severity for _, severity in self._severities), key=lambda one: one.level)

    def _is_due(self, incident: Incident, reading: Reading, at: Moment) -> bool:
        if self._peak and self._peak.is_due(at.mono_s):
            return True
        if not reading.holds:
            return False
        if worst((self._severity(), incident.severity)) != incident.severity:
            return True
        return at.mono_s - self._published_s >= self._update_every_s

    def _update(self, incident: Incident, at: Moment) -> Transition:
        self._published_s, reading = at.mono_s, self._latest
        self._incident = replace(
            incident,
            severity=worst((self._severity(), incident.severity)),
            updated_at=self._utc(at.mono_s),
            subjects=_subjects(reading.tracks),
            detail=dict(reading.detail),
            peak=self._peak.publish(at.mono_s) if self._peak else None,
        )
        return Transition(Phase.UPDATED, self._incident)

    def _finish(
        self,
        incident: Incident,
        reason: EndReason,
        ended_s: float,
        at: Moment,
        subjects: tuple[Subject, ...],
    ) -> Transition:
        self.is_open, self.opened_s = False, math.inf
        self._incident = None
        peak, self._peak = self._peak.value if self._peak else None, None
        ended = replace(
            incident,
            updated_at=self._utc(at.mono_s),
            ended_at=self._utc(ended_s),
            end_reason=reason,
            subjects=subjects,
            detail=dict(peak.detail if peak else self._latest.detail),
            peak=peak,
        )
        return Transition(Phase.ENDED, ended)

    def _utc(self, mono_s: float) -> datetime:
        return self._opened.utc + timedelta(seconds=max(0.0, mono_s - self._opened.mono_s))


class SituationWatch:
    """A rule at a place that has one situation there; see `PlaceWatch`."""

    _situation: Situation

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        """Ends its incident, if one is open."""
        return RuleResult(self._situation.close(reason, at))

    def explain(self, at: Moment) -> Sequence[Explanation]:
        """Why there is an incident or none."""
        return (self._situation.explain(at),)


def _subjects(tracks: Sequence[Track]) -> tuple[Subject, ...]:
    """Tracks as subjects."""
    return tuple(Subject(track.id, track.label, track.box, track.score) for track in tracks)
