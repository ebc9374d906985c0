"""Stories at a crossroad with lights: queues that discharge with each green, and one that does not.

The camera sees the whole queue of the near approach. A cycle of the lights takes 120 seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from simulation.drawing.place import Lane
from simulation.drawing.viewpoint import Viewpoint
from simulation.scenes.motion import Actor, stroll
from simulation.scenes.scene import SceneIncident, SceneZone
from simulation.scenes.story_stage import Parameters, StoryStage, WatchedScene
from simulation.scenes.traffic import Arrival, Hold, drive_lane, flow

CONGESTION: Final = "traffic.congestion"
WRONG_WAY: Final = "traffic.wrong_way"
DURATION_S: Final = 240.0
RED_S: Final = 90.0
_CYCLE_S: Final = 120.0
_ALL_RED_S: Final = 2.0
_BACK_M: Final = 62.0
_STOP_M: Final = 26.6
_CRUISE_MPS: Final = 11.0
_LANE_KEYS: Final = 200
_CITY: Final = {"car": 0.64, "truck": 0.08, "bus": 0.06, "motorcycle": 0.14, "bicycle": 0.08}
_RIDERS: Final = {"motorcycle": 0.6, "bicycle": 0.4}
_CARS: Final = {"car": 0.86, "truck": 0.08, "bus": 0.06}
_REDS: Final = ((0.0, RED_S), (_CYCLE_S, _CYCLE_S + RED_S))
_FULL_AFTER_S: Final = 70.0
"""When the queue reaches so far back that no more vehicles get in."""

_RULES: Final[Mapping[str, Parameters]] = {CONGESTION: {}, WRONG_WAY: {}}

Spans = Sequence[tuple[float, float]]


def _approach(stage: StoryStage) -> SceneZone:
    stage.at("crossroad", Viewpoint(6.4, -23.0, 11.5, math.radians(5), math.radians(17), 0.95))
    ground = ((0.2, -10.0), (7.4, -10.0), (7.4, 20.8), (0.2, 20.8))
    return stage.zone("near approach", "traffic", ground, ((3.7, 4.0), (3.7, 20.0)))


def _greens_between(reds: Spans) -> list[tuple[float, float]]:
    """When the crossing road is held: while the main road has green, and shortly around it."""
    ends = [0.0, *(end for _, end in reds)]
    starts = [*(start for start, _ in reds), DURATION_S]
    spans = zip(ends, starts, strict=True)
    return [(a - _ALL_RED_S, b + _ALL_RED_S) for a, b in spans if b - a > _ALL_RED_S]


def _traffic(
    stage: StoryStage, near: Sequence[list[Arrival]], reds: Spans, cross_reds: Spans
) -> list[Actor]:
    """All eight lanes of the crossroad: the near approach as given, the others at random."""
    actors: list[Actor] = []
    for index, lane in enumerate(stage.place.lanes):
        on_main, is_near = index < 4, index < 2
        path = _earlier(lane, _BACK_M) if is_near else lane
        stop_m = _STOP_M + _BACK_M if is_near else 69.6 if on_main else 49.4
        holds = [Hold(a, b, stop_m) for a, b in (reds if on_main else cross_reds)]
        arrivals = near[index] if is_near else flow(
            stage.rng, DURATION_S, (9.0, 20.0), 10.5, _CITY
        )  # fmt: skip
        actors += drive_lane(path, arrivals, holds, DURATION_S, _LANE_KEYS * (index + 1))
    for number, x in enumerate((9.6, -9.8)):
        start_s = float(stage.rng.uniform(0.0, DURATION_S - 40.0))
        way = [(x, -8.0), (x, 20.8)]
        actors.append(stroll(9100 + number, int(stage.rng.integers(600)), start_s, way))
    return actors


def _earlier(lane: Lane, by_m: float) -> Lane:
    """The lane with its start moved back, so that vehicles enter out of sight."""
    return replace(lane, start=lane.at(-by_m))


def _stop_line(stage: StoryStage) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
    # Traffic crosses it from its left side to its right side, away from the camera.
    return {"stop line": stage.line((7.2, 20.2), (0.3, 20.2))}


def red_light(stage: StoryStage) -> WatchedScene:
    """A red of 90 seconds fills the approach; the green of 30 seconds empties it, twice."""
    zone = _approach(stage)
    near = [flow(stage.rng, DURATION_S, (9.0, 13.0), _CRUISE_MPS, _CARS) for _ in range(2)]
    actors = _traffic(stage, near, _REDS, _greens_between(_REDS))
    title, lines = "A queue at a red light discharges with the green", _stop_line(stage)
    return stage.watched(title, [zone], actors, _RULES, duration_s=DURATION_S, lines=lines)


def riders_waiting(stage: StoryStage) -> WatchedScene:
    """Motorcycles and bicycles wait at a red light and ride on; they are no crowd."""
    zone = _approach(stage)
    crowd = replace(zone, name="riders", task="crowding", flow=None)
    near = [flow(stage.rng, DURATION_S, (4.0, 8.0), 8.0, _RIDERS) for _ in range(2)]
    actors = _traffic(stage, near, _REDS, _greens_between(_REDS))
    rules = {**_RULES, "crowding.density": {}, "crowding.gathering": {}}
    title = "Riders wait at a red light"
    return stage.watched(title, [zone, crowd], actors, rules, duration_s=DURATION_S)


def short_reds(stage: StoryStage) -> WatchedScene:
    """Ordinary traffic under short reds."""
    zone = _approach(stage)
    near = [flow(stage.rng, DURATION_S, (7.0, 14.0), _CRUISE_MPS, _CITY) for _ in range(2)]
    reds = [(40.0 * k, 40.0 * k + 18.0) for k in range(6)]
    actors = _traffic(stage, near, reds, _greens_between(reds))
    title = "Traffic flows under short reds"
    return stage.watched(title, [zone], actors, _RULES, duration_s=DURATION_S)


def blocked_exit(stage: StoryStage) -> WatchedScene:
    """The exit of the crossing is blocked: the green comes, and the queue does not discharge."""
    zone = _approach(stage)
    begun_s, over_s = float(stage.rng.uniform(24.0, 34.0)), 218.0
    fills_s = begun_s + _FULL_AFTER_S
    near = [
        [
            one
            for one in flow(stage.rng, DURATION_S, (4.5, 7.5), _CRUISE_MPS, _CARS)
            if one.enter_s < fills_s
        ]
        for _ in range(2)
    ]
    actors = _traffic(stage, near, [(begun_s, over_s)], _greens_between(_REDS))
    return _jam(stage, zone, actors, begun_s, over_s)


def _jam(
    stage: StoryStage, zone: SceneZone, actors: list[Actor], begun_s: float, over_s: float
) -> WatchedScene:
    """The queue stands when a fifth of a minute has filled it, and clears when it may drive."""
    incident = SceneIncident(CONGESTION, zone.name, begun_s + 12.0, over_s + 8.0, ())
    title = "A queue does not discharge"
    lines = _stop_line(stage)
    return stage.watched(
        title, [zone], actors, _RULES, [incident], duration_s=DURATION_S, lines=lines
    )
