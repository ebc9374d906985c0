"""Street furniture and plants: everything that stands about and is no labelled object.

Each is a hard negative for a detector: posts beside people, litter bins beside bags, bushes
beside bin bags.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulation.drawing.solid import Colour, Solid, SolidBuilder, palette, patch

_WOOD: Colour = (128, 90, 58)
_STEEL: Colour = (104, 108, 112)
_STONE: Colour = (168, 162, 152)
_WALLS = palette("baa892 a0968c c4baac 96705c b0b6ba ceb088 808288")


@dataclass(frozen=True, slots=True)
class Prop:
    """A piece of furniture: its kind, where it stands in metres, its heading and its looks."""

    kind: str
    x_m: float
    y_m: float
    heading_rad: float = 0.0
    look: int = 0


def _foliage(
    builder: SolidBuilder,
    rng: np.random.Generator,
    z: float,
    wide: float,
    count: int,
    green: Colour,
) -> None:
    """Add balls of leaves around height ``z``: dark below, light on top."""
    for k in range(count):
        turn = float(rng.uniform(0, 2 * math.pi))
        out = wide * math.sqrt(float(rng.uniform(0.02, 0.8)))
        up = float(rng.uniform(-0.55, 0.7)) * wide
        size = wide * float(rng.uniform(0.26, 0.5))
        shade = 0.72 + 0.4 * (up / wide + 0.5) + float(rng.uniform(-0.1, 0.1))
        colour = (green[0] * shade, green[1] * shade, green[2] * shade)
        at = (out * math.cos(turn), out * math.sin(turn), max(z + up, size * 0.8))
        builder.ball(at, size, colour, 1 + k * 0.01)


def _any_of(rng: np.random.Generator, *spans: tuple[float, float]) -> Colour:
    """Return a colour with red, green and blue from three ranges."""
    red, green, blue = (float(rng.uniform(*span)) for span in spans)
    return red, green, blue


def _tree(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    tall, wide = float(rng.uniform(3.2, 4.6)), float(rng.uniform(1.4, 2.3))
    builder.limb((0, 0, 0), (0.05, 0, tall), 0.2, 0.12, (92, 74, 58), anchor=(0, 0, 0))
    green = _any_of(rng, (52, 96), (96, 128), (40, 62))
    _foliage(builder, rng, tall + wide * 0.5, wide, 34, green)
    return builder.build(0.25, 0.25)


def _bush(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    wide = float(rng.uniform(0.45, 0.9))
    green = _any_of(rng, (48, 90), (84, 120), (40, 60))
    _foliage(builder, rng, wide * 0.5, wide, 16, green)
    return builder.build(wide, wide)


def _hedge(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    for k in range(16):
        x = -2.0 + 0.27 * k
        tone = float(rng.uniform(0.8, 1.15))
        builder.limb((x, 0, 0.3), (x, 0, 0.62), 0.32, 0.3, (58 * tone, 96 * tone, 50 * tone))
    return builder.build(2.2, 0.35)


def _lamp(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    builder.limb((0, 0, 0), (0, 0, 0.6), 0.11, 0.09, _STEEL)
    builder.limb((0, 0, 0.5), (0, 0, 6.0), 0.07, 0.05, _STEEL, 1)
    builder.limb((0, 0, 6.0), (1.1, 0, 6.2), 0.05, 0.05, _STEEL, 2)
    builder.limb((0.8, 0, 6.15), (1.5, 0, 6.2), 0.12, 0.1, (226, 222, 205), 3)
    builder.lamp((1.2, 0.0, 6.1), 0.0, (255, 226, 165))
    return builder.build(0.15, 0.15)


def _bench(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 0.3))
    for x in (-0.75, 0.75):
        builder.box((x - 0.04, x + 0.04, -0.25, 0.25), 0.0, 0.44, _STEEL, 0)
    builder.box((-0.95, 0.95, -0.26, 0.26), 0.42, 0.48, _WOOD, 1)
    for low in (0.56, 0.74):
        builder.box((-0.95, 0.95, -0.3, -0.25), low, low + 0.13, (138, 98, 64), 2)
    return builder.build(0.95, 0.3)


def _bin(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 0.4))
    colour: Colour = ((52, 82, 58), (70, 74, 80), (40, 60, 96), (96, 74, 48))[rng.integers(4)]
    if rng.random() < 0.5:
        builder.limb((0, 0, 0.14), (0, 0, 0.82), 0.25, 0.29, colour)
        builder.limb((0, 0, 0.86), (0, 0, 0.9), 0.24, 0.22, (22, 22, 22), 1, anchor=(0, 0, 0.48))
    else:
        low, top = (-0.24, 0.24, -0.24, 0.24), (-0.29, 0.29, -0.29, 0.29)
        faces = builder.frustum(low, 0.05, top, 0.95, colour, lid=(44, 44, 44))
        for name in ("front", "left", "rear", "right"):
            builder.quad(patch(faces[name], 0.2, 0.8, 0.72, 0.88), (20, 20, 20), 1)
    return builder.build(0.3, 0.3)


def _bollard(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    colour: Colour = ((70, 72, 74), (150, 146, 138), (60, 60, 60))[rng.integers(3)]
    builder.limb((0, 0, 0), (0, 0, 0.85), 0.1, 0.09, colour)
    builder.limb((0, 0, 0.7), (0, 0, 0.76), 0.1, 0.1, (226, 222, 210), 1)
    return builder.build(0.12, 0.12)


def _sign(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    builder.limb((0, 0, 0), (0, 0, 2.5), 0.04, 0.04, _STEEL)
    colour: Colour = ((30, 80, 170), (200, 40, 36), (240, 240, 236))[rng.integers(3)]
    plate = [(0.05, -0.3, 2.0), (0.05, 0.3, 2.0), (0.05, 0.3, 2.6), (0.05, -0.3, 2.6)]
    builder.quad(plate, colour, 2, both_sides=True)
    builder.quad(patch(plate, 0.2, 0.8, 0.4, 0.6), (244, 244, 240), 3)
    return builder.build(0.1, 0.3)


def _signal(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 3.0))
    builder.limb((0, 0, 0), (0, 0, 4.0), 0.08, 0.06, (60, 62, 64))
    head = builder.box((-0.16, 0.16, -0.2, 0.2), 3.0, 4.1, (30, 32, 32), 1)
    green = rng.random() < 0.5
    for k, colour in enumerate(((60, 235, 140), (90, 70, 20), (240, 50, 40))):
        lit = (k == 0 and green) or (k == 2 and not green)
        shade: Colour = colour if lit else (50, 48, 46)
        builder.quad(
            patch(head["front"], 0.25, 0.75, 0.07 + 0.31 * k, 0.31 + 0.31 * k), shade, 2, glow=lit
        )
    return builder.build(0.2, 0.2)


def _planter(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 0.3))
    builder.frustum(
        (-0.6, 0.6, -0.6, 0.6), 0, (-0.7, 0.7, -0.7, 0.7), 0.55, _STONE, lid=(70, 56, 44)
    )
    for k in range(14):
        x, y = rng.uniform(-0.5, 0.5, 2)
        colour: Colour = (70, 110, 56) if k % 3 else (206, 84, 110)
        at = (float(x), float(y), 0.62)
        builder.ball(at, 0.2, colour, 1 + k * 0.01, anchor=(0, 0, 0.3))
    return builder.build(0.7, 0.7)


def _fountain(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 0.3))
    ring = [(2.2 * math.cos(t), 2.2 * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 17)]
    inner = [(1.95 * math.cos(t), 1.95 * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 17)]
    for k in range(16):
        (ax, ay), (bx, by) = ring[k], ring[k + 1]
        (cx, cy), (dx, dy) = inner[k], inner[k + 1]
        builder.quad([(ax, ay, 0), (bx, by, 0), (bx, by, 0.5), (ax, ay, 0.5)], _STONE, 2)
        builder.quad(
            [(dx, dy, 0.5), (cx, cy, 0.5), (ax, ay, 0.5), (bx, by, 0.5)], (186, 180, 170), 1
        )
        builder.quad([(0, 0, 0.4), (cx, cy, 0.4), (dx, dy, 0.4), (0, 0, 0.4)], (96, 140, 160), 0)
    builder.limb((0, 0, 0.4), (0, 0, 1.4), 0.3, 0.16, _STONE, 3, anchor=(0, 0, 0.3))
    builder.limb((0, 0, 1.4), (0, 0, 1.5), 0.55, 0.5, (180, 174, 164), 4, anchor=(0, 0, 0.3))
    return builder.build(2.2, 2.2)


def _kiosk(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 1))
    colour: Colour = ((60, 100, 90), (150, 60, 50), (210, 200, 176))[rng.integers(3)]
    walls = builder.box((-1.5, 1.5, -1.1, 1.1), 0, 2.3, colour)
    for name in ("front", "left", "right", "rear"):
        builder.quad(patch(walls[name], 0.12, 0.88, 0.42, 0.85), (60, 64, 66), 1)
        builder.quad(patch(walls[name], 0.12, 0.88, 0.36, 0.42), (230, 226, 214), 1)
    builder.frustum((-1.8, 1.8, -1.4, 1.4), 2.3, (-1.2, 1.2, -0.8, 0.8), 2.8, (120, 60, 54), 2)
    return builder.build(1.6, 1.2)


def _hydrant(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder()
    colour: Colour = (190, 40, 34) if rng.random() < 0.7 else (220, 180, 40)
    builder.limb((0, 0, 0.05), (0, 0, 0.55), 0.12, 0.1, colour)
    builder.limb((0, 0, 0.6), (0, 0, 0.64), 0.1, 0.05, colour, 1)
    builder.limb((0, -0.17, 0.4), (0, 0.17, 0.4), 0.06, 0.06, colour, 1)
    return builder.build(0.15, 0.15)


def _stone(rng: np.random.Generator) -> Solid:
    builder = SolidBuilder((0, 0, 0.1))
    tone = float(rng.uniform(90, 160))
    for k in range(3):
        x, y = (float(v) for v in rng.uniform(-0.15, 0.15, 2))
        size = float(rng.uniform(0.1, 0.22))
        grey, end = (tone, tone * 0.97, tone * 0.92), (x + 0.1, y, size * 0.6)
        builder.limb((x, y, size * 0.5), end, size, size * 0.8, grey, k)
    return builder.build(0.3, 0.3)


_MAKERS: dict[str, Callable[[np.random.Generator], Solid]] = {
    maker.__name__.removeprefix("_"): maker
    for maker in (
        *(_tree, _bush, _hedge, _lamp, _bench, _bin, _bollard),
        *(_sign, _signal, _planter, _fountain, _kiosk, _hydrant, _stone),
    )
}


@lru_cache(maxsize=512)
def prop_solid(kind: str, look: int) -> Solid:
    """Build the solid of a prop kind; ``look`` varies size and colour."""
    return _MAKERS[kind](np.random.default_rng(look))


def building(width_m: float, depth_m: float, height_m: float, look: int, *, lit: bool) -> Solid:
    """Build a house front with rows of windows on its front side; ``lit`` lights some of them."""
    rng = np.random.default_rng(look)
    wall = _WALLS[rng.integers(7)]
    builder = SolidBuilder((0, 0, 2))
    walls = builder.box((-depth_m / 2, depth_m / 2, -width_m / 2, width_m / 2), 0, height_m, wall)
    face = walls["front"]
    columns, rows = max(int(width_m / 2.6), 1), max(int((height_m - 3.4) / 3.0), 1)
    ground = 3.4 / height_m
    shop: Colour = ((70, 76, 82), (110, 60, 50), (60, 90, 80))[rng.integers(3)]
    builder.quad(patch(face, 0.0, 1.0, 0.0, ground * 0.92), shop, 1)
    for column in range(columns):
        span = (column + 0.12) / columns, (column + 0.88) / columns
        glow = lit and rng.random() < 0.6
        shade: Colour = (236, 206, 140) if glow else (52, 62, 70)
        builder.quad(patch(face, *span, ground * 0.12, ground * 0.7), shade, 2, glow=glow)
        for row in range(rows):
            low = ground + (1 - ground) * (row + 0.2) / rows
            high = ground + (1 - ground) * (row + 0.78) / rows
            glow = lit and rng.random() < 0.3
            pane: Colour = (238, 205, 130) if glow else (66, 80, 92)
            span = (column + 0.26) / columns, (column + 0.74) / columns
            builder.quad(patch(face, *span, low, high), pane, 2, glow=glow)
    return builder.build(depth_m / 2, width_m / 2)
