"""Bags, bottles and tied bin bags: what people carry, drop and pile up."""

import math
from functools import lru_cache

import numpy as np

from simulation.drawing.solid import Colour, Solid, SolidBuilder, palette, patch

_BAG = palette("b0282c 22283c ece8de 784e2e 3c785a deaa32 3c6eb4 c49668 963c82 28282a e67832")
_BOTTLE = palette("28783c 96c8dc 6e401a 3c96d2 c8e0e2 1e542c")
_BIN_BAG = palette("1e1e22 262628 243c6e d6d6d2 2e5438 18181c")


def _tote(
    builder: SolidBuilder, size: tuple[float, float, float], colour: Colour, mark: Colour
) -> None:
    length, depth, high = size
    base = (-length / 2, length / 2, -depth / 2, depth / 2)
    top = (-length * 0.46, length * 0.46, -depth * 0.32, depth * 0.32)
    dark: Colour = (colour[0] * 0.45, colour[1] * 0.45, colour[2] * 0.45)
    sides = builder.frustum(base, 0.0, top, high, colour, lid=dark)
    for name in ("left", "right"):
        builder.quad(patch(sides[name], 0.25, 0.75, 0.3, 0.7), mark, 1)
    for side in (-0.3, 0.3):
        y = side * depth
        arch = [
            (-length * 0.2, y, high),
            (-length * 0.14, y, high + 0.13),
            (length * 0.14, y, high + 0.13),
            (length * 0.2, y, high),
        ]
        for k in range(3):
            builder.limb(arch[k], arch[k + 1], 0.014, 0.014, dark, 2, anchor=builder.anchor)


def _rucksack(
    builder: SolidBuilder, size: tuple[float, float, float], colour: Colour, mark: Colour
) -> None:
    length, depth, high = size
    fat = depth * 0.62
    for y in (-length * 0.24, length * 0.24):
        builder.limb((0.0, y, fat), (0.0, y, high - fat * 0.8), fat, fat * 0.8, colour)
    builder.limb(
        (fat * 0.8, -length * 0.1, fat),
        (fat * 0.8, length * 0.1, fat),
        fat * 0.55,
        fat * 0.55,
        mark,
        1,
    )
    builder.limb((0.0, -0.05, high), (0.0, 0.05, high), 0.018, 0.018, mark, 1)


def _suitcase(
    builder: SolidBuilder, size: tuple[float, float, float], colour: Colour, mark: Colour
) -> None:
    length, depth, high = size
    high *= 1.25
    sides = builder.box((-length / 2, length / 2, -depth / 2, depth / 2), 0.05, high, colour)
    for name in ("left", "right"):
        builder.quad(patch(sides[name], 0.1, 0.9, 0.3, 0.36), mark, 1)
        builder.quad(patch(sides[name], 0.1, 0.9, 0.64, 0.7), mark, 1)
    builder.limb((-0.08, 0.0, high + 0.12), (0.08, 0.0, high + 0.12), 0.014, 0.014, mark, 2)
    for x in (-0.08, 0.08):
        builder.limb((x, 0.0, high), (x, 0.0, high + 0.12), 0.012, 0.012, mark, 2)


@lru_cache(maxsize=512)
def bag(look: int) -> Solid:
    """Build a shopping bag, a rucksack or a small suitcase, standing upright."""
    rng = np.random.default_rng(look)
    colour, mark = (_BAG[k] for k in rng.choice(len(_BAG), 2, replace=False))
    size = (
        float(rng.uniform(0.36, 0.52)),
        float(rng.uniform(0.18, 0.26)),
        float(rng.uniform(0.34, 0.48)),
    )
    builder = SolidBuilder((0.0, 0.0, 0.2))
    kind = rng.choice(["tote", "rucksack", "suitcase"], p=[0.55, 0.28, 0.17])
    {"tote": _tote, "rucksack": _rucksack, "suitcase": _suitcase}[str(kind)](
        builder, size, colour, mark
    )
    return builder.build(size[0] / 2, size[1] / 2)


def _one_bottle(
    builder: SolidBuilder, x: float, y: float, colour: Colour, rng: np.random.Generator
) -> None:
    high, fat = float(rng.uniform(0.3, 0.4)), float(rng.uniform(0.05, 0.065))
    at = (x, y, 0.15)
    label = (235.0, 235.0, 230.0) if rng.random() < 0.5 else (200.0, 40.0, 40.0)
    if rng.random() < 0.15:  # fallen over
        turn = float(rng.uniform(0, 2 * math.pi))
        dx, dy = math.cos(turn), math.sin(turn)
        builder.limb(
            (x, y, fat),
            (x + dx * high * 0.6, y + dy * high * 0.6, fat),
            fat,
            fat,
            colour,
            0,
            anchor=at,
        )
        builder.limb(
            (x + dx * high * 0.65, y + dy * high * 0.65, fat),
            (x + dx * high, y + dy * high, fat),
            fat * 0.7,
            fat * 0.3,
            colour,
            1,
            anchor=at,
        )
        return
    builder.limb((x, y, fat * 0.8), (x, y, high * 0.62), fat, fat, colour, 0, anchor=at)
    builder.limb(
        (x, y, high * 0.3), (x, y, high * 0.5), fat * 1.02, fat * 1.02, label, 1, anchor=at
    )
    builder.limb(
        (x, y, high * 0.68), (x, y, high * 0.95), fat * 0.62, fat * 0.3, colour, 2, anchor=at
    )
    builder.limb((x, y, high * 0.96), (x, y, high), fat * 0.36, fat * 0.36, label, 3, anchor=at)


@lru_cache(maxsize=512)
def bottle(look: int) -> Solid:
    """Build a large bottle, or two or three that stand close together as one object."""
    rng = np.random.default_rng(look)
    builder = SolidBuilder((0.0, 0.0, 0.15))
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    for k in range(count):
        colour = _BOTTLE[rng.integers(len(_BOTTLE))]
        spread = 0.0 if count == 1 else 0.09
        turn = 2 * math.pi * k / count + float(rng.uniform(0, 0.6))
        _one_bottle(builder, spread * math.cos(turn), spread * math.sin(turn), colour, rng)
    return builder.build(0.12, 0.12)


@lru_cache(maxsize=512)
def bin_bag(look: int) -> Solid:
    """Build a filled bin bag with a knot."""
    rng = np.random.default_rng(look)
    colour = _BIN_BAG[rng.integers(len(_BIN_BAG))]
    fat, high = float(rng.uniform(0.24, 0.32)), float(rng.uniform(0.55, 0.78))
    builder = SolidBuilder((0.0, 0.0, 0.3))
    gloss: Colour = (min(colour[0] + 45, 255), min(colour[1] + 45, 255), min(colour[2] + 48, 255))
    builder.limb(
        (0.0, 0.0, fat * 0.85),
        (0.0, 0.0, high * 0.55),
        fat,
        fat * 0.82,
        colour,
        0,
        anchor=(0, 0, 0.3),
    )
    for k in range(5):
        turn = float(rng.uniform(0, 2 * math.pi))
        x, y = 0.5 * fat * math.cos(turn), 0.5 * fat * math.sin(turn)
        builder.limb(
            (x, y, fat * 0.6), (x, y, fat * 0.8), fat * 0.5, fat * 0.45, colour, 1 + k * 0.1
        )
        builder.limb(
            (x * 1.25, y * 1.25, fat * 0.8),
            (x, y, high * 0.6),
            0.014,
            0.01,
            gloss,
            2,
            anchor=(x * 1.5, y * 1.5, 0.3),
        )
    builder.limb(
        (0.0, 0.0, high * 0.72),
        (0.0, 0.0, high * 0.86),
        fat * 0.45,
        0.05,
        colour,
        3,
        anchor=(0, 0, 0.3),
    )
    for x in (-0.09, 0.09):
        builder.limb(
            (0.0, 0.0, high * 0.87), (x, 0.0, high), 0.045, 0.028, colour, 4, anchor=(0, 0, 0.3)
        )
    return builder.build(fat, fat)
