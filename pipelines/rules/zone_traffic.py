"""`traffic.zone_traffic`: flow, speed, occupancy and queue of a zone, by the minute. No incidents.

Parked vehicles, motorcycles and bicycles do not count. Speed is the way that all vehicles drove in
the zone over the time that they took (space-mean speed: Edie, "Discussion of traffic stream
measurements and definitions", 1963), so that waiting counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipelines.incident import EndReason, Measurement
from pipelines.rules.condition import Explanation, SituationStage
from pipelines.rules.minutes import MINUTE_S, Minute, MinuteMeter
from pipelines.rules.queue import queue_metres
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
from pipelines.rules.zone_passages import ZonePassages
from pipelines.rules.zone_vehicles import SeenVehicle, ZoneVehicles
from pipelines.track import Track

KMH_PER_MPS: Final = 3.6

LEAST_FPS: Final = 1.9
"""With fewer frames vehicles near the camera pass a zone unseen, and others change their ids."""


class ZoneTrafficParameters(MeasureParameters):
    """It has none: everything is measured."""


class _MinuteSums:
    """What was seen in one minute, each frame for as long as it stands for."""

    def __init__(self) -> None:
        self.passed = 0
        self.span_s = self.occupied_s = self.vehicle_s = 0.0
        self.known_s = self.way = 0.0
        self.queue, self.queue_m = 0, 0.0

    def add(self, traffic: Sequence[SeenVehicle], calibrated: bool, span_s: float) -> None:
        self.span_s += span_s
        self.occupied_s += span_s if traffic else 0.0
        self.vehicle_s += span_s * len(traffic)
        for vehicle in traffic:
            speed = 0.0 if vehicle.is_standing else vehicle.speed
            if speed is None or (not calibrated and vehicle.free_flow is None):
                continue
            self.known_s += span_s
            self.way += span_s * (speed if calibrated else speed / (vehicle.free_flow or 1.0))


class _ZoneTrafficWatch:
    """One zone."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: ZoneTrafficParameters
    ) -> None:
        self._identity = identity
        self._ground = shape.ground
        self._vehicles = ZoneVehicles(shape)
        self._passages = ZonePassages(shape)
        self._meter = MinuteMeter()
        self._sums = _MinuteSums()
        self._traffic: Sequence[SeenVehicle] = ()

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        measured = self._measured(self._meter.observe(at))
        seen = self._vehicles.observe(tracks, at.mono_s)
        standing = frozenset(one.track.id for one in seen if one.is_standing)
        passed = self._passages.observe(self._vehicles.every, standing, at.mono_s)
        self._traffic = [one for one in seen if one.spot.drove and not one.spot.is_parked]
        self._sums.passed += len(passed)
        self._sums.add(self._traffic, self._ground is not None, self._meter.span_s)
        self._note_queue([one.track for one in self._traffic if one.is_standing])
        return RuleResult(measurements=measured)

    def close(self, reason: EndReason, at: Moment) -> RuleResult:
        return RuleResult(measurements=self._measured(self._meter.close(at)))

    def explain(self, at: Moment) -> Sequence[Explanation]:
        note = f"it only measures: {len(self._traffic)} vehicles"
        return (Explanation(self._identity.zone, None, (), SituationStage.WATCHING, note=note),)

    def remember(self, at: Moment) -> Memory:
        return self._vehicles.remember(at.mono_s)

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        self._vehicles.recall(memory, age_s, at.mono_s)

    def _note_queue(self, queue: Sequence[Track]) -> None:
        sums = self._sums
        sums.queue = max(sums.queue, len(queue))
        if self._ground is not None and queue:
            sums.queue_m = max(sums.queue_m, queue_metres(queue, self._ground))

    def _measured(self, minute: Minute | None) -> tuple[Measurement, ...]:
        """The numbers of a minute that is over; none where nothing was watched in it."""
        if minute is None:
            return ()
        sums, self._sums = self._sums, _MinuteSums()
        if not sums.span_s:
            return ()
        per_minute = sums.passed * MINUTE_S / sums.span_s
        mean = {"mean_vehicles": round(sums.vehicle_s / sums.span_s, 3)}
        numbers = [
            minute.measurement(
                self._identity, "traffic.flow", per_minute, "1/min", {"vehicles": sums.passed}
            ),
            minute.measurement(
                self._identity, "traffic.occupancy", sums.occupied_s / sums.span_s, "1", mean
            ),
        ]
        queue = {"queue_m": round(sums.queue_m, 1)} if self._ground else {}
        numbers.append(minute.measurement(self._identity, "traffic.queue", sums.queue, "1", queue))
        if sums.known_s:
            speed, unit = sums.way / sums.known_s, "1"
            if self._ground:
                speed, unit = speed * KMH_PER_MPS, "km/h"
            known = {"vehicle_s": round(sums.known_s, 1)}
            numbers.append(minute.measurement(self._identity, "traffic.speed", speed, unit, known))
        return tuple(numbers)


ZONE_TRAFFIC: Final = RuleType(
    kind="traffic.zone_traffic",
    version="1",
    task="traffic",
    Parameters=ZoneTrafficParameters,
    zone=_ZoneTrafficWatch,
    least_fps=LEAST_FPS,
    measures=("traffic.flow", "traffic.occupancy", "traffic.queue", "traffic.speed"),
)
