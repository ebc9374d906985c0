"""Motorcycles and bicycles, parked or ridden; a rider is part of the vehicle and its box."""

import math
from functools import lru_cache

import numpy as np

from simulation.drawing.people import STRIDE_STEPS, seated_rider
from simulation.drawing.solid import Colour, Point, Solid, SolidBuilder, palette

_PAINT = palette("be2422 244696 222226 dcdcd8 28825a e6aa28 5aa0be c85a82")
_TYRE: Colour = (30, 30, 32)


def _ring(builder: SolidBuilder, centre: Point, radius_m: float, thick_m: float) -> None:
    """Add a spoked wheel as a chain of thin limbs."""
    points = [
        (centre[0] + radius_m * math.cos(turn), centre[1], centre[2] + radius_m * math.sin(turn))
        for turn in np.linspace(0, 2 * math.pi, 13)
    ]
    builder.chain(points, [thick_m] * len(points), _TYRE)
    for k in range(0, 6, 2):
        builder.limb(points[k], points[k + 6], 0.006, 0.006, (150, 150, 152))


@lru_cache(maxsize=2048)
def bicycle(look: int, ridden: bool, step: int = 0) -> Solid:
    """Build a bicycle; ``step`` counts twelfths of a pedal turn when ridden."""
    rng = np.random.default_rng(look)
    paint = _PAINT[rng.integers(len(_PAINT))]
    builder = SolidBuilder()
    rear, front, crank = (-0.52, 0.0, 0.34), (0.54, 0.0, 0.34), (-0.06, 0.0, 0.3)
    _ring(builder, rear, 0.33, 0.022)
    _ring(builder, front, 0.33, 0.022)
    seat, head, bar = (-0.22, 0.0, 0.86), (0.36, 0.0, 0.82), (0.34, 0.0, 1.02)
    joint = (-0.18, 0.0, 0.76)
    for start, end in (
        *((crank, seat), (crank, head), (joint, head)),
        *((rear, crank), (rear, joint), (head, front), (head, bar)),
    ):
        builder.limb(start, end, 0.022, 0.022, paint)
    builder.limb((0.34, 0.27, 1.03), (0.34, -0.27, 1.03), 0.02, 0.02, (40, 40, 42))
    builder.limb((-0.34, 0.0, 0.9), (-0.12, 0.0, 0.9), 0.06, 0.035, (36, 32, 30))
    builder.lamp((0.42, 0.0, 0.9), 1.0, (225, 225, 200))
    if ridden:
        seated_rider(builder, look + 1, (-0.22, 0.0, 0.9), 0.35, 2 * math.pi * step / STRIDE_STEPS)
    return builder.build(0.85, 0.3)


@lru_cache(maxsize=1024)
def motorcycle(look: int, ridden: bool) -> Solid:
    """Build a motorcycle or scooter."""
    rng = np.random.default_rng(look)
    paint = _PAINT[rng.integers(len(_PAINT))]
    builder = SolidBuilder()
    for x in (-0.66, 0.7):
        for side in (0.05, -0.05):
            centre = (x, side, 0.31)
            builder.disc(centre, 0.31, _TYRE, 0, left=side > 0, anchor=(x, 0, 0.31))
            builder.disc(centre, 0.16, (150, 150, 154), 1, left=side > 0, anchor=(x, 0, 0.31))
        builder.limb((x, 0.0, 0.12), (x, 0.0, 0.5), 0.08, 0.08, _TYRE, -1)
    builder.limb((-0.45, 0.0, 0.42), (0.3, 0.0, 0.42), 0.2, 0.18, (70, 70, 74))
    builder.limb((-0.85, 0.0, 0.76), (-0.2, 0.0, 0.74), 0.1, 0.14, (32, 30, 30), 1)
    builder.limb((-0.1, 0.0, 0.8), (0.32, 0.0, 0.86), 0.16, 0.17, paint, 1)
    builder.limb((-0.8, 0.0, 0.62), (-0.5, 0.0, 0.6), 0.1, 0.14, paint)
    builder.limb((0.7, 0.0, 0.34), (0.4, 0.0, 0.98), 0.05, 0.05, (120, 120, 124))
    builder.limb((0.42, 0.34, 1.02), (0.42, -0.34, 1.02), 0.025, 0.025, (40, 40, 42))
    builder.ball((0.55, 0.0, 0.86), 0.12, paint, 1)
    builder.ball((0.64, 0.0, 0.86), 0.08, (250, 246, 220), 2)
    if rng.random() < 0.45:
        box, at = (-1.0, -0.6, -0.2, 0.2), (-0.8, 0.0, 1.0)
        builder.box(box, 0.85, 1.2, _PAINT[rng.integers(len(_PAINT))], 2, anchor=at)
    builder.lamp((0.66, 0.0, 0.86), 1.0, (255, 244, 205))
    builder.lamp((-0.95, 0.0, 0.7), -1.0, (255, 40, 30))
    if ridden:
        seated_rider(builder, look + 1, (-0.25, 0.0, 0.82), 0.2, 0.3)
        head = builder.highest()
        builder.ball(head, 0.145, _PAINT[rng.integers(len(_PAINT))], 4)
    return builder.build(1.05, 0.35)
