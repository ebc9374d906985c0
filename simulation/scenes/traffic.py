"""Traffic on one lane: vehicles that follow each other and stop at a red light.

Follows the Intelligent Driver Model (Treiber, Hennecke, Helbing, 2000). The arrivals repeat every
loop and the simulation runs through earlier loops first, so the traffic at the end of a loop is
the traffic at its start.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulation.drawing.place import Lane
from simulation.drawing.vehicles import bus, car, truck
from simulation.scenes.motion import Path, Vehicle, Waypoint

_DT_S = 0.1
_SAMPLE_STEPS = 2
_ACCELERATION = 1.7  # m/s2
_BRAKING = 2.4  # m/s2, comfortable
_HEADWAY_S = 1.1
_STANDSTILL_M = 2.0
_WARM_UP_LOOPS = 2
_TAIL_LOOPS = 2  # for the last arrivals of the loop to get through


@dataclass(frozen=True, slots=True)
class Arrival:
    """A vehicle that enters a lane once per loop; ``enter_s`` is taken modulo the loop."""

    enter_s: float
    label: str
    look: int
    cruise_mps: float


@dataclass(frozen=True, slots=True)
class Hold:
    """A red light: nothing passes ``at_m`` from start to end, in seconds of the loop."""

    start_s: float
    end_s: float
    at_m: float


def length_of(label: str, look: int) -> float:
    """Return the length of a vehicle in metres."""
    make = {"car": car, "bus": bus, "truck": truck}.get(label)
    return 2.1 if make is None else 2 * make(look).half_length_m


@dataclass(slots=True)
class _Driver:
    arrival: Arrival
    length_m: float
    wanted: bool
    along_m: float = 0.0
    speed_mps: float = 0.0
    trace: list[tuple[float, float]] = field(default_factory=list)


def _push(driver: _Driver, ahead: _Driver | None, stop_m: float | None) -> float:
    """Return the acceleration in m/s2 towards the nearest thing in front."""
    gaps = []
    if ahead is not None:
        clear = ahead.along_m - driver.along_m - (ahead.length_m + driver.length_m) / 2
        gaps.append((clear, driver.speed_mps - ahead.speed_mps))
    if stop_m is not None:
        gaps.append((stop_m - driver.along_m - driver.length_m / 2 + 1.2, driver.speed_mps))
    free = 1 - (driver.speed_mps / driver.arrival.cruise_mps) ** 4
    brake = 0.0
    for clear, closing in gaps:
        wish = _STANDSTILL_M + max(
            0.0,
            driver.speed_mps * _HEADWAY_S
            + driver.speed_mps * closing / (2 * math.sqrt(_ACCELERATION * _BRAKING)),
        )
        brake = max(brake, (wish / max(clear, 0.3)) ** 2)
    return max(_ACCELERATION * (free - brake), -6.0)


def _red_at(driver: _Driver, holds: Sequence[Hold], loop_time_s: float) -> float | None:
    """Return the stop line a driver has to mind now; one too close to stop for is passed."""
    for hold in holds:
        left = hold.at_m - driver.along_m - driver.length_m / 2
        too_late = left < driver.speed_mps**2 / (2 * 3.5) - 0.5
        if hold.start_s <= loop_time_s < hold.end_s and left > -0.8 and not too_late:
            return hold.at_m
    return None


def drive_lane(
    lane: Lane, arrivals: Sequence[Arrival], holds: Sequence[Hold], loop_s: float, first_key: int
) -> list[Vehicle]:
    """Simulate a lane and return the vehicles that enter it during one loop."""
    steps = round(loop_s / _DT_S)
    waiting: list[tuple[int, _Driver]] = []
    for loop in range(-_WARM_UP_LOOPS, 1 + _TAIL_LOOPS):
        for arrival in arrivals:
            start = round((arrival.enter_s % loop_s) / _DT_S) + loop * steps
            driver = _Driver(arrival, length_of(arrival.label, arrival.look), loop == 0)
            waiting.append((start, driver))
    waiting.sort(key=lambda entry: entry[0])
    queue: list[_Driver] = []
    done: list[_Driver] = []
    for step in range(-_WARM_UP_LOOPS * steps, (1 + _TAIL_LOOPS) * steps):
        while waiting and waiting[0][0] <= step:
            driver = waiting[0][1]
            clear = (
                queue[-1].along_m - (queue[-1].length_m + driver.length_m) / 2 if queue else 99.0
            )
            if clear < 2.5:
                break  # the tail of the queue still stands at the entry
            driver.speed_mps = min(driver.arrival.cruise_mps, max(clear - 2.5, 0.0) / 1.2)
            queue.append(waiting.pop(0)[1])
        loop_time = (step % steps) * _DT_S
        for k, driver in enumerate(queue):
            rate = _push(driver, queue[k - 1] if k else None, _red_at(driver, holds, loop_time))
            if step % _SAMPLE_STEPS == 0:
                driver.trace.append((step * _DT_S, driver.along_m))
            driver.speed_mps = max(driver.speed_mps + rate * _DT_S, 0.0)
            driver.along_m += driver.speed_mps * _DT_S
        if queue and queue[0].along_m > lane.length_m:
            done.append(queue.pop(0))
    chosen = [d for d in done if d.wanted and len(d.trace) > 2]
    return [_vehicle(lane, driver, first_key + k) for k, driver in enumerate(chosen)]


def _vehicle(lane: Lane, driver: _Driver, key: int) -> Vehicle:
    turn = lane.heading_rad
    points: list[Waypoint] = [(time, *lane.at(along)) for time, along in driver.trace]
    return Vehicle(key, driver.arrival.label, driver.arrival.look, Path(points, turn))


def flow(
    rng: np.random.Generator,
    loop_s: float,
    headway_s: tuple[float, float],
    cruise_mps: float,
    mix: dict[str, float],
) -> list[Arrival]:
    """Return random arrivals over one loop with headways from a range."""
    out: list[Arrival] = []
    now = float(rng.uniform(0, headway_s[1] / 2))
    labels, shares = list(mix), np.array(list(mix.values()))
    while now < loop_s - headway_s[0] / 2:
        label = str(rng.choice(labels, p=shares / shares.sum()))
        slow = 0.62 if label == "bicycle" else 1.0
        out.append(
            Arrival(
                now,
                label,
                int(rng.integers(600)),
                cruise_mps * slow * float(rng.uniform(0.92, 1.08)),
            )
        )
        now += float(rng.uniform(*headway_s)) + (1.5 if label in ("bus", "truck") else 0.0)
    return out
