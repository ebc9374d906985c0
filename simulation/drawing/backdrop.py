"""The still part of an image: ground, sky, houses and furniture, drawn once per camera and light.

Furniture that something could stand behind is also kept as a sprite, to be laid over whatever is
farther away.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.light import Light
from simulation.drawing.painter import (
    SHIFT,
    Assembly,
    Drawing,
    PlacedSolid,
    paint,
    paint_mask,
    painting_order,
)
from simulation.drawing.place import DrawnPlace
from simulation.drawing.props import building, prop_solid
from simulation.drawing.shadow import fill_shadows
from simulation.drawing.solid import Canvas, Floats
from simulation.drawing.viewpoint import Projector

_SPRITE_REACH_M = 45.0


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A prop's pixels: patch (h, w, 3) uint8 RGB, mask (h, w) uint8, its corner and distance."""

    patch: Canvas
    mask: Canvas
    left_px: int
    top_px: int
    reach_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """The still image of one camera.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        shaded: The same with all ground in shadow, to copy shadows from.
        sprites: Furniture, far to near.
        lamps: Ground positions of street lamps in metres.
        lamp_heads: (L, 3) positions of lit lamp heads in metres.
    """

    image: Canvas
    shaded: Canvas
    sprites: tuple[Sprite, ...]
    lamps: tuple[tuple[float, float], ...]
    lamp_heads: Floats


def _noise_tile(rng: np.random.Generator, size: int = 512) -> Floats:
    """Return tileable grain (size, size) around 1.0: fine speckle over soft patches."""
    fine = rng.standard_normal((size, size)).astype(np.float32)
    soft = cv2.resize(
        rng.standard_normal((size // 16, size // 16)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.asarray(fine * 0.5 + soft * 0.5)


def _grain(tile: Floats, x_m: Floats, y_m: Floats, per_m: float) -> Floats:
    size = tile.shape[0]
    # Half a tile of offset keeps the seam of the soft grain out of the middle of the place.
    u = np.mod(x_m * per_m + size / 2, size).astype(np.float32)
    v = np.mod(y_m * per_m, size).astype(np.float32)
    return np.asarray(
        cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32
    )


def _flat_ground(place: DrawnPlace, projector: Projector) -> tuple[Canvas, Canvas]:
    """Return colour (H, W, 3) and roughness (H, W), both uint8."""
    width, height = projector.size_px
    colour = np.empty((height, width, 3), np.uint8)
    colour[:] = np.array(place.ground[0], np.uint8)
    rough = np.full((height, width), int(255 * place.ground[1]), np.uint8)
    for patch in place.patches:
        pixels = projector.clip_ground(patch.polygon)
        if pixels is None:
            continue
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
            continue
        if high[1] - low[1] < 0.25:
            continue
        fixed = np.rint((pixels - 0.5) * (1 << SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(colour, fixed, patch.colour, cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(rough, fixed, int(255 * patch.rough), cv2.LINE_8, SHIFT)
    return colour, rough


def _ground(
    place: DrawnPlace,
    projector: Projector,
    light: Light,
    lamps: list[tuple[float, float]],
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the lit ground and sky (H, W, 3) float32 and where there is ground (H, W)."""
    width, height = projector.size_px
    x_m, y_m, reach = projector.ground_grid()
    colour, rough = _flat_ground(place, projector)
    tile = _noise_tile(rng)
    # The near grain fades with distance, where a camera would not resolve it.
    near = np.clip(14.0 / np.maximum(reach, 1.0), 0.0, 1.0)
    grain = _grain(tile, x_m, y_m, 34.0) * near * 0.16 + _grain(tile, x_m, y_m, 2.7) * 0.075
    lit = colour.astype(np.float32) * (1.0 + grain * (rough.astype(np.float32) / 255.0))[..., None]
    coarse_x, coarse_y, _ = projector.ground_grid(4)
    pools = cv2.resize(light.level_at(coarse_x, coarse_y, lamps), (width, height))
    up = np.array(light.ambient, np.float32) + light.sun_direction[2] * np.array(
        light.sun, np.float32
    )
    lit *= pools + up * (0.82 if light.wet else 1.0)
    haze = np.array(light.haze, np.float32)
    seen = np.exp(-light.haze_per_m * np.minimum(reach, 400))[..., None]
    if light.wet:  # wet ground mirrors the sky at flat angles
        shine = (np.clip(reach / 60.0, 0, 1) * 0.3)[..., None]
        lit = lit * (1 - shine) + np.array(light.sky_top, np.float32) * shine
    lit = lit * seen + haze * (1 - seen)
    return lit, reach < 300.0


def _sky(image: Floats, ground: NDArray[np.bool_], light: Light, rng: np.random.Generator) -> None:
    width = ground.shape[1]
    rows = np.flatnonzero(~ground.any(axis=1))
    if not len(rows):
        return
    depth = int(rows[-1]) + 1
    up = np.linspace(1.0, 0.0, depth, dtype=np.float32)[:, None, None]
    sky = np.array(light.haze, np.float32) * (1 - up) + np.array(light.sky_top, np.float32) * up
    clouds = cv2.resize(
        rng.standard_normal((6, 14)).astype(np.float32),
        (width, depth),
        interpolation=cv2.INTER_CUBIC,
    )
    glow = np.clip(clouds, 0, 1.5)[..., None] * (8.0 if light.lamps_on else 20.0)
    image[:depth] = np.broadcast_to(sky, (depth, width, 3)) + glow


def _houses(place: DrawnPlace, light: Light) -> list[PlacedSolid]:
    return [
        PlacedSolid(
            building(h.width_m, 10.0, h.height_m, h.look, lit=light.lamps_on),
            h.x_m - 5.0 * math.cos(h.facing_rad),
            h.y_m - 5.0 * math.sin(h.facing_rad),
            0.0,
            h.facing_rad,
        )
        for h in place.houses
    ]


def _props(place: DrawnPlace) -> list[PlacedSolid]:
    return [
        PlacedSolid(prop_solid(p.kind, p.look), p.x_m, p.y_m, 0.0, p.heading_rad)
        for p in place.props
    ]


def _sprite(image: Canvas, drawing: Drawing, owner: int, reach_m: float) -> Sprite | None:
    height, width = image.shape[:2]
    box = drawing.boxes[owner]
    if np.isnan(box).any():
        return None
    left, top = max(int(box[0]) - 1, 0), max(int(box[1]) - 1, 0)
    right, bottom = min(int(box[2]) + 2, width), min(int(box[3]) + 2, height)
    if right <= left or bottom <= top:
        return None
    mask = np.zeros((height, width), np.uint8)
    paint_mask(mask, drawing, owner, 255)
    window = np.s_[top:bottom, left:right]
    return Sprite(image[window].copy(), mask[window].copy(), left, top, reach_m)


def build_backdrop(place: DrawnPlace, projector: Projector, light: Light, seed: int) -> Backdrop:
    """Draw the still image of a place."""
    rng = np.random.default_rng(seed)
    lamps = [
        (p.x_m + 1.2 * math.cos(p.heading_rad), p.y_m + 1.2 * math.sin(p.heading_rad))
        for p in place.props
        if p.kind == "lamp"
    ]
    heads = np.array([(x, y, 6.1) for x, y in lamps], np.float32).reshape(-1, 3)
    lit, is_ground = _ground(place, projector, light, lamps, rng)
    _sky(lit, is_ground, light, rng)
    plain = np.clip(lit, 0, 255).astype(np.uint8)
    dark = np.where(is_ground[..., None], lit * (1 - light.shadow), lit)
    shaded = np.clip(dark, 0, 255).astype(np.uint8)
    things = _houses(place, light) + _props(place)
    first_prop = len(place.houses)
    mask = np.zeros(is_ground.shape, np.uint8)
    fill_shadows(mask, things[first_prop:], projector, light)
    cv2.copyTo(shaded, mask, plain)
    where = [(p.x_m, p.y_m) for p in things]
    xs, ys = np.array(where, np.float32).reshape(-1, 2).T
    drawing = Assembly(things, projector, light, light.level_at(xs, ys, lamps)).drawing()
    sprites: list[Sprite] = []
    solid = np.zeros(is_ground.shape, np.uint8)
    for owner in painting_order(things, projector.eye):
        reach = math.hypot(xs[owner] - projector.eye[0], ys[owner] - projector.eye[1])
        paint(plain, drawing, owner)
        paint_mask(solid, drawing, owner, 255)
        if owner >= first_prop and reach < _SPRITE_REACH_M:
            sprite = _sprite(plain, drawing, owner, reach)
            if sprite is not None:
                sprites.append(sprite)
    cv2.copyTo(plain, solid, shaded)
    return Backdrop(
        plain, shaded, tuple(sprites), tuple(lamps), heads if light.lamps_on else heads[:0]
    )
