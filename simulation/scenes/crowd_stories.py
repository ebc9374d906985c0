"""Stories of people on a square: a crowd, a gathering, one that disperses, and one who loiters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from simulation.scenes.errands import PACE_MPS, passers
from simulation.scenes.foot_scenes import SQUARE_ROUTES
from simulation.scenes.motion import Actor, Path, Walker, Waypoint, stroll
from simulation.scenes.scene import PlanePoint, SceneIncident, SceneZone, longest_spell, states_of
from simulation.scenes.story_stage import Parameters, StoryStage, WatchedScene

DENSITY: Final = "crowding.density"
GATHERING: Final = "crowding.gathering"
DISPERSAL: Final = "crowding.dispersal"
LOITERING: Final = "crowding.loitering"
LIMIT_S: Final = 90.0
"""Who stays longer in the zone loiters."""

RULES: Final[Mapping[str, Parameters]] = {
    DENSITY: {}, GATHERING: {}, DISPERSAL: {}, LOITERING: {}
}  # fmt: skip
_STAY_RULES: Final = {**RULES, LOITERING: {"limit_s": LIMIT_S}}
CROWDED_PER_M2: Final = 0.3
CROWDED: Final = 8
"""It is crowded from so many persons per square metre on, or from so many where metres are unknown:
the defaults of the rule."""

GATHERED: Final = 6
"""So many who stand at one spot have gathered."""

FLEEING_SHARE: Final = 0.4
"""When so many of a crowd run away, it disperses."""

_MIDDLE: Final = ((-4.0, 9.6), (4.0, 9.6), (4.0, 17.0), (-4.0, 17.0))
_FOCUS: Final = (0.0, 13.2)


def _square(stage: StoryStage) -> SceneZone:
    stage.at("square", near=0.6)
    return stage.zone("middle of the square", "crowding", _MIDDLE)


def _spots(stage: StoryStage, rows: int, columns: int, apart_m: float) -> list[PlanePoint]:
    """Standing places in rows around the middle of the square."""
    rng, out = stage.rng, []
    for row in range(rows):
        for column in range(columns):
            x = apart_m * (column - (columns - 1) / 2) + (0.5 * apart_m if row % 2 else 0.0)
            y = apart_m * (row - (rows - 1) / 2)
            shift = rng.normal(0, 0.1, 2)
            out.append((_FOCUS[0] + x + float(shift[0]), _FOCUS[1] + y + float(shift[1])))
    return out


def _visitor(
    stage: StoryStage, key: int, spot: PlanePoint, arrive_s: float, leave_s: float, pace: float
) -> Walker:
    """Someone who comes to a spot, stands there facing the middle, and leaves."""
    rng, side = stage.rng, -1.0 if stage.rng.random() < 0.5 else 1.0
    door = (side * float(rng.uniform(13.0, 18.0)), float(rng.uniform(15.0, 24.0)))
    way_out = (-side * float(rng.uniform(13.0, 18.0)), float(rng.uniform(15.0, 26.0)))
    way: list[Waypoint] = [
        (arrive_s - math.dist(door, spot) / pace, *door),
        *((arrive_s, *spot), (leave_s, *spot)),
        (leave_s + math.dist(spot, way_out) / pace, *way_out),
    ]
    face = math.atan2(_FOCUS[1] - spot[1], _FOCUS[0] - spot[0]) + float(rng.normal(0, 0.4))
    return Walker(key, int(rng.integers(600)), Path(way, face))


def _inside(actors: Sequence[Actor], at_s: float, duration_s: float) -> int:
    """How many people are in the zone."""
    (x0, y0), (x1, y1) = _MIDDLE[0], _MIDDLE[2]
    here = states_of(tuple(actors), at_s, duration_s)
    return sum(x0 < one.x_m < x1 and y0 < one.y_m < y1 for one in here)


def _crowded(
    stage: StoryStage, zone: SceneZone, actors: Sequence[Actor], duration_s: float
) -> SceneIncident:
    least = CROWDED_PER_M2 * zone.area_m2 if stage.setting.is_calibrated else CROWDED
    start_s, end_s = longest_spell(
        lambda now: _inside(actors, now, duration_s) >= least, duration_s, 0.5
    )
    return SceneIncident(DENSITY, zone.name, start_s, end_s, ())


def crowd(stage: StoryStage) -> WatchedScene:
    """People come one after the other until it is crowded, stay, and leave one by one."""
    zone, duration_s = _square(stage), 150.0
    actors: list[Actor] = []
    for key, spot in enumerate(_spots(stage, 5, 6, 1.05), 1):
        arrive_s = float(stage.rng.uniform(14.0, 40.0))
        leave_s = float(stage.rng.uniform(95.0, 130.0))
        actors.append(_visitor(stage, key, spot, arrive_s, leave_s, 1.4))
    actors += passers(SQUARE_ROUTES, (-6.0, 44.0, 93.0), stage.rng)
    crowded = _crowded(stage, zone, actors, duration_s)
    came = SceneIncident(GATHERING, zone.name, 14.0, crowded.end_s, (), is_asked=False)
    title = "A crowd comes and goes"
    return stage.watched(
        title, [zone], actors, RULES, [crowded, came], duration_s=duration_s
    )  # fmt: skip


def gathering(stage: StoryStage) -> WatchedScene:
    """A dozen people come together at one spot within seconds, and stay there."""
    zone, duration_s = _square(stage), 150.0
    begun_s = float(stage.rng.uniform(35.0, 45.0))
    actors: list[Actor] = []
    arrivals_s = []
    for key, spot in enumerate(_spots(stage, 3, 4, 0.8), 1):
        arrivals_s.append(begun_s + float(stage.rng.uniform(0, 8.0)))
        actors.append(_visitor(stage, key, spot, arrivals_s[-1], 118.0, 1.5))
    actors += passers(SQUARE_ROUTES, (-6.0, 20.0), stage.rng)
    # Who walks through the zone has not gathered there.
    start_s = sorted(arrivals_s)[GATHERED - 1]
    _, end_s = longest_spell(
        lambda now: _inside(actors, now, duration_s) >= GATHERED, duration_s, 0.5
    )
    incident = SceneIncident(GATHERING, zone.name, start_s, end_s, ())
    left = SceneIncident(DISPERSAL, zone.name, 117.0, 130.0, (), is_asked=False)
    # Where metres are unknown, a dozen is more than the rule of density allows.
    many = SceneIncident(DENSITY, zone.name, start_s, end_s, (), is_asked=False)
    beside = [left] if stage.setting.is_calibrated else [left, many]
    title = "People come together"
    return stage.watched(
        title, [zone], actors, RULES, [incident, *beside], duration_s=duration_s
    )  # fmt: skip


def dispersal(stage: StoryStage) -> WatchedScene:
    """A crowd that stands there from the start leaves within seconds."""
    zone, duration_s = _square(stage), 120.0
    flee_s = float(stage.rng.uniform(60.0, 70.0))
    actors: list[Actor] = []
    leaves_s = []
    for key, spot in enumerate(_spots(stage, 5, 6, 1.05), 1):
        leaves_s.append(flee_s + float(stage.rng.uniform(0, 2.0)))
        walker = _visitor(stage, key, spot, 0.0, leaves_s[-1], 2.8)
        times = walker.path.times[1:]
        way = list(zip(times, walker.path.xs[1:], walker.path.ys[1:], strict=True))
        actors.append(replace(walker, path=Path(way, walker.path.rest_heading_rad)))
    crowded = _crowded(stage, zone, actors, duration_s)
    start_s = sorted(leaves_s)[math.ceil(FLEEING_SHARE * len(leaves_s)) - 1]
    incident = SceneIncident(DISPERSAL, zone.name, start_s, flee_s + 10.0, ())
    stood = SceneIncident(GATHERING, zone.name, 0.0, flee_s + 4.0, (), is_asked=False)
    title = "A crowd runs apart"
    return stage.watched(
        title, [zone], actors, RULES, [crowded, incident, stood], duration_s=duration_s
    )  # fmt: skip


def loiterer(stage: StoryStage) -> WatchedScene:
    """One person walks up and down in the middle of the square for minutes."""
    zone, duration_s = _square(stage), 180.0
    enter_s = float(stage.rng.uniform(12.0, 18.0))
    way: list[Waypoint] = [(enter_s - 11.0, -16.0, 19.0), (enter_s, -2.5, 13.0)]
    while way[-1][0] < 145.0:
        spot = float(stage.rng.uniform(-3.0, 3.0)), float(stage.rng.uniform(10.6, 15.8))
        arrived = way[-1][0] + max(math.dist(way[-1][1:], spot) / 0.9, 0.5)
        way += [(arrived, *spot), (arrived + float(stage.rng.uniform(4.0, 12.0)), *spot)]
    leave_s = way[-1][0]
    way.append((leave_s + math.dist(way[-1][1:], (16.0, 18.0)) / PACE_MPS, 16.0, 18.0))
    actors: list[Actor] = [Walker(1, int(stage.rng.integers(600)), Path(way, -1.2))]
    starts = tuple(float(start) for start in stage.rng.uniform(-10.0, 140.0, 7))
    actors += passers(SQUARE_ROUTES, starts, stage.rng)
    incident = SceneIncident(LOITERING, zone.name, enter_s + LIMIT_S, leave_s, (1,))
    title = "A person stays for minutes"
    return stage.watched(title, [zone], actors, _STAY_RULES, [incident], duration_s=duration_s)


def waits_a_while(stage: StoryStage) -> WatchedScene:
    """A person waits for less than a minute and is fetched by another."""
    zone, duration_s = _square(stage), 120.0
    arrive_s = float(stage.rng.uniform(16.0, 24.0))
    spot = float(stage.rng.uniform(-2.0, 2.0)), float(stage.rng.uniform(11.0, 14.5))
    actors: list[Actor] = [
        _visitor(stage, 1, spot, arrive_s, arrive_s + 42.0, PACE_MPS),
        _visitor(stage, 2, (spot[0] + 0.8, spot[1]), arrive_s + 36.0, arrive_s + 42.0, PACE_MPS),
    ]
    actors += passers(SQUARE_ROUTES, (-6.0, 20.0, 48.0, 80.0), stage.rng)
    title = "A person waits a while"
    return stage.watched(title, [zone], actors, _STAY_RULES, duration_s=duration_s)


def groups_cross(stage: StoryStage) -> WatchedScene:
    """Groups of three to five cross the square one after the other; nobody stays."""
    zone, duration_s = _square(stage), 150.0
    actors: list[Actor] = []
    for group, start_s in enumerate(range(0, int(duration_s) - 20, 16)):
        side = -1.0 if group % 2 else 1.0
        come, leave = (float(y) for y in stage.rng.uniform(11.0, 20.0, 2))
        pace = float(stage.rng.uniform(1.1, 1.5))
        for member in range(int(stage.rng.integers(3, 6))):
            x, y = 0.6 * (member % 3), 0.7 * (member // 3)
            way = [(side * 17.0 + x, come + y), (x, 12.0 + y), (-side * 17.0 + x, leave + y)]
            look = int(stage.rng.integers(600))
            actors.append(stroll(1 + 10 * group + member, look, float(start_s), way, pace))
    title = "Groups cross a square"
    return stage.watched(title, [zone], actors, RULES, duration_s=duration_s)
