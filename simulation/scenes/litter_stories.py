"""Stories of what is left behind: bags, heaps, a bin that overflows, and what only resembles them.

A thing counts as left alone from the moment its owner is three metres away.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from simulation.drawing.props import Prop
from simulation.scenes.errands import PACE_MPS, beside, errand, passers
from simulation.scenes.foot_scenes import PARK_ROUTES, SQUARE_ROUTES
from simulation.scenes.motion import Actor, Path, Spell, Thing, Walker, Waypoint
from simulation.scenes.scene import PlanePoint, SceneIncident, SceneZone
from simulation.scenes.story_stage import StoryStage, WatchedScene

DROPPED: Final = "littering.dropped_object"
EXPOSED: Final = "littering.exposed_rubbish"
OVERFLOW: Final = "littering.bin_overflow"
OWNER_M: Final = 3.0
HEAP_FROM: Final = 3
"""From how many things on that were left at one spot they are a heap."""

OVERFLOW_FROM: Final = 2
"""From how many things on that were left beside a bin it overflows."""

_ROUTES: Final = {"park": PARK_ROUTES, "square": SQUARE_ROUTES}
_DOORS: Final[dict[str, tuple[PlanePoint, ...]]] = {
    "park": ((30.0, 21.6), (-0.5, 48.0), (-0.4, -4.0), (-22.0, 30.0)),
    "square": ((-17.0, 19.0), (17.0, 20.6), (-15.0, 26.0), (13.0, 30.0)),
}
_GROUND: Final = ((-5.5, 7.6), (5.5, 7.6), (7.5, 20.0), (-7.5, 20.0))
_BIN_AT: Final = (2.4, 11.8)


def _ground(stage: StoryStage) -> SceneZone:
    return stage.zone("ground", "littering", _GROUND)


def _spot(rng: np.random.Generator) -> PlanePoint:
    """A place on the open ground, near enough for a camera to see a bag there."""
    return float(rng.uniform(-2.6, 2.6)), float(rng.uniform(9.6, 12.8))


def _what(rng: np.random.Generator) -> tuple[str, int]:
    label = str(rng.choice(("bag", "bin_bag"), p=(0.65, 0.35)))
    return label, int(rng.integers(400))


def _walkers(stage: StoryStage, place: str, duration_s: float, count: int) -> list[Actor]:
    starts = tuple(float(start) for start in stage.rng.uniform(-20.0, duration_s - 20.0, count))
    return passers(_ROUTES[place], starts, stage.rng)


def _place(stage: StoryStage) -> str:
    place = str(stage.rng.choice(("park", "square")))
    stage.at(place)
    return place


def _owner(stage: StoryStage, place: str, key: int, drop_s: float, spot: PlanePoint) -> Walker:
    """Someone who comes to a spot, puts something down there and leaves to another side."""
    doors = _DOORS[place]
    first, second = stage.rng.choice(len(doors), 2, replace=False)
    come, leave = doors[int(first)], doors[int(second)]
    return errand(
        key, int(stage.rng.integers(600)), drop_s, [come], beside(spot, come), [leave]
    )  # fmt: skip


def _alone_s(owner: Walker, spot: PlanePoint, drop_s: float) -> float:
    """When an owner who leaves has left a thing alone."""
    now = drop_s
    while now < owner.end_s and math.dist(owner.path.at(now), spot) < OWNER_M:
        now += 0.1
    return round(now, 1)


def _left_at(
    stage: StoryStage,
    place: str,
    key: int,
    drop_s: float,
    spot: PlanePoint,
    end_s: float,
    finder: Walker | None = None,
) -> tuple[list[Actor], SceneIncident]:
    """Somebody leaves a thing, which stays until a finder takes it; and what that is."""
    owner = _owner(stage, place, key, drop_s, spot)
    spells = [Spell(owner.start_s, drop_s, owner), Spell(drop_s, end_s, None, spot)]
    if finder is not None:
        spells.append(Spell(end_s, finder.end_s, finder))
    thing = Thing(key + 1, *_what(stage.rng), tuple(spells))
    alone_s = _alone_s(owner, spot, drop_s)
    return [owner, thing], SceneIncident(DROPPED, "ground", alone_s, end_s, (key + 1,))


def bag_left(stage: StoryStage) -> WatchedScene:
    """A bag is put down and left for a minute and more, until somebody takes it away."""
    place, duration_s = _place(stage), 130.0
    spot, drop_s = _spot(stage.rng), float(stage.rng.uniform(18.0, 28.0))
    gone_s = drop_s + float(stage.rng.uniform(66.0, 78.0))
    finder = _owner(stage, place, 20, gone_s, spot)
    actors, incident = _left_at(stage, place, 10, drop_s, spot, gone_s, finder)
    actors += [finder, *_walkers(stage, place, duration_s, 5)]
    title = "A bag is left behind"
    rules = (DROPPED,)
    return stage.watched(title, [_ground(stage)], actors, rules, [incident], duration_s=duration_s)


def bag_under_passers(stage: StoryStage) -> WatchedScene:
    """A bag is left where many people pass close by, and covers it again and again."""
    place, duration_s = _place(stage), 130.0
    spot, drop_s = _spot(stage.rng), float(stage.rng.uniform(18.0, 28.0))
    actors, incident = _left_at(stage, place, 10, drop_s, spot, duration_s)
    doors = _DOORS[place]
    for number, start_s in enumerate(np.arange(drop_s, duration_s - 15.0, 7.0)):
        first, second = stage.rng.choice(len(doors), 2, replace=False)
        x, y = (
            spot[0] + float(stage.rng.uniform(-0.8, 0.8)),
            spot[1] - float(stage.rng.uniform(0.7, 1.4)),
        )
        way: list[Waypoint] = [(float(start_s), x, y)]
        come, leave = doors[int(first)], doors[int(second)]
        way.insert(0, (way[0][0] - math.dist(come, (x, y)) / PACE_MPS, *come))
        way.append((way[-1][0] + math.dist((x, y), leave) / PACE_MPS, *leave))
        actors.append(Walker(100 + number, int(stage.rng.integers(600)), Path(way)))
    title = "A bag is left among people who pass"
    rules = (DROPPED,)
    return stage.watched(title, [_ground(stage)], actors, rules, [incident], duration_s=duration_s)


def heap_grows(stage: StoryStage) -> WatchedScene:
    """One thing after the other is left at one spot, and all of it stays."""
    place, duration_s = _place(stage), 190.0
    middle = _spot(stage.rng)
    actors: list[Actor] = []
    incidents: list[SceneIncident] = []
    drops = [20.0 + 11.0 * k + float(stage.rng.uniform(0, 4)) for k in range(6)]
    for number, drop_s in enumerate(drops):
        turn, reach = 2.4 * number, 0.28 * math.sqrt(number)
        spot = middle[0] + reach * math.cos(turn), middle[1] + reach * math.sin(turn)
        left, dropped = _left_at(stage, place, 10 * (1 + number), drop_s, spot, duration_s)
        actors += left
        incidents.append(replace(dropped, is_asked=False))
    keys = tuple(key for one in incidents for key in one.keys)
    begun_s = incidents[HEAP_FROM - 1].start_s
    incidents.append(SceneIncident(EXPOSED, "ground", begun_s, duration_s, keys))
    actors += _walkers(stage, place, duration_s, 6)
    title = "Rubbish piles up and stays"
    rules = (DROPPED, EXPOSED)
    return stage.watched(title, [_ground(stage)], actors, rules, incidents, duration_s=duration_s)


def bin_overflows(stage: StoryStage) -> WatchedScene:
    """People put their rubbish beside a bin, more and more of it."""
    place, duration_s = _place(stage), 190.0
    bin_prop = Prop("bin", *_BIN_AT, 0.0, int(stage.rng.integers(400)))
    stage.place = replace(stage.place, props=(*stage.place.props, bin_prop))
    x, y = _BIN_AT
    ground = ((x - 1.5, y - 1.5), (x + 1.5, y - 1.5), (x + 1.5, y + 1.4), (x - 1.5, y + 1.4))
    zone = stage.zone("bin", "littering", ground)
    actors: list[Actor] = []
    drops = [18.0 + 11.0 * k + float(stage.rng.uniform(0, 4)) for k in range(6)]
    left_there: list[SceneIncident] = []
    for number, drop_s in enumerate(drops):
        turn = -0.3 - 0.55 * number
        spot = x + 0.7 * math.cos(turn), y + 0.7 * math.sin(turn)
        left, dropped = _left_at(stage, place, 10 * (1 + number), drop_s, spot, duration_s)
        actors += left
        left_there.append(dropped)
    begun_s = left_there[OVERFLOW_FROM - 1].start_s
    keys = tuple(key for one in left_there for key in one.keys)
    incident = SceneIncident(OVERFLOW, "bin", begun_s, duration_s, keys)
    actors += _walkers(stage, place, duration_s, 6)
    title, rules = "A bin overflows", (OVERFLOW,)
    return stage.watched(title, [zone], actors, rules, [incident], duration_s=duration_s)


def bin_in_use(stage: StoryStage) -> WatchedScene:
    """People come to a bin, stop there and go; nothing is left beside it."""
    place, duration_s = _place(stage), 130.0
    bin_prop = Prop("bin", *_BIN_AT, 0.0, int(stage.rng.integers(400)))
    stage.place = replace(stage.place, props=(*stage.place.props, bin_prop))
    x, y = _BIN_AT
    ground = ((x - 1.5, y - 1.5), (x + 1.5, y - 1.5), (x + 1.5, y + 1.4), (x - 1.5, y + 1.4))
    zone = stage.zone("bin", "littering", ground)
    actors = _walkers(stage, place, duration_s, 6)
    for number in range(7):
        spot = x + float(stage.rng.uniform(-0.5, 0.5)), y - 0.7
        actors.append(_owner(stage, place, 10 + number, 12.0 + 15.0 * number, spot))
    title, rules = "A bin is used", (OVERFLOW,)
    return stage.watched(title, [zone], actors, rules, duration_s=duration_s)


def bag_picked_up(stage: StoryStage) -> WatchedScene:
    """A bag is put down; its owner goes, turns back and has it again after five seconds."""
    place, duration_s = _place(stage), 90.0
    actors: list[Actor] = _walkers(stage, place, duration_s, 5)
    doors = _DOORS[place]
    for number, drop_s in enumerate((20.0, 48.0)):
        spot = _spot(stage.rng)
        come = doors[int(stage.rng.integers(len(doors)))]
        stop = beside(spot, come)
        away = stop[0] + (3.0 if stop[0] < 0 else -3.0), stop[1] + 0.4
        walk_s = math.dist(come, stop) / PACE_MPS
        way = [
            *((drop_s - 0.4 - walk_s, *come), (drop_s - 0.4, *stop), (drop_s + 0.5, *stop)),
            *((drop_s + 2.7, *away), (drop_s + 4.7, *stop), (drop_s + 5.6, *stop)),
            (drop_s + 5.6 + walk_s, *come),
        ]
        bends = ((drop_s - 0.3, drop_s + 0.4), (drop_s + 4.7, drop_s + 5.4))
        key = 10 * (1 + number)
        owner = Walker(key, int(stage.rng.integers(600)), Path(way), bends)
        spells = (
            Spell(owner.start_s, drop_s, owner),
            Spell(drop_s, drop_s + 5.0, None, spot),
            Spell(drop_s + 5.0, owner.end_s, owner),
        )
        actors += [owner, Thing(key + 1, *_what(stage.rng), spells)]
    title, rules = "A bag is put down and picked up again", (DROPPED, EXPOSED)
    return stage.watched(title, [_ground(stage)], actors, rules, duration_s=duration_s)


def bags_with_owners(stage: StoryStage) -> WatchedScene:
    """People stand for a minute and more, each with the own bag at the feet."""
    place, duration_s = _place(stage), 110.0
    actors: list[Actor] = _walkers(stage, place, duration_s, 5)
    doors = _DOORS[place]
    for number, x in enumerate((-2.2, 0.2, 2.3)):
        spot = x, float(stage.rng.uniform(9.5, 13.0))
        door = doors[int(stage.rng.integers(len(doors)))]
        walk_s = math.dist(spot, door) / PACE_MPS
        arrive, leave = 16.0 + 4.0 * number, 85.0 + 5.0 * number
        way = [(arrive - walk_s, *door), (arrive, *spot), (leave, *spot), (leave + walk_s, *door)]
        key = 10 * (1 + number)
        person = Walker(key, int(stage.rng.integers(600)), Path(way, -1.2))
        put, taken, at_feet = arrive + 0.5, leave - 0.5, (spot[0] + 0.45, spot[1] + 0.1)
        spells = (
            Spell(person.start_s, put, person),
            Spell(put, taken, None, at_feet),
            Spell(taken, person.end_s, person),
        )
        actors += [person, Thing(key + 1, *_what(stage.rng), spells)]
    title, rules = "People wait with their bags", (DROPPED, EXPOSED)
    return stage.watched(title, [_ground(stage)], actors, rules, duration_s=duration_s)


def walkers_only(stage: StoryStage) -> WatchedScene:
    """People walk by, some with a bag in the hand; nobody leaves anything."""
    place, duration_s = _place(stage), 120.0
    actors: list[Actor] = _walkers(stage, place, duration_s, 8)
    for number in range(4):
        start_s = float(stage.rng.uniform(0.0, duration_s - 40.0))
        person = _owner(stage, place, 10 * (1 + number), start_s + 20.0, _spot(stage.rng))
        person = replace(person, bends=())
        held = Spell(person.start_s, person.end_s, person)
        actors += [person, Thing(10 * (1 + number) + 1, *_what(stage.rng), (held,))]
    title, rules = "People walk by", (DROPPED, EXPOSED)
    return stage.watched(title, [_ground(stage)], actors, rules, duration_s=duration_s)
