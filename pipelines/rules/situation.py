"""`Situation`: readings of one condition at one place become the transitions of its incidents.

Guarantees: every opened incident ends exactly once, severity never falls within an incident, and
times within an incident never run backwards: they are counted on the monotonic clock from the
opening, so that a step of the wall clock cannot disturb them. `Hysteresis` decides when to open and
to end: nothing opens from observations that never hold, and time without observations counts
neither as held nor as not held.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from pipelines.incident import EndReason, Incident, Peak, Phase, Severity, Subject, Transition
from pipelines.rules.condition import Condition, Explanation, SituationStage
from pipelines.rules.peak import PeakWatch
from pipelines.rules.rule import Identity, Moment, RuleParameters
from pipelines.track import Track

MIN_GAP_S = 2.5
MAX_GAP_S = 10.0
GAP_FACTOR = 3.0
"""A pause is a gap if it is this many times longer than the usual one."""

SPANS_KEPT = 9
CONFIRM_SHARE, EXPIRE_SHARE = 0.7, 0.9
"""Shares of the two windows in which it must hold, and must not."""

TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class Edge:
    """The condition opened or ended.

    Attributes:
        opened: True for an opening, False for an ending.
        since_s: When it began to hold, or ceased to: earlier than the moment that confirms it.
    """

    opened: bool
    since_s: float


@dataclass(slots=True)
class _Stretch:
    start_s: float
    held: bool
    length_s: float = 0.0


class _Sustained:
    """Whether something has been so for long enough, robust against single ones that differ.

    Attributes:
        stretches: What was observed lately, oldest first; the oldest one holds.
    """

    def __init__(self, needed_s: float, share: float) -> None:
        self._needed_s = needed_s
        self._share = share
        self.stretches: deque[_Stretch] = deque()
        self._known = False

    @property
    def run_since_s(self) -> float | None:
        """Since when it has been so without interruption; None if it is not so now."""
        newest = self.stretches[-1] if self.stretches else None
        return newest.start_s if newest and newest.held else None

    def observe(self, held: bool | None, at_s: float, span_s: float) -> bool:
        """Counts the span since the previous observation as what that one saw; None: unknown.

        Returns:
            Whether it has been so for long enough.
        """
        if self._known and self.stretches:
            self.stretches[-1].length_s += span_s
        self._known = held is not None
        if held is not None and (held if not self.stretches else held != self.stretches[-1].held):
            self.stretches.append(_Stretch(at_s, held))
        # What is older than needed is dropped; the oldest stretch is always one that holds.
        total_s = sum(stretch.length_s for stretch in self.stretches)
        while self.stretches:
            oldest = self.stretches[0]
            surplus_s = total_s - self._needed_s
            if oldest.held and (oldest.length_s > surplus_s or len(self.stretches) == 1):
                break
            total_s -= oldest.length_s
            self.stretches.popleft()
        if not self.stretches or total_s < self._needed_s - TOLERANCE_S:
            return False
        held_s = sum(stretch.length_s for stretch in self.stretches if stretch.held)
        # Only the newest `needed_s` count; what is older lies in the first stretch, which held.
        held_s -= total_s - self._needed_s
        return held_s >= self._share * self._needed_s - TOLERANCE_S

    @property
    def counted_s(self) -> float:
        """Of the newest seconds that matter, those in which it was so."""
        held_s = sum(stretch.length_s for stretch in self.stretches if stretch.held)
        return min(held_s, self._needed_s)

    def clear(self) -> None:
        """Forgets all."""
        self.stretches.clear()
        self._known = False


class Hysteresis:
    """One condition at one place, from observation to observation."""

    def __init__(self, confirm_s: float, expire_s: float, cooldown_s: float = 0.0) -> None:
        """Begins closed, with no observation.

        Args:
            confirm_s: How long it must hold until it opens, seconds of observed time.
            expire_s: How long it must not hold until it ends, seconds of observed time.
            cooldown_s: How long after an end it cannot open again, seconds.
        """
        self._confirm_s, self._expire_s = confirm_s, expire_s
        self._cooldown_s = cooldown_s
        self._on = _Sustained(confirm_s, CONFIRM_SHARE)
        self._off = _Sustained(expire_s, EXPIRE_SHARE)
        self._spans: deque[float] = deque(maxlen=SPANS_KEPT)
        self._last_s: float | None = None
        self._cool_at_s = float("-inf")
        self.is_open = False

    def observe(self, holds: bool | None, at_s: float) -> Edge | None:
        """Takes one observation.

        Args:
            holds: Whether the condition holds; None where that cannot be known.
            at_s: Its monotonic time, seconds.

        Returns:
            What it changed, if it changed anything.
        """
        last_s, self._last_s = self._last_s, at_s
        is_gap, span_s = True, 0.0
        if last_s is not None and at_s >= last_s:
            span_s = at_s - last_s
            self._spans.append(span_s)
            usual_s = statistics.median(self._spans)
            is_gap = span_s > min(max(GAP_FACTOR * usual_s, MIN_GAP_S), MAX_GAP_S)
        if is_gap:
            self._on.clear()
            self._off.clear()
        on = self._on.observe(holds, at_s, span_s)
        off = self._off.observe(None if holds is None else not holds, at_s, span_s)
        if self.is_open:
            return self._end() if holds is False and off else None
        if holds and on and at_s >= self._cool_at_s:
            self.is_open = True
            self._off.clear()
            return Edge(opened=True, since_s=self._on.stretches[0].start_s)
        return None

    def is_cool(self, at_s: float) -> bool:
        """Whether the cool-down after the last end is over."""
        return at_s >= self._cool_at_s

    def progress(self, at_s: float) -> tuple[SituationStage, float, float]:
        """How far it is, and how many seconds of the window of that stage are over, of how many."""
        if self.is_open:
            ending_s = self._off.counted_s
            return (
                SituationStage.ENDING if ending_s else SituationStage.OPEN,
                ending_s,
                self._expire_s,
            )
        if not self.is_cool(at_s):
            return (
                SituationStage.COOLING,
                self._cooldown_s - (self._cool_at_s - at_s),
                self._cooldown_s,
            )
        confirming_s = self._on.counted_s
        stage = SituationStage.CONFIRMING if self._on.stretches else SituationStage.WATCHING
        return stage, confirming_s, self._confirm_s

    def close(self) -> float | None:
        """Ends without an observation: the next opening needs a whole confirmation again.

        Returns:
            Since when it has not held, seconds; None if it held until the end.
        """
        since_s = self._off.run_since_s
        self.is_open = False
        self._on.clear()
        self._off.clear()
        return since_s

    def _end(self) -> Edge:
        since_s = self._off.stretches[0].start_s
        self.close()
        self._cool_at_s = since_s + self._cooldown_s
        return Edge(opened=False, since_s=since_s)


SETTLE_S: Final = 2.0
_ORDER: Final = tuple(Severity)


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
        return min((severity for _, severity in self._severities), key=_ORDER.index)

    def _is_due(self, incident: Incident, reading: Reading, at: Moment) -> bool:
        if self._peak and self._peak.is_due(at.mono_s):
            return True
        if not reading.holds:
            return False
        if _worse(self._severity(), incident.severity) != incident.severity:
            return True
        return at.mono_s - self._published_s >= self._update_every_s

    def _update(self, incident: Incident, at: Moment) -> Transition:
        self._published_s, reading = at.mono_s, self._latest
        self._incident = replace(
            incident,
            severity=_worse(self._severity(), incident.severity),
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


def _worse(one: Severity, other: Severity) -> Severity:
    """The higher of two severities."""
    return max(one, other, key=_ORDER.index)


def _subjects(tracks: Sequence[Track]) -> tuple[Subject, ...]:
    """Tracks as subjects."""
    return tuple(Subject(track.id, track.label, track.box, track.score) for track in tracks)
