"""Glow of lamps at night and streaks of rain, laid over a finished image."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from simulation.drawing.light import Light
from simulation.drawing.painter import PlacedSolid, Pose
from simulation.drawing.solid import Canvas, Floats
from simulation.drawing.viewpoint import Projector

_GLOW_STEP = 4  # the glow is blurred anyway, so it is drawn at a quarter of the size
_RAIN_FRAMES = 8
_STREAKS = 170


def add_beams(
    image: Canvas, placements: Sequence[PlacedSolid], projector: Projector, light: Light
) -> None:
    """Light the ground before head lamps; call it before the objects are painted."""
    bright = [
        p for p in placements if p.solid.half_length_m > 0.9 and (p.solid.lamp_facings > 0).any()
    ]
    if not light.lamps_on or not bright:
        return
    pose = Pose(bright)
    cone = np.zeros((len(bright), 4, 3), np.float32)
    cone[:] = ((0, 0.7, 0), (0, -0.7, 0), (9, -2, 0), (9, 2, 0))
    cone[..., 0] += np.array([p.solid.half_length_m for p in bright], np.float32)[:, None]
    pixels, depth = projector.project(pose.world(cone, np.arange(len(bright))))
    near = depth.min(axis=1) > 1.0
    glow = _dark(image)
    for polygon in np.rint(pixels[near] / _GLOW_STEP).astype(np.int32):
        cv2.fillConvexPoly(glow, polygon, (62, 58, 46))
    _lay(image, glow)


def _dark(image: Canvas) -> Canvas:
    height, width = image.shape[:2]
    return np.zeros((height // _GLOW_STEP, width // _GLOW_STEP, 3), np.uint8)


def _lay(image: Canvas, glow: Canvas) -> None:
    height, width = image.shape[:2]
    soft = cv2.GaussianBlur(glow, (0, 0), max(width / 1280.0 * 3.2, 1.0))
    cv2.add(image, cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), dst=image)


def _object_lamps(placements: Sequence[PlacedSolid], projector: Projector) -> tuple[Floats, Floats]:
    """Return positions (L, 3) and colours (L, 3) of the lamps that shine towards the camera."""
    owners = np.repeat(np.arange(len(placements)), [len(p.solid.lamps) for p in placements])
    if not len(owners):
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)
    pose = Pose(placements)
    world = pose.world(np.concatenate([p.solid.lamps for p in placements]), owners)
    facing = np.concatenate([p.solid.lamp_facings for p in placements])
    towards = projector.eye - world
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    shine = (towards[:, 0] * pose.cos[owners] + towards[:, 1] * pose.sin[owners]) * facing
    colours = np.concatenate([p.solid.lamp_colours for p in placements])
    bright = np.clip(shine, 0, 1)[:, None] ** 0.7
    keep = shine > 0.05
    return world[keep], (colours * bright)[keep]


def add_glow(
    image: Canvas,
    placements: Sequence[PlacedSolid],
    projector: Projector,
    light: Light,
    lamp_heads: Floats,
) -> None:
    """Add the shine of street lamps, head lamps and tail lamps; wet ground mirrors them."""
    if not light.lamps_on:
        return
    height, width = image.shape[:2]
    glow = _dark(image)
    points, colours = _object_lamps(placements, projector)
    points = np.concatenate([points, lamp_heads])
    heads = np.tile(np.array([[255, 226, 170]], np.float32), (len(lamp_heads), 1))
    colours = np.concatenate([colours, heads])
    pixels, depth = projector.project(points)
    scale = projector.focal_px / _GLOW_STEP
    for (x, y), far, colour in zip(pixels / _GLOW_STEP, depth, colours.tolist(), strict=True):
        if far < 1.0 or not (-50 < x < width and -50 < y < height):
            continue
        radius = max(int(0.26 * scale / far), 1)
        cv2.circle(glow, (int(x), int(y)), radius, colour, -1)
        if light.wet:
            drop = int(min(2.4 * scale / far, height))
            dim = (colour[0] * 0.4, colour[1] * 0.4, colour[2] * 0.4)
            cv2.line(glow, (int(x), int(y)), (int(x), int(y) + drop), dim, radius)
    _lay(image, glow)


@lru_cache(maxsize=8)
def _rain_layer(size_px: tuple[int, int], frame: int) -> Canvas:
    width, height = size_px
    rng = np.random.default_rng(frame)
    layer = np.zeros((height, width), np.uint8)
    scale = width / 640.0
    for _ in range(_STREAKS):
        x, y = int(rng.uniform(0, width)), int(rng.uniform(-20, height))
        length = rng.uniform(10, 34) * scale
        tone = int(rng.uniform(14, 52))
        cv2.line(layer, (x, y), (int(x + length * 0.12), int(y + length)), tone, 1, cv2.LINE_AA)
    return np.repeat(layer[:, :, None], 3, axis=2)


def add_rain(image: Canvas, frame: int) -> None:
    """Add streaks of rain that change with the frame number."""
    height, width = image.shape[:2]
    cv2.add(image, _rain_layer((width, height), frame % _RAIN_FRAMES), dst=image)
