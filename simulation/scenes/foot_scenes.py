"""Scripted scenes on foot: dropped bags, rubbish that piles up, a crowd, quiet walkers."""

import math

import numpy as np

from simulation.scenes.errands import PACE_MPS, beside, errand, left_behind, passers
from simulation.scenes.motion import Actor, Path, Walker, stroll
from simulation.scenes.scene import (
    LOOP_S,
    PlanePoint,
    Scene,
    SceneIncident,
    SceneStage,
    SceneZone,
    longest_spell,
    states_of,
)

PARK_ROUTES: tuple[tuple[PlanePoint, ...], ...] = (
    ((-0.6, 52.0), (0.7, 26.0), (0.3, 12.0), (0.2, -3.0)),
    ((0.4, -3.0), (-1.4, 14.0), (-0.3, 30.0), (-1.2, 52.0)),
    ((30.0, 21.6), (2.0, 21.4), (-0.6, 30.0), (-1.0, 52.0)),
    ((1.4, 52.0), (1.6, 24.0), (12.0, 21.2), (32.0, 21.6)),
)
SQUARE_ROUTES: tuple[tuple[PlanePoint, ...], ...] = (
    ((-17.0, 21.0), (17.0, 20.6)),
    ((18.0, 25.0), (-18.0, 23.6)),
    ((-14.0, 36.0), (2.6, 18.0), (11.0, 7.0)),
    ((13.0, 30.0), (3.0, 24.6), (-16.0, 28.5)),
)


_Errand = tuple[int, list[PlanePoint], list[PlanePoint]]
"""Looks of a person, and the ways by which it comes and leaves."""


def _idler(rng: np.random.Generator, spot: PlanePoint, door: PlanePoint) -> list[Actor]:
    """Return a person who stands a while with the own bag at the feet: no litter."""
    walk_s = math.dist(spot, door) / PACE_MPS
    arrive, leave = 16.0, 46.0
    waypoints = [(arrive - walk_s, *door), (arrive, *spot), (leave, *spot), (leave + walk_s, *door)]
    person = Walker(8500, int(rng.integers(600)), Path(waypoints, -1.2))
    put, take, at_feet = arrive + 0.5, leave - 0.5, (spot[0] + 0.42, spot[1] + 0.1)
    what = ("bag", int(rng.integers(400)))
    return [person, left_behind(8501, what, person, put, at_feet, person, take)]


def _path_and_lawn(stage: SceneStage) -> SceneZone:
    lawn = ((-5.5, 7.6), (5.5, 7.6), (7.5, 20.0), (-7.5, 20.0))
    return stage.zone("path and lawn", "littering", lawn)


def _middle_of_square(stage: SceneStage) -> SceneZone:
    ground = ((-3.4, 10.6), (3.4, 10.6), (3.4, 16.6), (-3.4, 16.6))
    return stage.zone("middle of the square", "crowding", ground)


def _whole_square(stage: SceneStage) -> SceneZone:
    ground = ((-5.6, 8.8), (5.6, 8.8), (7.0, 17.0), (-7.0, 17.0))
    return stage.zone("square", "littering", ground)


_BAG_LEFT_S, _BAG_TAKEN_S = 10.0, 55.0


def _bag_left(
    owner: _Errand, finder: _Errand, bag_look: int, spot: PlanePoint, zone: SceneZone
) -> tuple[list[Actor], SceneIncident]:
    """Return a bag that one person leaves at a spot and another takes, and what that is."""
    look, come, leave = owner
    loser = errand(1, look, _BAG_LEFT_S, come, beside(spot, come[-1]), leave)
    look, come, leave = finder
    taker = errand(2, look, _BAG_TAKEN_S, come, beside(spot, come[-1]), leave)
    bag = left_behind(3, ("bag", bag_look), loser, _BAG_LEFT_S, spot, taker, _BAG_TAKEN_S)
    kind = "littering.dropped_object"
    return [loser, taker, bag], SceneIncident(kind, zone.name, _BAG_LEFT_S, _BAG_TAKEN_S, (3,))


def park_bag() -> Scene:
    """Build a bag that is put down on the park path; its owner walks away."""
    stage = SceneStage(31, "park", 5)
    zone = _path_and_lawn(stage)
    owner = (21, [(30.0, 21.6), (2.4, 21.2)], [(-3.2, 15.0), (-7.0, 22.0), (-22.0, 30.0)])
    finder = (84, [(-0.4, 50.0), (0.9, 24.0)], [(0.6, -4.0)])
    actors, incident = _bag_left(owner, finder, 47, (0.9, 10.6), zone)
    actors += passers(PARK_ROUTES, (-4.0, 20.0, 31.0, 12.0), stage.rng)
    title = "A park by day: a bag is left on the path"
    return stage.scene("park-bag", title, [zone], actors, [incident])


# What is left, its looks, where, and when.
_DROPS = (
    ("bin_bag", 4, (1.2, 11.0), 5.0),
    ("bin_bag", 9, (1.9, 11.3), 10.0),
    ("bottle", 3, (0.6, 11.2), 15.0),
    ("bag", 12, (1.5, 10.3), 20.0),
    ("bin_bag", 17, (2.5, 10.7), 25.0),
    ("bottle", 8, (0.7, 10.4), 30.0),
)


def park_pile() -> Scene:
    """Build rubbish that piles up on the lawn: five people leave something at one spot."""
    stage = SceneStage(32, "park", 8)
    zone, rng = _path_and_lawn(stage), stage.rng
    doors = ([(30.0, 21.6), (3.0, 21.0)], [(-0.5, 50.0), (0.8, 24.0)], [(-0.4, -3.0), (-0.6, 6.0)])
    actors: list[Actor] = []
    incidents: list[SceneIncident] = []
    collectors = [
        errand(
            50 + k,
            90 + k,
            57.0 + 0.5 * k,
            [(0.6 - 0.5 * k, 46.0), (1.0, 22.0)],
            (0.9 + 0.7 * k, 11.9),
            [(1.0 + 0.8 * k, -4.0)],
        )
        for k in range(3)
    ]
    for k, (label, look, spot, drop_s) in enumerate(_DROPS):
        come, leave = doors[k % 3], doors[(k + 1) % 3][::-1]
        owner = errand(1 + k, int(rng.integers(600)), drop_s, come, beside(spot, come[-1]), leave)
        pick_s = 57.0 + 0.5 * (k % 3)
        thing = left_behind(
            20 + k, (label, look), owner, drop_s, spot, collectors[k % 3], pick_s, left_hand=k >= 3
        )
        actors += [owner, thing]
    pile = tuple(20 + k for k in range(len(_DROPS)))
    # Things that lie together are one dropped object, and from the third one on a heap.
    for kind, start_s in (("dropped_object", _DROPS[0][3]), ("exposed_rubbish", _DROPS[2][3])):
        incidents.append(SceneIncident(f"littering.{kind}", zone.name, start_s, 58.0, pile))
    title = "A park in the rain: rubbish piles up"
    return stage.scene("park-pile", title, [zone], [*actors, *collectors], incidents, light="rain")


def _gatherer(key: int, rng: np.random.Generator, spot: PlanePoint, focus: PlanePoint) -> Walker:
    """Return a person who comes to the crowd, stands facing its middle, and leaves."""
    side = -1.0 if rng.random() < 0.5 else 1.0
    door = (side * float(rng.uniform(13.0, 18.0)), float(rng.uniform(15.0, 24.0)))
    exit_at = (-side * float(rng.uniform(13.0, 18.0)), float(rng.uniform(15.0, 26.0)))
    pace = float(rng.uniform(1.3, 1.7))
    arrive = float(rng.uniform(6.0, 19.0))
    leave = float(rng.uniform(50.0, 53.5))
    waypoints = [
        (arrive - math.dist(door, spot) / pace, *door),
        (arrive, *spot),
        (leave, *spot),
        (leave + math.dist(spot, exit_at) / pace, *exit_at),
    ]
    face = math.atan2(focus[1] - spot[1], focus[0] - spot[0])
    return Walker(key, int(rng.integers(600)), Path(waypoints, face + float(rng.normal(0, 0.4))))


def square_crowd() -> Scene:
    """Build a crowd that gathers in the middle of the square at dusk and disperses."""
    stage = SceneStage(41, "square", 5)
    zone, rng, focus = _middle_of_square(stage), stage.rng, (0.0, 13.4)
    spots = [
        (
            focus[0] + 1.0 * (column - 2.5) + (0.5 if row % 2 else 0.0) + float(rng.normal(0, 0.1)),
            focus[1] + 1.05 * (row - 2.0) + float(rng.normal(0, 0.1)),
        )
        for row in range(5)
        for column in range(6)
    ]
    people = [_gatherer(1 + k, rng, spot, focus) for k, spot in enumerate(spots)]
    cast: tuple[Actor, ...] = (*people, *passers(SQUARE_ROUTES, (-6.0, 14.0, 33.0), rng))

    def inside(now: float) -> list[int]:
        return [
            s.key for s in states_of(cast, now, LOOP_S) if abs(s.x_m) < 3.4 and 10.6 < s.y_m < 16.6
        ]

    start, end = longest_spell(lambda now: len(inside(now)) >= 0.4 * zone.area_m2, LOOP_S)
    keys = tuple(sorted(inside((start + end) / 2)))
    incident = SceneIncident("crowding.density", zone.name, start, end, keys)
    title = "A square at dusk: a crowd gathers"
    return stage.scene("square-crowd", title, [zone], cast, [incident], light="dusk")


def square_bag() -> Scene:
    """Build a bag that is left in the square at night while a few people pass."""
    stage = SceneStage(42, "square", 3)
    zone = _whole_square(stage)
    owner = (44, [(-17.0, 16.0)], [(4.0, 16.0), (16.0, 18.0)])
    finder = (51, [(17.0, 15.0)], [(-15.0, 13.0)])
    actors, incident = _bag_left(owner, finder, 38, (-1.6, 11.4), zone)
    actors += passers(SQUARE_ROUTES, (-8.0, 18.0, 36.0, 27.0), stage.rng)
    title = "A square at dusk: a bag is left behind"
    return stage.scene("square-bag", title, [zone], actors, [incident], light="dusk")


def park_quiet() -> Scene:
    """Build walkers in the park, one of whom stands a while beside the own bag."""
    stage = SceneStage(33, "park", 12)
    actors = passers(PARK_ROUTES, (-10.0, 8.0, 22.0, 35.0), stage.rng)
    actors += _idler(stage.rng, (-1.4, 11.6), (-0.8, 38.0))
    zones = [_path_and_lawn(stage)]
    return stage.scene("park-quiet", "A park by day: a few walkers", zones, actors)


def square_quiet() -> Scene:
    """Build a square with a few people crossing and one waiting."""
    stage = SceneStage(43, "square", 9)
    actors = passers(SQUARE_ROUTES, (-9.0, 3.0, 15.0, 24.0, 36.0), stage.rng)
    actors += _idler(stage.rng, (1.8, 12.4), (-15.0, 19.0))
    zones = [_middle_of_square(stage), _whole_square(stage)]
    return stage.scene("square-quiet", "A square by day: people cross", zones, actors)


_BUSY_GROUPS = 64


def busy_square(seed: int) -> Scene:
    """Build a square that people cross all the time, alone and in groups, hiding one another.

    Every seed is another afternoon; it is in no registry, as nothing is reported of it.
    """
    stage = SceneStage(2000 + seed, "square", 9 + seed)
    rng = stage.rng
    actors: list[Actor] = []
    for group in range(_BUSY_GROUPS):
        start, pace = float(rng.uniform(0, LOOP_S)), float(rng.uniform(0.8, 1.7))
        side = -1.0 if rng.random() < 0.5 else 1.0
        come, leave = rng.uniform(8.0, 27.0, 2)
        middle = (float(rng.uniform(-4.0, 4.0)), float(rng.uniform(9.0, 22.0)))
        for member in range(int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15]))):
            x, y = 0.55 * member, 0.5 * member
            way = [
                (side * 17.0 + x, float(come) + y),
                (middle[0] + x, middle[1] + y),
                (-side * 17.0 + x, float(leave) + y),
            ]
            look = int(rng.integers(600))
            actors.append(stroll(1 + 10 * group + member, look, start, way, pace))
    title = "A square by day: a crowd crosses"
    return stage.scene(f"busy-square-{seed}", title, [_whole_square(stage)], actors)
