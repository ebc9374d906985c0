"""What people do on foot: come, put something down, take something away, pass by."""

import math

import numpy as np

from simulation.scenes.motion import Actor, Path, Spell, Thing, Walker, Waypoint, stroll
from simulation.scenes.scene import PlanePoint

PACE_MPS = 1.35
BEND_S = 0.8


def errand(
    key: int,
    look: int,
    stop_s: float,
    come: list[PlanePoint],
    stop: PlanePoint,
    leave: list[PlanePoint],
) -> Walker:
    """Return a person who comes to a spot, bends down there at ``stop_s`` and walks away."""
    waypoints: list[Waypoint] = [(stop_s - 0.4, *stop)]
    for there in reversed(come):
        last = waypoints[0]
        waypoints.insert(0, (last[0] - math.dist((last[1], last[2]), there) / PACE_MPS, *there))
    waypoints.append((stop_s + BEND_S, *stop))
    for there in leave:
        last = waypoints[-1]
        waypoints.append((last[0] + math.dist((last[1], last[2]), there) / PACE_MPS, *there))
    return Walker(key, look, Path(waypoints), ((stop_s - 0.3, stop_s + 0.5),))


def beside(stop: PlanePoint, towards: PlanePoint) -> PlanePoint:
    """Return the spot half a step from where a person stops, on the way it came."""
    away = math.dist(stop, towards)
    return (
        stop[0] + 0.45 * (towards[0] - stop[0]) / away,
        stop[1] + 0.45 * (towards[1] - stop[1]) / away,
    )


def left_behind(
    key: int,
    what: tuple[str, int],
    owner: Walker,
    drop_s: float,
    spot: PlanePoint,
    finder: Walker,
    pick_s: float,
    *,
    left_hand: bool = False,
) -> Thing:
    """Return a thing (label, look) that one person puts down and another takes away."""
    return Thing(
        key,
        *what,
        (
            Spell(owner.start_s, drop_s, owner, left_hand=left_hand),
            Spell(drop_s, pick_s, None, spot),
            Spell(pick_s, finder.end_s, finder, left_hand=left_hand),
        ),
    )


def passers(
    routes: tuple[tuple[PlanePoint, ...], ...], starts: tuple[float, ...], rng: np.random.Generator
) -> list[Actor]:
    """Return walkers on the usual routes, one per start time."""
    return [
        stroll(
            9000 + k,
            int(rng.integers(600)),
            start,
            routes[k % len(routes)],
            float(rng.uniform(1.2, 1.5)),
        )
        for k, start in enumerate(starts)
    ]
