"""Scenes in which things are put down, left, and taken away, among people who pass."""

import math
from typing import Final

import numpy as np

from simulation.scenes.errands import beside, errand, left_behind, passers
from simulation.scenes.foot_scenes import PARK_ROUTES, SQUARE_ROUTES
from simulation.scenes.motion import Actor, Spell, Thing, Walker
from simulation.scenes.scene import PlanePoint, Scene, SceneIncident, SceneStage

DURATION_S: Final = 240.0
DROPPED: Final = 5
TAKEN: Final = 3
"""How many things are put down, and how many are there from the start and are taken away."""

_APART_M: Final = 1.4
_PLACES: Final = {"park": PARK_ROUTES, "square": SQUARE_ROUTES}
_DOORS: Final[dict[str, tuple[PlanePoint, ...]]] = {
    "park": ((30.0, 21.6), (-0.5, 48.0), (-0.4, -4.0), (-22.0, 30.0)),
    "square": ((-17.0, 19.0), (17.0, 20.6), (-15.0, 26.0), (13.0, 30.0)),
}
_GROUND: Final = ((-5.5, 7.6), (5.5, 7.6), (7.5, 20.0), (-7.5, 20.0))
_KINDS: Final = ("bag", "bin_bag", "bottle")
_SHARES: Final = (0.5, 0.35, 0.15)


def left_things(seed: int, place: str = "park", light: str = "day") -> Scene:
    """Build four minutes in which things are put down and left, and others taken away.

    Some of what is put down is taken again later. Every seed is another place to look at and
    another story; it is in no registry.

    Args:
        seed: Of everything random in it.
        place: ``park`` or ``square``.
        light: ``day``, ``dusk``, ``night`` or ``rain``.
    """
    stage = SceneStage(4000 + seed, place, 20 + seed)
    rng, doors = stage.rng, _DOORS[place]
    spots = _spots(rng, DROPPED + TAKEN)
    zone = stage.zone("ground", "littering", _GROUND)
    actors: list[Actor] = []
    incidents = []
    drops = np.sort(rng.uniform(15.0, 0.6 * DURATION_S, DROPPED))
    for number, (spot, drop_s) in enumerate(zip(spots, drops, strict=False)):
        owner = _visitor(rng, 100 + number, float(drop_s), spot, doors)
        pick_s = float(drop_s) + float(rng.uniform(60.0, 120.0))
        what, key = _what(rng), 10 + number
        actors.append(owner)
        if pick_s < DURATION_S - 15.0 and rng.random() < 0.6:
            finder = _visitor(rng, 200 + number, pick_s, spot, doors)
            thing = left_behind(key, what, owner, float(drop_s), spot, finder, pick_s)
            actors += [finder, thing]
        else:
            pick_s = DURATION_S
            held = Spell(owner.start_s, float(drop_s), owner)
            thing = Thing(key, *what, (held, Spell(float(drop_s), pick_s, None, spot)))
            actors.append(thing)
        incidents.append(
            SceneIncident("littering.dropped_object", zone.name, float(drop_s), pick_s, (key,))
        )
    picks = np.sort(rng.uniform(25.0, 0.7 * DURATION_S, TAKEN))
    for number, (spot, pick) in enumerate(zip(spots[DROPPED:], picks, strict=True)):
        finder = _visitor(rng, 300 + number, float(pick), spot, doors)
        lying = Spell(0.0, float(pick), None, spot)
        carried = Spell(float(pick), finder.end_s, finder)
        actors += [finder, Thing(30 + number, *_what(rng), (lying, carried))]
    starts = tuple(float(start) for start in rng.uniform(-20.0, DURATION_S - 20.0, 14))
    actors += passers(_PLACES[place], starts, rng)
    title = "Things are put down and taken away"
    return stage.scene(
        f"left-things-{place}-{light}-{seed}", title, [zone], actors, incidents,
        light=light, duration_s=DURATION_S,
    )  # fmt: skip


def _spots(rng: np.random.Generator, count: int) -> list[PlanePoint]:
    """Places on the ground that are apart from each other."""
    spots: list[PlanePoint] = []
    while len(spots) < count:
        spot = (float(rng.uniform(-4.0, 4.0)), float(rng.uniform(8.5, 17.0)))
        if all(math.dist(spot, other) >= _APART_M for other in spots):
            spots.append(spot)
    return spots


def _what(rng: np.random.Generator) -> tuple[str, int]:
    """Label and look of a thing."""
    return str(rng.choice(_KINDS, p=_SHARES)), int(rng.integers(400))


def _visitor(
    rng: np.random.Generator,
    key: int,
    stop_s: float,
    spot: PlanePoint,
    doors: tuple[PlanePoint, ...],
) -> Walker:
    """A person who comes to a spot from one side, bends down there, and leaves to another."""
    first, second = rng.choice(len(doors), 2, replace=False)
    come, leave = doors[int(first)], doors[int(second)]
    return errand(key, int(rng.integers(600)), stop_s, [come], beside(spot, come), [leave])
