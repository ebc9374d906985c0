"""Bags, bottles and tied bin bags: what people carry, drop and pile up."""

import math
from functools import lru_cache

import numpy as np

from simulation.drawing.solid import Colour, Point, Solid, SolidBuilder, palette, patch

_BAG = palette("b0282c 22283c ece8de 784e2e 3c785a deaa32 3c6eb4 c49668 963c82 28282a e67832")
_BOTTLE = palette("28783c 96c8dc 6e401a 3c96d2 c8e0e2 1e542c")
_BIN_BAG = palette("1e1e22 262628 243c6e d6d6d2 2e5438 18181c")


def _tote(builder: SolidBuilder, size: Point, colour: Colour, mark: Colour) -> None:
    length, depth, high = size
    base = (-length / 2, length / 2, -depth / 2, depth / 2)
    top = (-length * 0.46, length * 0.46, -depth * 0.32, depth * 0.32)
    dark: Colour = (colour[0] * 0.45, colour[1] * 0.45, colour[2] * 0.45)
    sides = builder.frustum(base, 0.0, top, high, colour, lid=dark)
    for name in ("left", "right"):
        builder.quad(patch(sides[name], 0.25, 0.75, 0.3, 0.7), mark, 1)
    for side in (-0.3, 0.3):
        y = side * depth
        steps = ((-0.2, 0.0), (-0.14, 0.13), (0.14, 0.13), (0.2, 0.0))
        arch = [(length * along, y, high + up) for along, up in steps]
        for k in range(3):
            builder.limb(arch[k], arch[k + 1], 0.014, 0.014, dark, 2, anchor=builder.anchor)


def _rucksack(builder: SolidBuilder, size: Point, colour: Colour, mark: Colour) -> None:
    length, depth, high = size
    fat = depth * 0.62
    for y in (-length * 0.24, length * 0.24):
        builder.limb((0.0, y, fat), (0.0, y, high - fat * 0.8), fat, fat * 0.8, colour)
    x, wide, deep = fat * 0.8, length * 0.1, fat * 0.55
    builder.limb((x, -wide, fat), (x, wide, fat), deep, deep, mark, 1)
    builder.limb((0.0, -0.05, high), (0.0, 0.05, high), 0.018, 0.018, mark, 1)


def _suitcase(builder: SolidBuilder, size: Point, colour: Colour, mark: Colour) -> None:
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
    length, depth, high = (
        float(rng.uniform(*span)) for span in ((0.36, 0.52), (0.18, 0.26), (0.34, 0.48))
    )
    builder = SolidBuilder((0.0, 0.0, 0.2))
    makers = (_tote, _rucksack, _suitcase)
    makers[rng.choice(3, p=[0.55, 0.28, 0.17])](builder, (length, depth, high), colour, mark)
    return builder.build(length / 2, depth / 2)


def _one_bottle(
    builder: SolidBuilder, x: float, y: float, colour: Colour, rng: np.random.Generator
) -> None:
    high, fat = float(rng.uniform(0.3, 0.4)), float(rng.uniform(0.05, 0.065))
    at = (x, y, 0.15)
    label = (235.0, 235.0, 230.0) if rng.random() < 0.5 else (200.0, 40.0, 40.0)
    if rng.random() < 0.15:  # fallen over
        turn = float(rng.uniform(0, 2 * math.pi))
        dx, dy = high * math.cos(turn), high * math.sin(turn)
        low, neck, top = ((x + dx * k, y + dy * k, fat) for k in (0.6, 0.65, 1.0))
        builder.limb((x, y, fat), low, fat, fat, colour, 0, anchor=at)
        builder.limb(neck, top, fat * 0.7, fat * 0.3, colour, 1, anchor=at)
        return
    # From low to high: shares of height and of girth at both ends, and the colour.
    for layer, (low_z, high_z, girth, end_girth, paint) in enumerate(
        (
            (fat * 0.8, high * 0.62, 1.0, 1.0, colour),
            (high * 0.3, high * 0.5, 1.02, 1.02, label),
            (high * 0.68, high * 0.95, 0.62, 0.3, colour),
            (high * 0.96, high, 0.36, 0.36, label),
        )
    ):
        radii = fat * girth, fat * end_girth
        builder.limb((x, y, low_z), (x, y, high_z), *radii, paint, layer, anchor=at)


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
    at = (0.0, 0.0, 0.3)
    builder = SolidBuilder(at)
    gloss: Colour = (min(colour[0] + 45, 255), min(colour[1] + 45, 255), min(colour[2] + 48, 255))
    middle = (0.0, 0.0, high * 0.55)
    builder.limb((0.0, 0.0, fat * 0.85), middle, fat, fat * 0.82, colour, 0, anchor=at)
    for k in range(5):
        turn = float(rng.uniform(0, 2 * math.pi))
        x, y = 0.5 * fat * math.cos(turn), 0.5 * fat * math.sin(turn)
        bulge, layer = (x, y, fat * 0.8), 1 + k * 0.1
        builder.limb((x, y, fat * 0.6), bulge, fat * 0.5, fat * 0.45, colour, layer)
        fold, outside = (x * 1.25, y * 1.25, fat * 0.8), (x * 1.5, y * 1.5, 0.3)
        builder.limb(fold, (x, y, high * 0.6), 0.014, 0.01, gloss, 2, anchor=outside)
    neck, knot = (0.0, 0.0, high * 0.72), (0.0, 0.0, high * 0.86)
    builder.limb(neck, knot, fat * 0.45, 0.05, colour, 3, anchor=at)
    for x in (-0.09, 0.09):
        ear = (0.0, 0.0, high * 0.87)
        builder.limb(ear, (x, 0.0, high), 0.045, 0.028, colour, 4, anchor=at)
    return builder.build(fat, fat)
