"""People as articulated figures: walking, standing, sitting on a saddle, bending down.

Poses are quantised to a few steps per stride, so that a crowd is drawn from a cache of figures.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulation.drawing.solid import Colour, Point, Solid, SolidBuilder, palette

STRIDE_STEPS = 12

_SKIN = palette("ecc8ac e0b494 c69674 96684a 684632")
_HAIR = palette("1e1a18 3e2c20 6e4e30 ac8c5a 969696")
_TOP = palette(
    "c42c2c 243e78 e6e6e2 282a2e 467850 deb43c 784682 5a8cbe 969694 dc783c 6e543e d28ca0 "
    "32828c 505a3c"
)
_LEGS = palette("28304a 202024 5a5a5e 968264 3c463c 465478 c8c4b8 543c30")


@dataclass(frozen=True, slots=True)
class Outfit:
    """What one person wears; ``height_m`` is without shoes and hat."""

    height_m: float
    girth: float
    skin: Colour
    hair: Colour
    top: Colour
    legs: Colour
    shoes: Colour
    bare_arms: bool
    coat: bool
    skirt: bool
    backpack: Colour | None
    hat: Colour | None


@lru_cache(maxsize=2048)
def outfit(look: int) -> Outfit:
    """Return the clothes and build of person ``look``."""
    rng = np.random.default_rng(look)

    def pick(colours: tuple[Colour, ...]) -> Colour:
        tinted = np.array(colours[rng.integers(len(colours))]) + rng.uniform(-14, 14, 3)
        red, green, blue = np.clip(tinted, 8, 250).tolist()
        return red, green, blue

    return Outfit(
        height_m=float(np.clip(rng.normal(1.7, 0.1), 1.2, 1.95)),
        girth=float(rng.uniform(0.92, 1.22)),
        skin=pick(_SKIN),
        hair=pick(_HAIR),
        top=pick(_TOP),
        legs=pick(_LEGS),
        shoes=pick(((30, 30, 32), (220, 220, 220), (90, 60, 44))),
        bare_arms=bool(rng.random() < 0.35),
        coat=bool(rng.random() < 0.25),
        skirt=bool(rng.random() < 0.15),
        backpack=pick(_TOP) if rng.random() < 0.15 else None,
        hat=pick(_TOP) if rng.random() < 0.18 else None,
    )


def _swing(origin: Point, length_m: float, angle_rad: float) -> Point:
    """Return the far end of a limb that hangs from ``origin``, swung forward by the angle."""
    x, y, z = origin
    return x + length_m * math.sin(angle_rad), y, z - length_m * math.cos(angle_rad)


def _leg(builder: SolidBuilder, hip: Point, swing: float, bend: float, wear: Outfit) -> None:
    tall, fat = wear.height_m, wear.girth
    knee = _swing(hip, 0.26 * tall, swing)
    ankle = _swing(knee, 0.24 * tall, swing - bend)
    cloth = wear.skin if wear.skirt else wear.legs
    builder.limb(hip, knee, 0.052 * tall * fat, 0.038 * tall * fat, cloth)
    builder.limb(knee, ankle, 0.038 * tall * fat, 0.026 * tall, cloth)
    toe = (ankle[0] + 0.09 * tall, ankle[1], max(ankle[2] - 0.015 * tall, 0.03))
    builder.limb(ankle, toe, 0.024 * tall, 0.022 * tall, wear.shoes)


def _arm(builder: SolidBuilder, shoulder: Point, swing: float, bend: float, wear: Outfit) -> None:
    tall = wear.height_m
    elbow = _swing(shoulder, 0.17 * tall, swing)
    hand = _swing(elbow, 0.15 * tall, swing + bend)
    builder.limb(shoulder, elbow, 0.034 * tall, 0.027 * tall, wear.top)
    builder.limb(elbow, hand, 0.026 * tall, 0.02 * tall, wear.skin if wear.bare_arms else wear.top)
    builder.ball(hand, 0.024 * tall, wear.skin, 1)


def _trunk(builder: SolidBuilder, hip_z: float, lean: float, x: float, wear: Outfit) -> Point:
    """Add chest, hips and head; return the middle between the shoulders."""
    tall, fat = wear.height_m, wear.girth
    rise = 0.29 * tall
    chest = (x + rise * math.sin(lean), 0.0, hip_z + rise * math.cos(lean))
    for side in (-1.0, 1.0):
        low = (x, side * 0.042 * tall * fat, hip_z - 0.01 * tall)
        high = (chest[0], side * 0.066 * tall, chest[2])
        builder.limb(low, high, 0.06 * tall * fat, 0.056 * tall * fat, wear.top)
        if wear.coat or wear.skirt:
            hem = (x, side * 0.06 * tall, hip_z - (0.2 if wear.skirt else 0.13) * tall)
            cloth = wear.legs if wear.skirt else wear.top
            builder.limb(hem, low, 0.07 * tall * fat, 0.062 * tall * fat, cloth)
    reach = 0.125 * tall
    head = (chest[0] + reach * math.sin(lean), 0.0, chest[2] + reach * math.cos(lean))
    builder.limb(chest, head, 0.03 * tall, 0.03 * tall, wear.skin)
    chin = (head[0] + 0.008, 0.0, head[2] - 0.015 * tall)
    builder.limb(head, chin, 0.062 * tall, 0.052 * tall, wear.skin, 1)
    crown = (head[0] - 0.022 * tall, 0.0, head[2] + 0.022 * tall)
    builder.ball(crown, 0.06 * tall, wear.hair, 2)
    if wear.hat is not None:
        builder.ball((head[0], 0.0, head[2] + 0.04 * tall), 0.06 * tall, wear.hat, 3)
    if wear.backpack is not None:
        pack = (x - 0.12 * tall, 0.0, hip_z + 0.08 * tall)
        strap = (chest[0] - 0.1 * tall, 0.0, chest[2] - 0.04 * tall)
        builder.limb(pack, strap, 0.075 * tall, 0.065 * tall, wear.backpack)
    return chest


@lru_cache(maxsize=16384)
def person(look: int, gesture: str = "stand", step: int = 0) -> Solid:
    """Build person ``look``; ``step`` counts twelfths of a stride when walking.

    Gestures: ``walk``, ``stand``, ``bend`` (reaching for the ground).
    """
    builder = SolidBuilder()
    wear = outfit(look)
    tall = wear.height_m
    phase = 2 * math.pi * step / STRIDE_STEPS
    swing = 0.5 * math.sin(phase) if gesture == "walk" else 0.05 * math.sin(look)
    hip_z = 0.525 * tall - (0.012 * tall * abs(math.sin(phase)) if gesture == "walk" else 0.0)
    lean = {"walk": 0.06, "stand": 0.0, "bend": 1.15}[gesture]
    for side, way in ((0.052, 1.0), (-0.052, -1.0)):
        moving = gesture == "walk" and math.cos(phase) * way > 0
        bend = (
            0.15 + (0.55 * abs(math.cos(phase)) if moving else 0.0) if gesture == "walk" else 0.06
        )
        _leg(builder, (0.0, side * tall, hip_z), swing * way, bend, wear)
    chest = _trunk(builder, hip_z, lean, 0.0, wear)
    for side, way in ((0.118, -1.0), (-0.118, 1.0)):
        arm = swing * way * 0.9 if gesture == "walk" else 0.08 * way
        if gesture == "bend":
            arm = 0.5
        _arm(builder, (chest[0], side * tall, chest[2]), arm, 0.25, wear)
    return builder.build(0.25, 0.25)


def seated_rider(
    builder: SolidBuilder, look: int, saddle: Point, lean: float, phase: float
) -> None:
    """Add a rider on a saddle, hands forward on the bar; ``phase`` turns the pedals."""
    wear = outfit(look)
    tall = wear.height_m
    for side, turn in ((0.06, phase), (-0.06, phase + math.pi)):
        (x, _, z), y, cos, sin = saddle, side * tall, math.cos(turn), math.sin(turn)
        hip, knee = (x, y, z + 0.04), (x + 0.36 + 0.06 * cos, y, z - 0.14 + 0.09 * sin)
        foot = (x + 0.2 + 0.13 * cos, y, max(z - 0.56 + 0.13 * sin, 0.12))
        builder.limb(hip, knee, 0.05 * tall, 0.038 * tall, wear.legs)
        builder.limb(knee, foot, 0.036 * tall, 0.026 * tall, wear.legs)
        toe = (foot[0] + 0.12, y, foot[2])
        builder.limb(foot, toe, 0.03 * tall, 0.024 * tall, wear.shoes)
    chest = _trunk(builder, saddle[2] + 0.06, lean, saddle[0], wear)
    for side in (0.118, -0.118):
        shoulder = (chest[0], side * tall, chest[2])
        grip = (saddle[0] + 0.62, side * 1.5 * tall, saddle[2] + 0.2)
        elbow = ((shoulder[0] + grip[0]) / 2, side * 1.6 * tall, (shoulder[2] + grip[2]) / 2 - 0.08)
        builder.limb(shoulder, elbow, 0.034 * tall, 0.027 * tall, wear.top)
        builder.limb(elbow, grip, 0.027 * tall, 0.02 * tall, wear.top)
