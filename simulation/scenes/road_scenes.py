"""Scripted road scenes: a jam, a wrong-way driver, a forbidden stop, quiet traffic."""

import math
from dataclasses import replace

import numpy as np

from simulation.drawing.place import Lane
from simulation.drawing.viewpoint import Viewpoint
from simulation.scenes.motion import Actor, Path, Vehicle, Walker, stroll
from simulation.scenes.scene import (
    LOOP_S,
    Scene,
    SceneIncident,
    SceneStage,
    SceneZone,
    longest_spell,
    states_of,
)
from simulation.scenes.traffic import Arrival, Hold, drive_lane, flow

_MIX = {"car": 0.66, "truck": 0.12, "bus": 0.08, "motorcycle": 0.14}
_CITY = {"car": 0.6, "truck": 0.08, "bus": 0.08, "motorcycle": 0.12, "bicycle": 0.12}
_CYCLES = {"car": 0.4, "truck": 0.05, "bus": 0.05, "motorcycle": 0.3, "bicycle": 0.2}
_LANE_KEYS = 100  # keys set aside for each lane


def _earlier(lane: Lane, by_m: float) -> Lane:
    """Return the lane with its start moved back, so that vehicles enter out of sight."""
    start = lane.at(-by_m)
    return replace(lane, start=start)


def _crossing_walkers(rng: np.random.Generator, spans: list[tuple[float, float]]) -> list[Walker]:
    """Return people who cross on the near zebra while its road is held, and others beside it."""
    out = []
    for k, (start, side) in enumerate(spans):
        y = float(rng.uniform(21.9, 24.2))
        out.append(
            stroll(
                9000 + k,
                int(rng.integers(600)),
                start,
                [(side * 34.0, y + 1.0), (side * 8.5, y), (-side * 8.5, y), (-side * 34.0, y - 2)],
            )
        )
    for k, x in enumerate((9.6, 11.2, -9.8, -11.0)):
        way = [(x, -8.0), (x, 20.8)] if k % 2 else [(x, 20.8), (x, -8.0)]
        way = way if k % 2 else [(x + 16, 21.4), *way]
        out.append(stroll(9100 + k, int(rng.integers(600)), 5.0 + 13 * k, way))
    return out


def _crossroad_traffic(
    rng: np.random.Generator,
    lanes: tuple[Lane, ...],
    main: list[tuple[float, float]],
    cross: list[tuple[float, float]],
    near_flow: list[list[Arrival]],
) -> list[Actor]:
    """Return traffic for all eight lanes; ``main`` and ``cross`` are red spans of the two roads."""
    actors: list[Actor] = []
    for index, lane in enumerate(lanes):
        on_main = index < 4
        back = 62.0 if index < 2 else 0.0
        path = _earlier(lane, back)
        stop = {0: 26.6, 1: 26.6, 2: 69.6, 3: 69.6}.get(index, 49.4) + back
        reds = [Hold(start, end, stop) for start, end in (main if on_main else cross)]
        arrivals = near_flow[index] if index < 2 else flow(rng, LOOP_S, (8.0, 17.0), 10.5, _CITY)
        actors += drive_lane(path, arrivals, reds, LOOP_S, _LANE_KEYS * (index + 1))
    return actors


def _crossroad(number: int, looks: int) -> tuple[SceneStage, SceneZone]:
    """Return the crossroad and its near approach, under a camera that sees a whole queue."""
    stage = SceneStage(number, "crossroad", looks)
    stage.view = Viewpoint(6.4, -23.0, 11.5, math.radians(5), math.radians(17), 0.95)
    ground = ((0.2, -10.0), (7.4, -10.0), (7.4, 20.8), (0.2, 20.8))
    flow_m = ((3.7, -4.0), (3.7, 20.0))
    return stage, stage.zone("near approach", "traffic", ground, flow_m)


def crossroad_jam() -> Scene:
    """Build the jam: the near approach is held while more and more vehicles arrive."""
    stage, zone = _crossroad(11, 5)
    rng, arrivals = stage.rng, []
    for lane in range(2):
        last = ("motorcycle", "car", "car") if lane else ("car", "car", "truck")
        labels = (*("car",) * 4, *last)
        row = [
            Arrival(-10.5 + 1.0 * lane + 2.0 * k, label, int(rng.integers(600)), 11.0)
            for k, label in enumerate(labels)
        ]
        row += [Arrival(s + 2.0 * lane, "car", int(rng.integers(600)), 11.0) for s in (14.0, 26.0)]
        arrivals.append(row)
    actors = _crossroad_traffic(rng, stage.place.lanes, [(0.5, 46.0)], [(42.0, LOOP_S)], arrivals)
    actors += _crossing_walkers(rng, [(-14.0, 1.0), (-4.0, -1.0), (5.0, 1.0), (11.0, -1.0)])
    cast = tuple(actors)

    def inside(now: float) -> list[tuple[int, float, float]]:
        return [
            (s.key, s.x_m, s.y_m)
            for s in states_of(cast, now, LOOP_S)
            if s.label not in ("person", "bicycle") and 0 < s.x_m < 7.4 and -10 < s.y_m < 20.8
        ]

    def jammed(now: float) -> bool:
        here, soon = inside(now), {key: (x, y) for key, x, y in inside(now + 1.0)}
        speeds = [math.dist((x, y), soon[key]) for key, x, y in here if key in soon]
        return len(speeds) >= 5 and float(np.mean(speeds)) < 1.2

    start, end = longest_spell(jammed, LOOP_S)
    keys = tuple(sorted({key for key, _, _ in inside((start + end) / 2)}))
    incident = SceneIncident("traffic.congestion", zone.name, start, end, keys)
    title = "A crossroad by day: the near approach backs up"
    return stage.scene("crossroad-jam", title, [zone], cast, [incident])


def crossroad_quiet() -> Scene:
    """Build ordinary traffic at the crossroad under short red phases."""
    stage, zone = _crossroad(12, 9)
    rng = stage.rng
    near = [flow(rng, LOOP_S, (8.0, 15.0), 11.0, _CITY) for _ in range(2)]
    main = [(0.0, 13.0), (32.0, 45.0)]
    cross = [(10.5, 33.5), (42.5, LOOP_S), (0.0, 1.5)]
    actors = _crossroad_traffic(rng, stage.place.lanes, main, cross, near)
    actors += _crossing_walkers(rng, [(-18.5, 1.0), (13.5, -1.0)])
    title = "A crossroad by day: traffic flows"
    return stage.scene("crossroad-quiet", title, [zone], actors)


def busy_crossroad(seed: int) -> Scene:
    """Build dense traffic under red phases, half of it cycles, that hides one another.

    Every seed is another street; it is in no registry, as nothing is reported of it.
    """
    stage, zone = _crossroad(1000 + seed, 9 + seed)
    rng = stage.rng
    near = [flow(rng, LOOP_S, (2.5, 5.5), 11.0, _CYCLES) for _ in range(2)]
    main = [(0.0, 13.0), (32.0, 45.0)]
    cross = [(10.5, 33.5), (42.5, LOOP_S), (0.0, 1.5)]
    actors = _crossroad_traffic(rng, stage.place.lanes, main, cross, near)
    spans = [(-18.5 + 3.1 * k, 1.0 if k % 2 else -1.0) for k in range(16)]
    actors += _crossing_walkers(rng, spans)
    return stage.scene(f"busy-crossroad-{seed}", "A crossroad by day, crowded", [zone], actors)


def _arterial_traffic(
    rng: np.random.Generator, lanes: tuple[Lane, ...], skip: tuple[int, ...]
) -> list[Actor]:
    actors: list[Actor] = []
    for index, lane in enumerate(lanes):
        if index not in skip:
            speed = (14.0, 12.5, 11.0)[index % 3]
            back = _earlier(lane, 14.0)
            arrivals = flow(rng, LOOP_S, (3.5, 9.0), speed, _MIX)
            actors += drive_lane(back, arrivals, [], LOOP_S, _LANE_KEYS * (index + 1))
    walks = ((13.9, 62.0, -4.0), (-13.6, -4.0, 60.0), (14.4, -4.0, 60.0))
    for k, (x, start, end) in enumerate(walks):
        way = [(x, start), (x, end)]
        actors.append(stroll(9000 + k, int(rng.integers(600)), 4.0 + 17 * k, way, 1.45))
    return actors


def _carriageways(stage: SceneStage) -> tuple[SceneZone, SceneZone]:
    away = ((0.9, 13.0), (11.2, 13.0), (11.2, 60.0), (0.9, 60.0))
    towards = ((-11.2, 13.0), (-0.9, 13.0), (-0.9, 60.0), (-11.2, 60.0))
    return (
        stage.zone("outbound", "traffic", away, ((6.0, 16.0), (6.0, 50.0))),
        stage.zone("inbound", "traffic", towards, ((-6.0, 50.0), (-6.0, 16.0))),
    )


def arterial_quiet(name: str, title: str, light: str, number: int) -> Scene:
    """Build flowing traffic on the arterial in a given light."""
    stage = SceneStage(number, "arterial", 5)
    actors = _arterial_traffic(stage.rng, stage.place.lanes, ())
    return stage.scene(name, title, _carriageways(stage), actors, light=light)


def arterial_wrong_way() -> Scene:
    """Build a driver who comes down the outbound carriageway towards the camera."""
    stage = SceneStage(23, "arterial", 7)
    actors = _arterial_traffic(stage.rng, stage.place.lanes, (0,))
    way = [(9.0, 2.65, 96.0), (13.0, 2.65, 64.0), (22.5, 2.65, 12.0), (26.0, 2.65, -12.0)]
    stray = Vehicle(8000, "car", 30, Path(way))

    def in_zone(now: float) -> bool:
        if not stray.start_s <= now < stray.end_s:
            return False
        return 13.0 < stray.state_at(now).y_m < 60.0

    start, end = longest_spell(in_zone, LOOP_S)
    incident = SceneIncident("traffic.wrong_way", "outbound", start, end, (8000,))
    title, zones = "An arterial by day: one car drives against the traffic", _carriageways(stage)
    return stage.scene("arterial-wrong-way", title, zones, [*actors, stray], [incident])


def arterial_stop() -> Scene:
    """Build a car that stops in the kerb lane of the arterial in the rain."""
    stage = SceneStage(24, "arterial", 11)
    actors = _arterial_traffic(stage.rng, stage.place.lanes, (2,))
    way = [
        *((1.0, 9.5, -20.0), (5.0, 9.5, 12.0), (7.0, 9.6, 23.0), (8.5, 9.9, 26.5)),
        *((9.5, 10.0, 27.0), (54.0, 10.0, 27.0)),
        *((55.5, 9.9, 29.0), (58.0, 9.6, 42.0), (62.5, 9.5, 96.0)),
    ]
    parker = Vehicle(8000, "car", 8, Path(way, math.pi / 2))
    kerb = ((8.2, 15.0), (11.3, 15.0), (11.3, 48.0), (8.2, 48.0))
    zone = stage.zone("no stopping", "traffic", kerb, ((9.5, 16.0), (9.5, 44.0)))
    incident = SceneIncident("traffic.stopped_vehicle", zone.name, 9.5, 54.0, (8000,))
    title, cast = "An arterial in the rain: a car stops where it must not", [*actors, parker]
    return stage.scene("arterial-stop", title, [zone], cast, [incident], light="rain")
