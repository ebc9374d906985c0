"""The two places on foot: a paved square and a park, both watched from close by."""

import math

import numpy as np

from simulation.drawing.place import (
    DrawnPlace,
    House,
    Patch,
    any_look,
    line,
    rectangle,
    scattered,
    shades,
)
from simulation.drawing.props import Prop
from simulation.drawing.solid import Colour
from simulation.drawing.viewpoint import Viewpoint

_SLAB: Colour = (176, 166, 152)
_JOINT: Colour = (146, 138, 128)
_BAND: Colour = (140, 120, 106)
_GRASS: Colour = (98, 130, 66)
_PATH: Colour = (182, 166, 140)
_LEAF: tuple[Colour, ...] = ((150, 110, 50), (120, 84, 44), (172, 140, 60), (110, 120, 56))


def _leaves(
    rng: np.random.Generator, x: tuple[float, float], y: tuple[float, float], count: int
) -> list[Patch]:
    """Scatter fallen leaves and stains, which are no litter."""
    leaves = scattered(rng, count, x, y, (0.04, 0.13), 0.3, lambda: _LEAF[rng.integers(len(_LEAF))])
    stain = shades(rng, _SLAB, (0.82, 0.95))
    return leaves + scattered(rng, count // 5, x, y, (0.2, 0.9), 0.5, stain)


def _paving(rng: np.random.Generator) -> list[Patch]:
    """Return the slabs and bands of the square, and the street behind it."""
    patches = [rectangle(-60, 60, -5, 60, _SLAB, 0.45)]
    for k in range(-16, 17):
        patches.append(line((1.5 * k, 5), (1.5 * k, 40), 0.035, _JOINT, 0.3))
    for k in range(24):
        patches.append(line((-26, 5 + 1.5 * k), (26, 5 + 1.5 * k), 0.035, _JOINT, 0.3))
    for x in (-12.0, 0.0, 12.0):
        patches.append(rectangle(x - 0.45, x + 0.45, -5, 40, _BAND, 0.5))
    for y in (10.0, 22.0, 34.0):
        patches.append(rectangle(-60, 60, y - 0.45, y + 0.45, _BAND, 0.5))
    patches.append(rectangle(-60, 60, 40.0, 47.0, (98, 98, 100), 0.5))
    patches.append(rectangle(-60, 60, 39.7, 40.0, (190, 188, 180), 0.3))
    patches += _leaves(rng, (-12, 12), (7, 24), 36)
    return patches


def square(rng: np.random.Generator) -> DrawnPlace:
    """A plaza of slabs with bands, benches, planters and a fountain, houses behind."""
    patches = _paving(rng)
    props = [
        Prop("fountain", 7.5, 27.0, 0, 1),
        Prop("kiosk", -15.0, 30.0, -0.6, 2),
        Prop("bench", -7.5, 17.5, math.pi, 0),
        Prop("bench", 6.5, 19.0, math.pi, 0),
        Prop("bench", -8.6, 25.0, math.pi / 2, 0),
        Prop("bin", -5.9, 17.6, 0, 5),
        Prop("bin", 8.4, 14.2, 0, 2),
        Prop("sign", -10.8, 20.0, -1.4, 6),
    ]
    for x, y in ((-9.4, 12.5), (9.8, 22.5), (-11.0, 27.0), (12.0, 31.5), (0.5, 33.0)):
        props.append(Prop("planter", x, y, 0, any_look(rng)))
    lamps = ((-6.6, 13.4, 0.0), (10.6, 17.4, math.pi), (-8.0, 31.0, 0.0), (6.0, 35.0, math.pi))
    for x, y, turn in lamps:
        props.append(Prop("lamp", x, y, turn, 1))
    props += [Prop("bollard", -20 + 2.5 * k, 39.2, 0, 2) for k in range(17)]
    props += [
        Prop("tree", x, 37.5 + float(rng.uniform(-0.6, 0.6)), 0, any_look(rng))
        for x in (-18, -11, -4, 4, 11, 18)
    ]
    houses = [
        House(-40 + 16 * k, 52.0, -math.pi / 2, 15.6, float(rng.uniform(9, 17)), any_look(rng))
        for k in range(6)
    ]
    houses += [
        House(side * 30, 22.0 + 16 * k, 0.0 if side < 0 else math.pi, 15.6, 11.0, any_look(rng))
        for k in range(2)
        for side in (-1, 1)
    ]
    return DrawnPlace(
        name="square",
        viewpoint=Viewpoint(0.0, 0.0, 5.6, 0.0, math.radians(16.5), 0.95),
        ground=(_SLAB, 0.45),
        patches=tuple(patches),
        props=tuple(props),
        houses=tuple(houses),
        lanes=(),
        walks=((-8.5, 8.5, 9.0, 24.0), (-13.0, 13.0, 20.0, 32.0)),
        near=(-5.5, 5.5, 8.8, 16.0),
    )


def _winding(rng: np.random.Generator) -> list[Patch]:
    """Return the park path: a wide way to the back and a branch to the right."""
    left, right = [], []
    for y in np.linspace(-5, 46, 26):
        middle = 1.2 * math.sin(y * 0.11) - 0.4
        left.append((middle - 2.3, y))
        right.append((middle + 2.3, y))
    out = [
        Patch(np.array([left[k], right[k], right[k + 1], left[k + 1]], np.float32), _PATH, 0.7)
        for k in range(len(left) - 1)
    ]
    for k in range(len(left) - 1):
        for edge in (left, right):
            out.append(line(edge[k], edge[k + 1], 0.12, (150, 140, 122), 0.4))
    out.append(rectangle(1.2, 40, 20.0, 23.0, _PATH, 0.7))
    grass = shades(rng, _GRASS, (0.8, 1.12))
    return scattered(rng, 26, (-16, 16), (6, 34), (0.8, 2.6), 0.9, grass)[::-1] + out


def _park_props(rng: np.random.Generator) -> list[Prop]:
    props = [
        Prop("bench", -4.4, 14.0, -math.pi / 2, 0),
        Prop("bench", 4.6, 17.2, math.pi / 2, 0),
        Prop("bin", -4.2, 12.2, 0, 5),
        Prop("bin", 4.5, 24.0, 0, 1),
        Prop("lamp", -3.9, 16.8, 0.0, 1),
        Prop("lamp", 4.4, 27.0, math.pi, 1),
        Prop("lamp", 3.9, 10.6, math.pi, 1),
        Prop("sign", 3.6, 19.2, -1.5, 4),
    ]
    for x, y in (
        *((-8.5, 13.0), (8.8, 14.5), (-10.5, 19.0), (10.4, 26.5), (-7.2, 25.5)),
        *((7.6, 31.0), (-13.5, 28.0), (14.0, 33.0), (-4.8, 34.0), (15.5, 17.5)),
    ):
        props.append(Prop("tree", x, y, 0, any_look(rng)))
    for x, y in ((-6.2, 9.8), (6.4, 11.2), (-5.6, 20.8), (6.0, 19.0), (-9.0, 23.0), (9.6, 18.8)):
        props.append(Prop("bush", x, y, 0, any_look(rng)))
    props += [
        Prop("stone", -3.4, 10.2, 0, 3),
        Prop("stone", 4.8, 13.6, 1, 5),
        Prop("stone", -5.2, 17.0, 2, 8),
    ]
    props += [
        Prop("hedge", -22 + 4.1 * k, 38.0, 0, any_look(rng)) for k in range(11) if k not in (5, 6)
    ]
    props += [
        Prop("tree", -30 + 5.2 * k, 41.0 + float(rng.uniform(-1.5, 3)), 0, any_look(rng))
        for k in range(12)
    ]
    return props


def park(rng: np.random.Generator) -> DrawnPlace:
    """A lawn with a path, trees, benches and bushes, watched from a low mast."""
    patches = _winding(rng) + _leaves(rng, (-9, 9), (6, 22), 70)
    props = _park_props(rng)
    houses = [
        House(-36 + 24 * k, 64.0, -math.pi / 2, 17.0, float(rng.uniform(8, 13)), any_look(rng))
        for k in range(4)
    ]
    return DrawnPlace(
        name="park",
        viewpoint=Viewpoint(0.0, 0.0, 4.9, 0.0, math.radians(15.5), 0.98),
        ground=(_GRASS, 0.9),
        patches=tuple(patches),
        props=tuple(props),
        houses=tuple(houses),
        lanes=(),
        walks=((-2.6, 2.2, 8.0, 30.0), (-7.0, 7.0, 9.0, 22.0)),
        near=(-4.0, 4.0, 7.6, 15.0),
    )
