"""`traffic.congestion`: a queue that stays for longer than a cycle of lights, or creeps all along.

Two kinds of evidence, each enough. Speed: places of the road have been slow for `confirm_s`, and no
vehicle drove over them meanwhile; slow is a share of the free flow that was learned at the place,
and a fixed speed until it is known. Discharge: vehicles have stood for `confirm_s`, and next to
none of them left. At a light both begin anew with every green.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field

from pipelines.incident import Severity
from pipelines.rules.condition import Condition
from pipelines.rules.hysteresis import MAX_GAP_S
from pipelines.rules.queue import queue_metres
from pipelines.rules.rule import (
    FrameSignals,
    Identity,
    Memory,
    Moment,
    RuleParameters,
    RuleResult,
    RuleType,
)
from pipelines.rules.situation import SETTLE_S, Reading, Situation, SituationWatch
from pipelines.rules.slow_road import EMPTY_S, SlowRoad
from pipelines.rules.zone_geometry import ZoneShape
from pipelines.rules.zone_passages import ZonePassages
from pipelines.rules.zone_vehicles import SeenVehicle, ZoneVehicles
from pipelines.track import Track

DRIVES_FACTOR: Final = 1.5
"""From so many times the limit on a vehicle drives, and what it drives over is not slow."""

OLD_SHARE: Final = 0.5
DROVE_SHARE: Final = 1 / 3
"""Of the least number of vehicles, those that must have been slow all the time, and those that were
seen to drive there: the others may have been parked since before anybody watched."""

EXIT_SHARE: Final = 0.75
EXIT_OLD_SHARE: Final = 0.25
"""The same shares of an open incident: for all of them, and for those slow all the time."""

BURST_S: Final = 30.0
BURST_SHARE: Final = 0.25
BURST_LEAST: Final = 2
"""A queue discharges when at least so many of it leave within this time, seconds."""

KNOWN_SHARE: Final = 0.5
"""Share of the vehicles of which it must be known whether they are slow."""

COUNT_LEVELS: Final = (1.5, 2.5, 4.0)
LASTING_LEVELS_S: Final = (300.0, 900.0, 1800.0)
METRES_LEVELS: Final = (100.0, 200.0, 400.0)
"""From where on severity is 2, 3 and 4: of the least number of vehicles, seconds, metres."""

JamEvidence = Literal["all", "speed", "discharge", "free_flow"]


class CongestionParameters(RuleParameters):
    """When traffic counts as congested."""

    confirm_s: float = Field(
        default=120.0,
        ge=5,
        le=3600,
        description="seconds it must go on: longer than the longest cycle of lights at the place",
    )
    min_vehicles: int = Field(default=5, ge=1, le=200, description="least vehicles in the queue")
    max_speed_share: float = Field(
        default=0.3,
        gt=0,
        lt=0.6,
        description="share of the free flow of the place that slow vehicles stay below",
    )
    max_speed_mps: float = Field(
        default=1.5,
        gt=0,
        le=30,
        description="the same in metres per second until free flow is known (calibrated cameras)",
    )
    max_speed_boxes: float = Field(
        default=0.4,
        gt=0,
        le=20,
        description="the same in box heights per second (uncalibrated cameras)",
        json_schema_extra={"unit": "heights/s"},
    )
    evidence: JamEvidence = Field(
        default="all",
        description="what decides: `all`, or one of `speed` (fixed), `discharge`, `free_flow`",
    )


class _StandingQueue:
    """Since when vehicles have stood in the zone without a discharge."""

    def __init__(self) -> None:
        self._left_s: deque[float] = deque()
        self._since_s = math.inf
        self._seen_s = -math.inf

    def observe(self, standing: int, enough: int, left: int, at_s: float) -> float:
        """Takes how many stand and how many who stood have left; gives since when, or infinity."""
        self._left_s.extend([at_s] * left)
        while self._left_s and self._left_s[0] < at_s - BURST_S:
            self._left_s.popleft()
        if at_s - self._seen_s > EMPTY_S or self._discharges(standing):
            self._since_s = math.inf
        if standing >= enough:
            self._seen_s = at_s
            self._since_s = min(self._since_s, at_s)
        return self._since_s

    def _discharges(self, standing: int) -> bool:
        return len(self._left_s) >= max(BURST_LEAST, BURST_SHARE * standing)

    def delay(self, by_s: float) -> None:
        self._since_s += by_s
        self._seen_s += by_s

    def forget(self) -> None:
        self._left_s.clear()
        self._since_s, self._seen_s = math.inf, -math.inf


class _CongestionWatch(SituationWatch):
    """One zone, with at most one incident at a time."""

    def __init__(
        self, shape: ZoneShape, identity: Identity, parameters: CongestionParameters
    ) -> None:
        self._parameters = parameters
        self._ground = shape.ground
        self._vehicles = ZoneVehicles(shape)
        self._passages = ZonePassages(shape)
        self._road = SlowRoad()
        self._queue = _StandingQueue()
        # The places keep the time of the window, and the situation only settles.
        settle_s = min(SETTLE_S, parameters.confirm_s / 2)
        self._window_s = parameters.confirm_s - settle_s
        settling = parameters.model_copy(update={"confirm_s": settle_s})
        self._situation = Situation(identity, settling)
        self._fixed = parameters.max_speed_mps if shape.ground else parameters.max_speed_boxes
        self._unit = "m/s" if shape.ground else "box heights/s"
        self._boxes: dict[int, Track] = {}
        self._last_s = math.nan

    def observe(self, tracks: Sequence[Track], at: Moment, signals: FrameSignals) -> RuleResult:
        self._mind_gap(at.mono_s)
        is_open = self._situation.is_open
        seen = self._vehicles.observe(tracks, at.mono_s, jam=is_open)
        waiting = frozenset(one.track.id for one in seen if one.is_standing)
        passed = self._passages.observe(self._vehicles.every, waiting, at.mono_s)
        traffic = [one for one in seen if not one.spot.is_parked]
        slow = self._note_pace(traffic, at.mono_s)
        left = sum(passage.waited for passage in passed)
        reading = self._read(traffic, slow, left, at.mono_s)
        return RuleResult(self._situation.observe(reading, at))

    def remember(self, at: Moment) -> Memory:
        return self._vehicles.remember(at.mono_s)

    def recall(self, memory: Memory, age_s: float, at: Moment) -> None:
        self._vehicles.recall(memory, age_s, at.mono_s)

    def _mind_gap(self, at_s: float) -> None:
        """A queue may have discharged unseen; one that is known to be a jam goes on."""
        span_s, self._last_s = at_s - self._last_s, at_s
        if span_s > MAX_GAP_S and self._situation.is_open:
            self._road.delay(span_s)
            self._queue.delay(span_s)
        elif span_s > MAX_GAP_S:
            self._road.forget()
            self._queue.forget()

    def _limit(self, vehicle: SeenVehicle) -> float | None:
        """The speed below which a vehicle is slow; None where that is not known."""
        evidence = self._parameters.evidence
        if evidence in ("all", "free_flow") and vehicle.free_flow is not None:
            return self._parameters.max_speed_share * vehicle.free_flow
        return None if evidence == "free_flow" else self._fixed

    def _note_pace(self, traffic: list[SeenVehicle], at_s: float) -> list[SeenVehicle]:
        """Tells the road what drives and what is slow; gives who is slow."""
        slow, before = [], self._boxes
        self._boxes = {vehicle.track.id: vehicle.track for vehicle in traffic}
        for vehicle in traffic:
            limit, speed, track = self._limit(vehicle), vehicle.speed, vehicle.track
            if limit is None:
                continue
            drives = speed is not None and speed >= DRIVES_FACTOR * limit
            if drives and vehicle.is_driving:
                self._road.drive(track.box, before.get(track.id, track).box)
                continue
            creeps = speed is not None and speed < limit
            if creeps or vehicle.is_standing or (self._situation.is_open and speed is not None):
                slow.append(vehicle)
        for vehicle in slow:
            self._road.stand(vehicle.track.box, at_s)
        return slow

    def _read(
        self, traffic: list[SeenVehicle], slow: list[SeenVehicle], left: int, at_s: float
    ) -> Reading:
        parameters, least = self._parameters, self._parameters.min_vehicles
        evidence, is_open = parameters.evidence, self._situation.is_open
        enough = math.ceil(least * EXIT_SHARE) if is_open else least
        old_share = EXIT_OLD_SHARE if is_open else OLD_SHARE
        standing = [vehicle for vehicle in traffic if vehicle.is_standing]
        drove = sum(vehicle.spot.drove for vehicle in standing)
        blocked = len(standing) if drove >= math.ceil(least * DROVE_SHARE) else 0
        begun_s = {
            "discharge": self._queue.observe(blocked, enough, left, at_s),
            "speed": self._slow_since_s(slow, math.ceil(least * old_share), at_s),
        }
        wanted = {"all": tuple(begun_s), "discharge": ("discharge",)}.get(evidence, ("speed",))
        since_s = min(begun_s[kind] for kind in wanted)
        lasting_s = max(0.0, at_s - since_s)
        queue = standing if evidence == "discharge" else slow
        conditions = (
            Condition("vehicles", float(len(queue)), enough),
            Condition("slow_for", lasting_s, self._window_s, "s"),
        )
        holds: bool | None = all(one.holds for one in conditions)
        if not holds and len(traffic) >= enough and not self._is_known(traffic):
            holds = None
        lasting_s = max(lasting_s, at_s - self._situation.opened_s)
        detail = self._detail(queue, lasting_s) if holds else {}
        return Reading(
            holds=holds,
            severity=self._severity(len(queue), lasting_s, detail.get("queue_m", 0.0)),
            tracks=[vehicle.track for vehicle in queue],
            detail=detail,
            size=float(len(queue)),
            conditions=conditions,
            note=self._note(traffic),
            since_s=since_s,
        )

    def _slow_since_s(self, slow: list[SeenVehicle], needed: int, at_s: float) -> float:
        """Since when it has been slow where enough of the vehicles are; infinity if nowhere."""
        since = [(self._road.since_s(one.track.box, at_s), one.spot.drove) for one in slow]
        driven = sorted(since_s for since_s, drove in since if drove)
        least = math.ceil(needed * DROVE_SHARE / OLD_SHARE)
        if len(since) < needed or len(driven) < least:
            return math.inf
        return max(sorted(since_s for since_s, _ in since)[needed - 1], driven[least - 1])

    def _is_known(self, traffic: list[SeenVehicle]) -> bool:
        known = sum(
            (one.is_standing or one.speed is not None) and self._limit(one) is not None
            for one in traffic
        )
        return known >= KNOWN_SHARE * len(traffic)

    def _note(self, traffic: list[SeenVehicle]) -> str:
        learned = self._parameters.evidence in ("all", "free_flow")
        if learned and any(vehicle.free_flow is not None for vehicle in traffic):
            return f"slow is below {self._parameters.max_speed_share:g} of the free flow there"
        if self._parameters.evidence == "free_flow":
            return "the free flow there is not known yet"
        return f"slow is below {self._fixed:g} {self._unit}"

    def _detail(self, queue: list[SeenVehicle], lasting_s: float) -> dict[str, float]:
        detail = {"vehicles": float(len(queue)), "lasting_s": round(lasting_s, 1)}
        speeds = [vehicle.speed for vehicle in queue if vehicle.speed is not None]
        if speeds:
            name = "median_speed_mps" if self._ground else "median_speed_boxes_per_s"
            detail[name] = round(statistics.median(speeds), 2)
        shares = [v.speed / v.free_flow for v in queue if v.speed is not None and v.free_flow]
        if shares:
            detail["free_flow_share"] = round(statistics.median(shares), 3)
        if self._ground:
            metres = queue_metres((vehicle.track for vehicle in queue), self._ground)
            detail["queue_m"] = round(metres, 1)
        return detail

    def _severity(self, vehicles: int, lasting_s: float, metres: float) -> Severity:
        values = (
            (vehicles / self._parameters.min_vehicles, COUNT_LEVELS),
            (lasting_s, LASTING_LEVELS_S),
            (metres, METRES_LEVELS),
        )
        level = max(sum(value >= step for step in steps) for value, steps in values)
        return tuple(Severity)[level]


CONGESTION: Final = RuleType(
    kind="traffic.congestion",
    version="2",
    task="traffic",
    Parameters=CongestionParameters,
    zone=_CongestionWatch,
)
