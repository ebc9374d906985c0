"""Traffic on a road before the small world's camera: queues at a light, jams, parked rows."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.rules import Rule
from pipelines.rules.rule import RuleResult
from tests.pipelines.synthetic import Path, Thing, World, at, moment, times

LANES_M = (-2.0, 2.0)
ROAD = ((-4, 9), (4, 9), (4, 60), (-4, 60))
HORIZON_M = 75.0
ACCELERATION = 1.7
SPACING_M = 7.0
DRIVES_MPS = 10.0


def drive(x: float, stop_y: float, stops_s: float, leaves_s: float, speed: float = DRIVES_MPS):
    """Comes towards the camera, stands at `stop_y`, and drives off."""

    def path(t: float) -> tuple[float, float] | None:
        y = stop_y
        if t < stops_s:
            y += speed * (stops_s - t)
        elif t > leaves_s:
            since_s = t - leaves_s
            till_s = speed / ACCELERATION
            ramp_s = min(since_s, till_s)
            y -= 0.5 * ACCELERATION * ramp_s**2 + speed * max(0.0, since_s - till_s)
        return (x, y) if 5.0 < y < HORIZON_M else None

    return path


def queue(
    rows: int,
    begins_s: float,
    green_s: float,
    every_s: float = 6.0,
    lanes: Sequence[float] = LANES_M,
    first_y: float = 12.0,
) -> list[Thing]:
    """A queue that grows from `begins_s` on, and drives off one after the other from `green_s`."""
    return [
        Thing(
            "car",
            drive(x, first_y + SPACING_M * row, begins_s + every_s * row, green_s + 2.0 * row),
        )
        for row in range(rows)
        for x in lanes
    ]


def red_lights(cycles: int, red_s: float = 90.0, cycle_s: float = 120.0, rows: int = 5):
    """A queue in every red, which drives off with the green."""
    return [
        thing
        for cycle in range(cycles)
        for thing in queue(rows, cycle * cycle_s + 3.0, cycle * cycle_s + red_s)
    ]


def stream(
    speed: float, gap_m: float, begin_s: float, end_s: float, lanes: Sequence[float] = LANES_M
) -> list[Thing]:
    """Vehicles that follow each other at a speed and a distance, all of them between two times."""
    every_s = gap_m / speed
    through_s = HORIZON_M / speed

    def path(x: float, enters_s: float) -> Path:
        def place(t: float) -> tuple[float, float] | None:
            y = HORIZON_M - speed * (t - enters_s)
            return (x, y) if begin_s <= t < end_s and 5.0 < y < HORIZON_M else None

        return place

    first = -int(through_s / every_s) if begin_s <= 0 else 0
    return [
        Thing("car", path(x, begin_s + number * every_s))
        for number in range(first, int((end_s - begin_s) / every_s))
        for x in lanes
    ]


def parked_row(count: int, x: float = 5.0) -> list[Thing]:
    """Cars that stand at the edge all the time."""
    return [Thing("car", at(x, 11 + 6 * number)) for number in range(count)]


def watch(
    rule: Rule, things: Sequence[Thing] | World, until_s: float, fps: float = 2.0, start_s=0.0
) -> RuleResult:
    """Lets a rule see a world: every transition and every measurement."""
    world = things if isinstance(things, World) else World(things)
    results = [
        rule.observe(world.tracks(t), moment(t)) for t in times(until_s, fps, start_s=start_s)
    ]
    return RuleResult(
        tuple(step for result in results for step in result.transitions),
        tuple(number for result in results for number in result.measurements),
    )
