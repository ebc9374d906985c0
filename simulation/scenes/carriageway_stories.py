"""Stories on an arterial without lights: jams, stops, wrong ways, people where only cars may be."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from simulation.drawing.place import Lane
from simulation.scenes.motion import Actor, Path, Vehicle, Walker, Waypoint, stroll
from simulation.scenes.scene import Polygon, SceneIncident, SceneZone
from simulation.scenes.story_stage import Parameters, StoryStage, WatchedScene
from simulation.scenes.traffic import Arrival, Hold, drive_lane, flow

CONGESTION: Final = "traffic.congestion"
STOPPED: Final = "traffic.stopped_vehicle"
WRONG_WAY: Final = "traffic.wrong_way"
INTRUSION: Final = "traffic.carriageway_intrusion"
_RULES: Final[Mapping[str, Parameters]] = {
    CONGESTION: {}, STOPPED: {}, WRONG_WAY: {}, INTRUSION: {}
}  # fmt: skip
_MIX: Final = {"car": 0.72, "truck": 0.14, "bus": 0.06, "motorcycle": 0.08}
_SPEEDS_MPS: Final = (14.0, 12.5, 11.0)
_BACK_M: Final = 14.0
_LANE_KEYS: Final = 200
_OUTBOUND: Final = ((0.9, 13.0), (11.2, 13.0), (11.2, 60.0), (0.9, 60.0))
_PAVEMENT: Final = ((11.9, 14.0), (16.4, 14.0), (16.4, 45.0), (11.9, 45.0))
_LANES_X: Final = (2.65, 6.05, 9.5)


def _outbound(stage: StoryStage) -> SceneZone:
    stage.at("arterial")
    return stage.zone("outbound", "traffic", _OUTBOUND, ((6.0, 16.0), (6.0, 50.0)))


def _earlier(lane: Lane, by_m: float) -> Lane:
    return replace(lane, start=lane.at(-by_m))


def _traffic(
    stage: StoryStage,
    duration_s: float,
    *,
    without: Sequence[int] = (),
    headway_s: tuple[float, float] = (5.0, 12.0),
    holds: Mapping[int, Sequence[Hold]] | None = None,
    pause_s: tuple[float, float] = (0.0, 0.0),
    cruise_mps: float | None = None,
) -> list[Actor]:
    """Traffic on the six lanes; the first three are outbound, the middle of the road first.

    Args:
        stage: Where it is.
        duration_s: Length of the scene.
        without: Lanes that stay empty.
        headway_s: Range of the time between two vehicles of a lane.
        holds: Where and when the traffic of a lane is stopped.
        pause_s: From when to when nobody comes on the outbound lanes, as they are full.
        cruise_mps: Speed of outbound traffic; that of its lane without it.
    """
    actors: list[Actor] = []
    for index, lane in enumerate(stage.place.lanes):
        if index in without:
            continue
        speed = cruise_mps if cruise_mps is not None and index < 3 else _SPEEDS_MPS[index % 3]
        arrivals = flow(stage.rng, duration_s, headway_s, speed, _MIX)
        if index < 3:
            arrivals = [one for one in arrivals if not pause_s[0] <= one.enter_s < pause_s[1]]
        stops = (holds or {}).get(index, ())
        path, key = _earlier(lane, _BACK_M), _LANE_KEYS * (index + 1)
        actors += drive_lane(path, arrivals, stops, duration_s, key)
    return actors + _pavement_walkers(stage, duration_s)


def _pavement_walkers(stage: StoryStage, duration_s: float) -> list[Actor]:
    walks = ((13.9, 62.0, -4.0), (-13.6, -4.0, 60.0), (14.4, -4.0, 60.0), (13.2, 62.0, -4.0))
    out: list[Actor] = []
    for number, (x, start, end) in enumerate(walks):
        begin_s = float(stage.rng.uniform(0.0, duration_s - 50.0))
        look = int(stage.rng.integers(600))
        out.append(stroll(9000 + number, look, begin_s, [(x, start), (x, end)], 1.45))
    return out


def free_flow(stage: StoryStage) -> WatchedScene:
    """Traffic flows, people walk on the pavement."""
    zone, duration_s = _outbound(stage), 120.0
    actors = _traffic(stage, duration_s)
    return stage.watched("Traffic flows", [zone], actors, _RULES, duration_s=duration_s)


def slow_flow(stage: StoryStage) -> WatchedScene:
    """Dense traffic that is slow all the time, and flows."""
    zone, duration_s = _outbound(stage), 130.0
    speed = float(stage.rng.uniform(5.0, 6.0))
    actors = _traffic(stage, duration_s, headway_s=(3.4, 5.0), cruise_mps=speed)
    title = "Dense traffic is slow and flows"
    return stage.watched(title, [zone], actors, _RULES, duration_s=duration_s)


def jam(stage: StoryStage) -> WatchedScene:
    """Traffic flows for a while; then something far ahead holds all lanes for minutes."""
    zone, duration_s = _outbound(stage), 240.0
    begun_s, over_s = float(stage.rng.uniform(40.0, 46.0)), 212.0
    hold = (Hold(begun_s, over_s, 76.0),)
    actors = _traffic(
        stage,
        duration_s,
        headway_s=(3.2, 6.5),
        holds=dict.fromkeys(range(3), hold),
        pause_s=(begun_s + 60.0, over_s),
    )
    incident = SceneIncident(CONGESTION, zone.name, begun_s + 12.0, over_s + 10.0, ())
    title = "Traffic flows, and then it stands"
    return stage.watched(title, [zone], actors, _RULES, [incident], duration_s=duration_s)


def bus_stop(stage: StoryStage) -> WatchedScene:
    """A bus stops at the edge for half a minute, and a short queue waits behind it."""
    zone, duration_s = _outbound(stage), 120.0
    actors = _traffic(stage, duration_s, without=(2,))
    halt_s = float(stage.rng.uniform(40.0, 50.0))
    lane = _earlier(stage.place.lanes[2], _BACK_M)
    arrivals = [Arrival(halt_s - 9.0, "bus", int(stage.rng.integers(600)), 10.0)]
    looks = stage.rng.integers(600, size=5)
    arrivals += [
        Arrival(halt_s - 4.0 + 4.0 * k, "car", int(look), 11.0) for k, look in enumerate(looks)
    ]
    arrivals += [Arrival(8.0, "car", 7, 11.0), Arrival(duration_s - 30.0, "car", 9, 11.0)]
    hold = Hold(halt_s - 6.0, halt_s + 32.0, 58.0)
    actors += drive_lane(lane, arrivals, [hold], duration_s, _LANE_KEYS * 3)
    for number in range(5):
        spot = 13.0 + 0.2 * (number % 2), 30.0 + 1.1 * number
        way: list[Waypoint] = [(0.0, *spot), (halt_s + 6.0 + 2.0 * number, *spot)]
        actors.append(Walker(8000 + number, int(stage.rng.integers(600)), Path(way, math.pi)))
    title = "A bus stops, and cars wait behind it"
    return stage.watched(title, [zone], actors, _RULES, duration_s=duration_s)


def parked_row(stage: StoryStage) -> WatchedScene:
    """A row of parked cars at the edge from the start, where parking is allowed; traffic passes."""
    zone, duration_s = _outbound(stage), 110.0
    actors = _traffic(stage, duration_s, without=(2,), headway_s=(6.0, 12.0))
    for number in range(7):
        x, y = 10.1, 15.5 + 5.9 * number
        way: list[Waypoint] = [(0.0, x, y), (duration_s, x, y)]
        path = Path(way, math.pi / 2)
        actors.append(Vehicle(8000 + number, "car", int(stage.rng.integers(600)), path))
    title, rules = "A row of cars is parked at the edge", (CONGESTION, WRONG_WAY, INTRUSION)
    return stage.watched(title, [zone], actors, rules, duration_s=duration_s)


def stopped_car(stage: StoryStage) -> WatchedScene:
    """A car breaks down on a lane and stays for two minutes."""
    zone, duration_s = _outbound(stage), 200.0
    index = int(stage.rng.integers(1, 3))
    actors = _traffic(stage, duration_s, without=(index,))
    x, y = _LANES_X[index], float(stage.rng.uniform(20.0, 32.0))
    stop_s = float(stage.rng.uniform(20.0, 28.0))
    way: list[Waypoint] = [
        *((stop_s - 8.0, x, y - 50.0), (stop_s - 3.0, x, y - 12.0), (stop_s, x, y)),
        *((stop_s + 140.0, x, y), (stop_s + 144.0, x, y + 14.0), (stop_s + 152.0, x, y + 95.0)),
    ]
    label = str(stage.rng.choice(("car", "truck"), p=(0.75, 0.25)))
    actors.append(Vehicle(8000, label, int(stage.rng.integers(600)), Path(way, math.pi / 2)))
    incident = SceneIncident(STOPPED, zone.name, stop_s, stop_s + 140.0, (8000,))
    title = "A vehicle stands on a lane"
    return stage.watched(title, [zone], actors, _RULES, [incident], duration_s=duration_s)


def pavement_car(stage: StoryStage) -> WatchedScene:
    """A car drives onto the pavement and stays there; people walk around it."""
    stage.at("arterial")
    zone, duration_s = stage.zone("pavement", "traffic", _PAVEMENT), 200.0
    actors = _traffic(stage, duration_s)
    y, stop_s = float(stage.rng.uniform(26.0, 33.0)), float(stage.rng.uniform(20.0, 28.0))
    way: list[Waypoint] = [
        *(
            (stop_s - 7.0, 9.5, y - 45.0),
            (stop_s - 3.0, 10.4, y - 9.0),
            (stop_s - 1.0, 12.9, y - 2.0),
        ),
        *((stop_s, 13.4, y), (stop_s + 140.0, 13.4, y), (stop_s + 143.0, 11.0, y + 8.0)),
        (stop_s + 150.0, 9.6, y + 95.0),
    ]
    path = Path(way, math.pi / 2)
    actors.append(Vehicle(8000, "car", int(stage.rng.integers(600)), path))
    incident = SceneIncident(STOPPED, zone.name, stop_s, stop_s + 140.0, (8000,))
    title, rules = "A car stands on the pavement", (STOPPED,)
    return stage.watched(title, [zone], actors, rules, [incident], duration_s=duration_s)


def wrong_way(stage: StoryStage) -> WatchedScene:
    """A car comes down the outbound carriageway towards the camera."""
    zone, duration_s = _outbound(stage), 80.0
    actors = _traffic(stage, duration_s, without=(0,))
    speed, enter_s = float(stage.rng.uniform(6.0, 9.0)), float(stage.rng.uniform(20.0, 40.0))
    x, far, near = _LANES_X[0], 96.0, -12.0
    way: list[Waypoint] = [(enter_s, x, far), (enter_s + (far - near) / speed, x, near)]
    actors.append(Vehicle(8000, "car", int(stage.rng.integers(600)), Path(way)))
    begun_s, over_s = (enter_s + (far - y) / speed for y in (60.0, 13.0))
    incident = SceneIncident(WRONG_WAY, zone.name, begun_s, over_s, (8000,))
    title = "A car drives against the traffic"
    return stage.watched(title, [zone], actors, _RULES, [incident], duration_s=duration_s)


def _inside(path: Path, ground: Polygon) -> tuple[float, float]:
    """First and last moment at which a path is in a rectangle on the ground."""
    xs, ys = zip(*ground, strict=True)
    moments = [
        float(path.times[0]) + 0.1 * k for k in range(round((path.times[-1] - path.times[0]) * 10))
    ]
    held = [
        now for now in moments
        if min(xs) < path.at(now)[0] < max(xs) and min(ys) < path.at(now)[1] < max(ys)
    ]  # fmt: skip
    return held[0], held[-1]


def pedestrian(stage: StoryStage) -> WatchedScene:
    """A person leaves the pavement, walks along a lane for a while, and goes back."""
    zone, duration_s = _outbound(stage), 110.0
    actors = _traffic(stage, duration_s, without=(2,))
    begin_s, near = float(stage.rng.uniform(18.0, 26.0)), float(stage.rng.uniform(17.0, 22.0))
    points = [
        (13.2, near - 14.0),
        (13.0, near),
        (9.6, near + 3.0),
        (9.4, near + 18.0),
        (13.2, near + 21.0),
        (13.4, 60.0),
    ]
    person = stroll(8000, int(stage.rng.integers(600)), begin_s, points, 1.3)
    actors.append(person)
    incident = SceneIncident(INTRUSION, zone.name, *_inside(person.path, _OUTBOUND), (8000,))
    title = "A person walks on the carriageway"
    return stage.watched(title, [zone], actors, _RULES, [incident], duration_s=duration_s)


def cyclist(stage: StoryStage) -> WatchedScene:
    """A bicycle rides on the carriageway, where none may be."""
    zone, duration_s = _outbound(stage), 90.0
    actors = _traffic(stage, duration_s, without=(2,))
    enter_s, speed = float(stage.rng.uniform(18.0, 30.0)), float(stage.rng.uniform(3.6, 4.8))
    way: list[Waypoint] = [(enter_s, 10.3, -10.0), (enter_s + 90.0 / speed, 10.2, 80.0)]
    rider = Vehicle(8000, "bicycle", int(stage.rng.integers(600)), Path(way))
    actors.append(rider)
    incident = SceneIncident(INTRUSION, zone.name, *_inside(rider.path, _OUTBOUND), (8000,))
    title = "A bicycle rides on the carriageway"
    return stage.watched(title, [zone], actors, _RULES, [incident], duration_s=duration_s)
