"""The two road places: a crossroad seen from its corner and an arterial seen from a gantry."""

import math

import numpy as np

from simulation.drawing.place import (
    DrawnPlace,
    House,
    Lane,
    Patch,
    Span,
    any_look,
    blob,
    dashes,
    line,
    rectangle,
    scattered,
    shades,
)
from simulation.drawing.props import Prop
from simulation.drawing.solid import Colour
from simulation.drawing.viewpoint import Viewpoint

_ASPHALT: Colour = (92, 93, 96)
_PAINT: Colour = (218, 218, 212)
_YELLOW: Colour = (214, 176, 70)
_PAVING: Colour = (158, 152, 144)
_KERB: Colour = (186, 184, 178)
_GRASS: Colour = (92, 122, 62)


def _stains(
    rng: np.random.Generator, x: tuple[float, float], y: tuple[float, float], count: int
) -> list[Patch]:
    stain = shades(rng, (1.0, 1.0, 1.02), (74, 106))
    out = scattered(rng, count, x, y, (0.15, 0.9), 0.4, stain)
    for _ in range(count // 6):
        x_m, y_m = float(rng.uniform(*x)), float(rng.uniform(*y))
        out.append(blob(x_m, y_m, 0.36, (58, 58, 60), 0.2, rng))
    return out


def _beside_road(
    rng: np.random.Generator, side: int, away_m: float, y_m: float, width_m: float, high_m: Span
) -> House:
    """Return a house that faces the road from its left (-1) or right (1) side."""
    facing, high = 0.0 if side < 0 else math.pi, float(rng.uniform(*high_m))
    return House(side * away_m, y_m, facing, width_m, high, any_look(rng))


def arterial(rng: np.random.Generator) -> DrawnPlace:
    """Two carriageways of three lanes with a planted median; the camera hangs over the median."""
    far = 150.0
    patches = [rectangle(-11.6, 11.6, -12, far, _ASPHALT, 0.55)]
    patches += _stains(rng, (-11, 11), (8, 70), 40)
    for side in (-1.0, 1.0):
        for x in (4.3, 7.8):
            patches += dashes((side * x, -10), (side * x, 110), 0.14, _PAINT)
        patches.append(line((side * 11.2, -10), (side * 11.2, far), 0.16, _PAINT))
        patches.append(line((side * 0.95, -10), (side * 0.95, far), 0.16, _YELLOW))
        patches.append(rectangle(side * 11.6 - 0.15, side * 11.6 + 0.15, -12, far, _KERB, 0.3))
        patches.append(rectangle(side * 14.1 - 2.4, side * 14.1 + 2.4, -12, far, _PAVING, 0.5))
    patches.append(rectangle(-0.7, 0.7, -12, far, _GRASS, 0.8))
    for x in (-6.05, -2.55, 2.55, 6.05):  # arrows on the inner lanes
        way = 1.0 if x > 0 else -1.0
        for y in (22.0, 46.0):
            patches.append(line((x, y - way * 1.4), (x, y + way * 0.4), 0.18, _PAINT))
            base, tip = y + way * 0.4, y + way * 1.7
            head = np.array([(x - 0.45, base), (x + 0.45, base), (x, tip)], np.float32)
            patches.append(Patch(head, _PAINT, 0.25))
    props = [Prop("bush", 0.0, 14 + 3.1 * k, 0.0, any_look(rng)) for k in range(16)]
    for k in range(7):
        y = 16.0 + 17.0 * k
        props.append(Prop("lamp", -12.6, y, 0.0, 1))
        props.append(Prop("lamp", 12.6, y + 6, math.pi, 1))
        props.append(Prop("tree", -14.5, y + 8, 0.0, any_look(rng)))
        props.append(Prop("tree", 14.6, y + 14, 0.0, any_look(rng)))
    props += [
        Prop("bin", 13.2, 25.0, 0, 3),
        Prop("sign", -12.4, 27.0, -math.pi / 2, 2),
        Prop("sign", 12.3, 40.0, -math.pi / 2, 5),
        Prop("hydrant", -13.0, 21.0, 0, 1),
    ]
    houses = [
        _beside_road(rng, side, 22, 18.0 + 19 * k, 18.0, (7, 22))
        for k in range(6)
        for side in (-1, 1)
    ]
    lanes = [Lane((x, -6.0), (x, 125.0)) for x in (2.65, 6.05, 9.5)]
    lanes += [Lane((-x, 125.0), (-x, -6.0)) for x in (2.65, 6.05, 9.5)]
    return DrawnPlace(
        name="arterial",
        viewpoint=Viewpoint(0.6, 0.0, 8.2, 0.02, math.radians(14.5), 0.92),
        ground=((120, 128, 98), 0.7),
        patches=tuple(patches),
        props=tuple(props),
        houses=tuple(houses),
        lanes=tuple(lanes),
        walks=((12.2, 16.0, 14.0, 60.0), (-16.0, -12.2, 14.0, 60.0)),
        near=(-9.0, 9.0, 14.0, 30.0),
    )


def _zebra(x0: float, x1: float, y0: float, y1: float, *, along_x: bool) -> list[Patch]:
    out, here = [], (x0 if along_x else y0) + 0.3
    while here < (x1 if along_x else y1) - 0.4:
        if along_x:
            out.append(rectangle(here, here + 0.5, y0, y1, _PAINT, 0.35))
        else:
            out.append(rectangle(x0, x1, here, here + 0.5, _PAINT, 0.35))
        here += 1.05
    return out


def _crossing_patches(rng: np.random.Generator) -> list[Patch]:
    patches = [rectangle(-70, 70, -45, 120, _PAVING, 0.5)]
    for x0, x1, y0, y1 in ((-7.4, 7.4, -45, 120), (-70, 70, 25.6, 40.4)):
        patches.append(rectangle(x0 - 0.3, x1 + 0.3, y0 - 0.3, y1 + 0.3, _KERB, 0.3))
    patches.append(rectangle(-7.4, 7.4, -45, 120, _ASPHALT, 0.55))
    patches.append(rectangle(-70, 70, 25.6, 40.4, _ASPHALT, 0.55))
    patches += _stains(rng, (-20, 20), (8, 60), 46)
    for y0, y1 in ((-45, 20.6), (45.4, 110)):
        patches += [line((x, y0), (x, y1), 0.12, _YELLOW) for x in (0.12, -0.12)]
        for x in (3.6, -3.6):
            patches += dashes((x, y0), (x, y1), 0.14, _PAINT)
    for x0, x1 in ((-60, -13), (13, 60)):
        patches.append(line((x0, 33.0), (x1, 33.0), 0.2, _YELLOW))
        for y in (29.4, 36.6):
            patches += dashes((x0, y), (x1, y), 0.14, _PAINT)
    patches += _zebra(-7.2, 7.2, 21.6, 24.6, along_x=True)
    patches += _zebra(-7.2, 7.2, 41.4, 44.4, along_x=True)
    patches += _zebra(-11.4, -8.4, 25.8, 40.2, along_x=False)
    patches += _zebra(8.4, 11.4, 25.8, 40.2, along_x=False)
    patches += [
        line((0.2, 20.6), (7.2, 20.6), 0.4, _PAINT),
        line((-7.2, 45.4), (-0.2, 45.4), 0.4, _PAINT),
        line((-12.6, 25.8), (-12.6, 33), 0.4, _PAINT),
        line((12.6, 33), (12.6, 40.2), 0.4, _PAINT),
    ]
    return patches


_CROSSING_LANES = (
    *(Lane((x, -6.0), (x, 115.0)) for x in (1.85, 5.4)),
    *(Lane((-x, 115.0), (-x, -6.0)) for x in (1.85, 5.4)),
    *(Lane((-62.0, y), (62.0, y)) for y in (31.2, 27.5)),
    *(Lane((62.0, y), (-62.0, y)) for y in (34.8, 38.5)),
)


def _crossing_props(rng: np.random.Generator) -> list[Prop]:
    props = [
        Prop("signal", 8.4, 20.8, -math.pi / 2, 2),
        Prop("signal", -8.6, 45.6, math.pi / 2, 2),
        Prop("signal", -12.8, 24.6, math.pi, 5),
        Prop("signal", 12.8, 41.4, 0.0, 5),
    ]
    for x, y, turn in (
        *((-9.2, 12.0, 0.0), (9.2, 17.0, math.pi), (-9.4, 50.0, 0.0), (9.4, 56.0, math.pi)),
        *((-24, 42.0, -math.pi / 2), (24, 24.0, math.pi / 2)),
    ):
        props.append(Prop("lamp", x, y, turn, 1))
    for x, y in (
        *((-13, 14), (-13.5, 19.5), (14, 15), (15, 20), (-12.5, 52), (13, 53)),
        *((-20, 45), (24, 44), (17, 2), (-14, 3), (-14.5, -7), (19, -8)),
    ):
        props.append(Prop("tree", x + float(rng.uniform(-0.6, 0.6)), y, 0.0, any_look(rng)))
    props += [
        Prop("bin", 10.0, 13.5, 0, 2),
        Prop("bin", -10.4, 22.8, 0, 4),
        Prop("hydrant", 9.6, 19.2, 0, 1),
        Prop("sign", -8.8, 16.5, -math.pi / 2, 3),
        Prop("bench", -12.0, 16.5, 0.0, 0),
        Prop("bench", -10.5, 4.0, 0.0, 0),
        Prop("bin", 10.6, 5.0, 0, 7),
        Prop("lamp", -9.2, -4.0, 0.0, 1),
        Prop("kiosk", 17.5, 46.5, -math.pi / 2, 2),
        Prop("planter", -15.5, 22.0, 0, 1),
    ]
    props += [
        Prop("bollard", side * 8.3, 12.0 + 1.7 * k, 0, 1) for k in range(4) for side in (-1, 1)
    ]
    return props


def _crossing_houses(rng: np.random.Generator) -> list[House]:
    houses = []
    for k in range(5):
        for side in (-1, 1):
            high, look = float(rng.uniform(8, 20)), any_look(rng)
            houses.append(House(side * (24 + 17 * k), 52.0, -math.pi / 2, 16.0, high, look))
            houses.append(_beside_road(rng, side, 19.5, 62.0 + 17 * k, 16.0, (8, 20)))
    houses += [House(-27.0, 15.0, 0.0, 16.0, 12.0, 7), House(28.0, 15.0, math.pi, 16.0, 9.0, 11)]
    return houses


def crossroad(rng: np.random.Generator) -> DrawnPlace:
    """Two roads of two lanes each way; the camera looks over the near approach to the crossing."""
    props, houses = _crossing_props(rng), _crossing_houses(rng)
    return DrawnPlace(
        name="crossroad",
        viewpoint=Viewpoint(8.6, -2.0, 8.8, math.radians(15), math.radians(15.5), 0.86),
        ground=(_PAVING, 0.5),
        patches=tuple(_crossing_patches(rng)),
        props=tuple(props),
        houses=tuple(houses),
        lanes=_CROSSING_LANES,
        walks=(
            (7.9, 14.0, 10.0, 20.0),
            (-14.0, -7.9, 12.0, 25.0),
            (-7.0, 7.0, 21.6, 24.6),
            (-16.0, -8.0, 41.0, 50.0),
            (-11.4, -8.4, 25.8, 40.2),
        ),
        near=(-8.0, 12.0, 12.0, 30.0),
    )
