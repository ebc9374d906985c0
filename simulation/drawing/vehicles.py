"""Cars, buses and trucks as solids, in the colours and shapes of ordinary traffic."""

from functools import lru_cache

import numpy as np

from simulation.drawing.solid import Colour, Point, Solid, SolidBuilder, palette, patch

GLASS: Colour = (44, 56, 66)
TYRE: Colour = (26, 26, 28)
RIM: Colour = (140, 142, 146)
CHASSIS: Colour = (38, 38, 42)
HEAD_LAMP: Colour = (255, 250, 225)
TAIL_LAMP: Colour = (215, 30, 24)

_CAR_PAINT = palette(
    "e8e9eb e2e2de 2a2b2f 1c1c1f a8acb1 787c82 565a60 2a447a 1e5c96 9e1e20 be2c24 e0b428 "
    "22543e beac8c 62422e 60a0be dc7828"
)
_BUS_PAINT = palette("ce2826 ecbc2c 286ebe e8e8e6 288c5a 5a96c8 dc6e28")
_CARGO_PAINT = palette("e2e2e0 bec4c8 3c6096 aa322c d2aa3c 506e50 786454 283c5a")


def _wheels(
    builder: SolidBuilder, axles: tuple[float, ...], half_width_m: float, radius_m: float
) -> None:
    for x in axles:
        for left in (True, False):
            y = half_width_m * (1.01 if left else -1.01)
            builder.disc((x, y, radius_m), radius_m * 1.18, CHASSIS, 1, left=left)
            builder.disc((x, y, radius_m), radius_m, TYRE, 2, left=left)
            builder.disc((x, y, radius_m), radius_m * 0.55, RIM, 3, left=left)


def _ends(builder: SolidBuilder, front: np.ndarray, rear: np.ndarray, lamp_high: float) -> None:
    """Add lamps and number plates to the front and rear faces."""
    low, high = lamp_high - 0.26, lamp_high
    for u0, u1 in ((0.03, 0.22), (0.78, 0.97)):
        lamp = patch(front, u0, u1, low, high)
        builder.quad(lamp, HEAD_LAMP, 4, glow=True)
        builder.lamp(tuple(lamp.mean(axis=0).tolist()), 1.0, (255, 244, 205))
        lamp = patch(rear, u0, u1, low, high)
        builder.quad(lamp, TAIL_LAMP, 4, glow=True)
        builder.lamp(tuple(lamp.mean(axis=0).tolist()), -1.0, (255, 40, 30))
    builder.quad(patch(front, 0.3, 0.7, low - 0.05, high - 0.04), (30, 30, 34), 3)
    builder.quad(patch(front, 0.39, 0.61, 0.12, 0.3), (225, 225, 215), 4)
    builder.quad(patch(rear, 0.36, 0.64, low, low + 0.2), (225, 225, 215), 4)


@lru_cache(maxsize=512)
def car(look: int) -> Solid:
    """Build a saloon, hatchback, off-roader or van; ``look`` picks shape and paint."""
    rng = np.random.default_rng(look)
    paint = _CAR_PAINT[rng.integers(len(_CAR_PAINT))]
    kind = rng.choice(["saloon", "hatch", "suv", "van"], p=[0.38, 0.28, 0.22, 0.12])
    # Length, width, height and waist in metres; then the cabin: foot and roof, from rear to front,
    # as shares of the half length.
    (length, width, height, waist), (foot_r, foot_f, roof_r, roof_f) = {
        "saloon": ((4.6, 1.82, 1.45, 0.88), (-0.72, 0.42, -0.46, 0.1)),
        "hatch": ((4.0, 1.75, 1.48, 0.9), (-0.97, 0.42, -0.8, 0.1)),
        "suv": ((4.6, 1.9, 1.72, 1.02), (-0.97, 0.45, -0.86, 0.16)),
        "van": ((5.0, 1.95, 2.05, 1.1), (-0.98, 0.72, -0.95, 0.42)),
    }[str(kind)]
    front, rear, half = length / 2, -length / 2, width / 2
    builder = SolidBuilder()
    top = (rear + 0.06, front - 0.1, -half + 0.03, half - 0.03)
    body = builder.frustum((rear, front, -half, half), 0.24, top, waist, paint)
    for side in ("left", "right"):
        builder.quad(patch(body[side], 0.0, 1.0, 0.0, 0.14), CHASSIS, 1)
        builder.quad(patch(body[side], 0.3, 0.305, 0.2, 0.98), CHASSIS, 1)
    _wheels(builder, (rear * 0.62, front * 0.66), half, 0.33 if kind != "suv" else 0.37)
    _ends(builder, body["front"], body["rear"], 0.86)
    foot = (foot_r * front, foot_f * front, -half + 0.06, half - 0.06)
    roof = (roof_r * front, roof_f * front, -half + 0.24, half - 0.24)
    cabin = builder.frustum(foot, waist, roof, height, paint, 6)
    builder.quad(patch(cabin["front"], 0.05, 0.95, 0.06, 0.92), GLASS, 7)
    builder.quad(patch(cabin["rear"], 0.07, 0.93, 0.12, 0.9), GLASS, 7)
    for side in ("left", "right"):
        builder.quad(patch(cabin[side], 0.06, 0.5, 0.1, 0.88), GLASS, 7)
        builder.quad(patch(cabin[side], 0.54, 0.94, 0.1, 0.88), GLASS, 7)
    if paint[0] > 200 and paint[1] > 160 and paint[2] < 80:  # a yellow car is a taxi
        builder.box((-0.35, -0.1, -0.3, 0.3), height, height + 0.16, (245, 240, 200), 8)
    return builder.build(front, half)


@lru_cache(maxsize=128)
def bus(look: int) -> Solid:
    """Build a city bus with a row of windows and doors on its right side."""
    rng = np.random.default_rng(look)
    paint = _BUS_PAINT[rng.integers(len(_BUS_PAINT))]
    length, half, height = float(rng.uniform(8.5, 12.0)), 1.25, float(rng.uniform(2.9, 3.2))
    front, rear = length / 2, -length / 2
    builder = SolidBuilder((0.0, 0.0, 1.2))
    floor, roof = (rear, front, -half, half), (rear + 0.05, front - 0.12, -half + 0.04, half - 0.04)
    body = builder.frustum(floor, 0.32, roof, height, paint, lid=(214, 214, 212))
    stripe: Colour = (235, 235, 232) if sum(paint) < 520 else (50, 110, 180)
    panes = int(length / 1.5)
    for side in ("left", "right"):
        builder.quad(patch(body[side], 0.0, 1.0, 0.0, 0.07), CHASSIS, 1)
        builder.quad(patch(body[side], 0.0, 1.0, 0.3, 0.37), stripe, 1)
        for k in range(panes):
            span = (k + 0.06) / panes, (k + 0.94) / panes
            door = side == "right" and k in (panes - 1, panes // 2)
            builder.quad(patch(body[side], *span, 0.08 if door else 0.48, 0.85), GLASS, 2)
    _wheels(builder, (rear * 0.6, front * 0.62), half, 0.48)
    _ends(builder, body["front"], body["rear"], 0.3)
    builder.quad(patch(body["front"], 0.05, 0.95, 0.38, 0.8), GLASS, 2)
    builder.quad(patch(body["front"], 0.2, 0.8, 0.84, 0.96), (30, 30, 34), 2)
    builder.quad(patch(body["front"], 0.3, 0.7, 0.87, 0.93), (255, 180, 60), 3, glow=True)
    builder.quad(patch(body["rear"], 0.12, 0.88, 0.55, 0.85), GLASS, 2)
    builder.box((rear * 0.5, rear * 0.15, -0.7, 0.7), height, height + 0.22, (190, 190, 190), 5)
    return builder.build(front, half)


def _cargo(
    builder: SolidBuilder, rng: np.random.Generator, bed: tuple[float, float, float], at: Point
) -> None:
    """Load a bed (rear x, front x, half width in metres): a box, a tipper with earth, crates."""
    rear, front, half = bed
    cargo = _CARGO_PAINT[rng.integers(len(_CARGO_PAINT))]
    kind = rng.choice(["box", "tipper", "flat"], p=[0.6, 0.25, 0.15])
    top = {"box": float(rng.uniform(2.8, 3.5)), "tipper": 2.0, "flat": 1.25}[str(kind)]
    rect = (rear, front, -half, half)
    load = builder.box(rect, 0.95, top, cargo, 0.5, anchor=at)
    if kind == "tipper":
        inner = (rear + 0.3, front - 0.25, -half + 0.3, half - 0.3)
        heap = (rear + 1.2, front - 1.05, -0.3, 0.3)
        builder.frustum(inner, top, heap, top + 0.6, (122, 100, 78), 1, anchor=at)
    elif kind == "flat":
        for k in range(int(rng.integers(1, 4))):
            x = rear + 0.4 + 1.5 * k
            if x + 1.2 < front:
                high = top + float(rng.uniform(0.5, 1.3))
                tone = _CARGO_PAINT[rng.integers(len(_CARGO_PAINT))]
                builder.box((x, x + 1.2, -0.9, 0.9), top, high, tone, 1, anchor=at)
    else:
        tone = (70, 90, 130) if sum(cargo) > 500 else (230, 230, 225)
        for side in ("left", "right"):
            builder.quad(patch(load[side], 0.15, 0.85, 0.35, 0.65), tone, 1, anchor=at)
        builder.quad(patch(load["rear"], 0.49, 0.51, 0.05, 0.95), CHASSIS, 1, anchor=at)


@lru_cache(maxsize=128)
def truck(look: int) -> Solid:
    """Build a lorry: a cab and a box, a tipper with a load, or a flat bed."""
    rng = np.random.default_rng(look)
    paint = _CAR_PAINT[rng.integers(len(_CAR_PAINT))]
    length, half = float(rng.uniform(6.0, 9.5)), 1.22
    front, rear = length / 2, -length / 2
    cab_rear, cab_top = front - 2.0, float(rng.uniform(2.4, 2.9))
    cab_at, box_at = (front - 1.0, 0.0, 1.0), ((rear + cab_rear) / 2, 0.0, 1.0)
    builder = SolidBuilder(cab_at)
    builder.box((rear, front, -half + 0.1, half - 0.1), 0.45, 0.95, CHASSIS, 0, anchor=(0, 0, -9))
    roof = (cab_rear, front - 0.25, -half + 0.08, half - 0.08)
    cab = builder.frustum((cab_rear, front, -half, half), 0.4, roof, cab_top, paint, 0.5)
    builder.quad(patch(cab["front"], 0.06, 0.94, 0.5, 0.88), GLASS, 1)
    sides = ((half, 0.45), (-half, 0.45), (-half, 0.95), (half, 0.95))
    _ends(builder, cab["front"], np.array([(rear, y, z) for y, z in sides], np.float32), 0.34)
    for side in ("left", "right"):
        builder.quad(patch(cab[side], 0.3, 0.85, 0.52, 0.86), GLASS, 1)
    _cargo(builder, rng, (rear, cab_rear - 0.15, half), box_at)
    # Wheels stand proud of both parts, so they follow whichever part is nearest to them.
    for x, anchor in ((front - 0.9, cab_at), (rear + 1.1, box_at), (rear + 2.2, box_at)):
        for left in (True, False):
            y = half * (1.0 if left else -1.0)
            builder.disc((x, y, 0.48), 0.48, TYRE, 3, left=left, anchor=anchor)
            builder.disc((x, y, 0.48), 0.24, RIM, 4, left=left, anchor=anchor)
    return builder.build(front, half)
