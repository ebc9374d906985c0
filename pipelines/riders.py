"""Which persons ride a cycle: a person box on a bicycle or motorcycle is nobody on foot.

A rider goes where the cycle goes. Somebody who walks past a parked one overlaps it too, but moves
differently; and where both stand, nothing changes. Who is first seen on a cycle rides it at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipelines.association import Indices, Reals

WIDTH_SHARE: Final = 0.6
"""Least part of the narrower one's width in which a rider and the cycle overlap."""

LEAST_FOOT, LOWEST_FOOT = 0.25, 0.1
"""A rider's foot is at least so far below the top of the cycle, in its heights, and at most so far
below its bottom, in heights of the rider."""

LEAST_HEIGHT, GREATEST_HEIGHT = 0.4, 2.5
"""Height of a rider in heights of the cycle; its box may enclose both, or wheels and frame only."""

SAME_SPEED: Final = 0.3
"""Greatest difference of their speeds, in heights of the rider per second."""

STANDING: Final = 0.15
"""Who is slower stands, in heights of the rider per second."""

CHANGE_S: Final = 1.0
"""How long it takes until somebody has got on or off, seconds."""


def together(
    boxes: Reals, velocities: Reals, persons: Indices, cycles: Indices
) -> tuple[Indices, Reals]:
    """Which cycle each person is on, as far as one frame shows.

    Args:
        boxes: (T, 4) of all tracks.
        velocities: (T, 2) of all tracks, in units of the boxes per second.
        persons: (N,) rows of persons.
        cycles: (M,) rows of cycles.

    Returns:
        (N,) the row of the cycle that fits best; and (N,) 1 for a person who moves with it, 0 for
        one who is at it while neither moves, which may as well stand beside it, and -1 for others.
    """
    if not len(cycles):
        return np.zeros(len(persons), np.int64), np.full(len(persons), -1.0)
    person, cycle = boxes[persons].T[:, :, None], boxes[cycles].T[:, None, :]
    width = np.minimum(person[2], cycle[2]) - np.maximum(person[0], cycle[0])
    narrower = np.minimum(person[2] - person[0], cycle[2] - cycle[0])
    height, tall = cycle[3] - cycle[1], person[3] - person[1]
    on = width >= WIDTH_SHARE * narrower
    on &= person[3] >= cycle[1] + LEAST_FOOT * height
    on &= person[3] <= cycle[3] + LOWEST_FOOT * tall
    on &= (tall >= LEAST_HEIGHT * height) & (tall <= GREATEST_HEIGHT * height)
    fit = np.where(on, width / narrower, 0.0)
    best = fit.argmax(axis=1)
    step, roll = velocities[persons], velocities[cycles[best]]
    size = tall[:, 0]
    differs = np.hypot(*(step - roll).T) > SAME_SPEED * size
    fastest = np.maximum(np.hypot(*step.T), np.hypot(*roll.T))
    sign = np.where(fastest > STANDING * size, 1.0, 0.0)
    sign[differs | ~on[np.arange(len(persons)), best]] = -1.0
    return cycles[best], sign
