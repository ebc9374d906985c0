"""`crowding.head_count`: how many persons are in a zone, minute by minute. No incidents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pipelines.incident import EndReason, Measurement
from pipelines.rules.condition import Explanation, SituationStage
from pipelines.rules.crowd_counter import CrowdCount, CrowdCounter
from pipelines.rules.minutes import Minute, MinuteMeter
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    MeasureParameters,
    Memory,
    Moment,
    RuleResult,
    RuleType,
)
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.track import Track


class HeadCountParameters(MeasureParameters):
    """It has none: everything is counted."""


class _Sums:
    """The counts of the frames of one minute, each for as long as it stands for."""

    def __init__(self) -> None:
        self.persons_s = self.error_s = self.span_s = 0.0
        self.least, self.most = math.inf, 0

    def add(self, count: CrowdCount, span_s: float) -> None:
        self.persons_s += count.persons * span_s
        self.error_s += count.error * span_s
        self.span_s += span_s
        self.least = min(self.least, count.persons)
        self.most = max(self.most, count.persons)


class _HeadCountWatch:
    """One zone."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: HeadCountParameters
    ) -> None:
        self._identity = identity
        self._area_m2 = shape.area_m2
        self._counter = CrowdCounter(shape)
        self._meter = MinuteMeter()
        self._sums = _Sums()
        self._newest: CrowdCount | None = None

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        minute = self._meter.observe(at)
        result = RuleResult(measurements=self._measured(minute))
        # A frame stands for the time up to it: what lies in a gap was not counted by anybody.
        self._newest = self._counter.observe(tracks, at.mono_s)
        if self._meter.span_s:
            self._sums.add(self._newest, self._meter.span_s)
        return result

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult(measurements=self._measured(self._meter.close(at)))

    def explain(self, at: Moment) -> Sequence[Explanation]:
        count = self._newest
        note = f"it only measures: {count.persons if count else 0} persons"
        if count and count.note:
            note += f"; {count.note}"
        return (Explanation(self._identity.zone, None, (), SituationStage.WATCHING, note=note),)

    def remember(self, at: Moment) -> Memory:
        return self._counter.remember()

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        self._counter.recall(memory, age_s, at)

    def _measured(self, minute: Minute | None) -> tuple[Measurement, ...]:
        """The numbers of a minute that is over; none where nothing was watched in it."""
        if minute is None:
            return ()
        sums, self._sums = self._sums, _Sums()
        if not sums.span_s:
            return ()
        mean, error = sums.persons_s / sums.span_s, sums.error_s / sums.span_s
        detail = {"min": float(sums.least), "max": float(sums.most), "error": round(error, 2)}
        numbers = [minute.measurement(self._identity, "crowding.count", mean, "1", detail)]
        if self._area_m2:
            per_m2 = {
                "max_per_m2": round(sums.most / self._area_m2, 4),
                "error_per_m2": round(error / self._area_m2, 4),
            }
            value = mean / self._area_m2
            named = (self._identity, "crowding.density")
            numbers.append(minute.measurement(*named, value, "1/m2", per_m2))
        return tuple(numbers)


HEAD_COUNT: Final = RuleType(
    kind="crowding.head_count",
    version="1",
    task="crowding",
    Parameters=HeadCountParameters,
    zone=_HeadCountWatch,
    measures=("crowding.count", "crowding.density"),
)
