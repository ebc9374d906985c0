"""Shadows on the ground: cast by the sun, or the dark patch under things when there is none."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.light import Light
from simulation.drawing.painter import SHIFT, PlacedSolid, Pose, outlines
from simulation.drawing.solid import Canvas, Floats
from simulation.drawing.viewpoint import Projector

_TURNS = np.linspace(0, 2 * math.pi, 12, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1).astype(np.float32)
# The same number of corners as the circle, so that both kinds of footprint go in one array.
_SQUARE = np.repeat(np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], np.float32), 3, axis=0)
_THIN_M = 0.018  # limbs thinner than this cast no visible shadow


def _contacts(placements: Sequence[PlacedSolid], pose: Pose) -> Floats:
    """Return a ground polygon (12, 2) in metres under each placement that stands on the ground."""
    owners, rings = [], []
    for owner, placement in enumerate(placements):
        solid = placement.solid
        if placement.z_m > 0.3:
            continue
        boxy = len(solid.quads) and solid.half_length_m > 0.6
        shape = _SQUARE * (1.03, 1.1) if boxy else _CIRCLE * 1.16 + np.sign(_CIRCLE) * 0.04
        rings.append(shape * (solid.half_length_m, solid.half_width_m))
        owners.append(owner)
    if not owners:
        return np.zeros((0, 12, 2), np.float32)
    flat = np.zeros((len(rings), 12, 3), np.float32)
    flat[..., :2] = np.stack(rings)
    return pose.world(flat, np.array(owners))[..., :2]


def _fallen(world: Floats, light: Light) -> Floats:
    """Slide world points (..., 3) along the sunlight down to the ground (..., 2)."""
    sun = np.array(light.sun_direction, np.float32)
    slide = -sun[:2] / max(float(sun[2]), 0.25)
    return np.asarray(world[..., :2] + np.maximum(world[..., 2:], 0) * slide, np.float32)


def _limb_shadows(placements: Sequence[PlacedSolid], pose: Pose, light: Light) -> Floats:
    """Return ground polygons (C, 10, 2) in metres of the limbs' shadows."""
    counts = [len(p.solid.limbs) for p in placements]
    if not sum(counts):
        return np.zeros((0, 10, 2), np.float32)
    owners = np.repeat(np.arange(len(counts)), counts)
    radii = np.concatenate([p.solid.limb_radii for p in placements])
    keep = radii.max(axis=1) > _THIN_M
    ends = np.concatenate([p.solid.limbs for p in placements])[keep]
    return outlines(_fallen(pose.world(ends, owners[keep]), light), radii[keep])


def _fixed(ground: Floats, projector: Projector) -> list[NDArray[np.int32]]:
    """Project ground polygons (P, K, 2) to 1/16 pixels; those beside the camera are left out."""
    points = np.zeros((*ground.shape[:-1], 3), np.float32)
    points[..., :2] = ground
    pixels, depth = projector.project(points)
    ahead = (depth > 1.0).reshape(len(ground), -1).all(axis=1) if len(ground) else slice(0)
    limited = np.clip(pixels[ahead], -6000, 6000) - 0.5
    return list(np.rint(limited * (1 << SHIFT)).astype(np.int32))


def fill_shadows(
    mask: Canvas, placements: Sequence[PlacedSolid], projector: Projector, light: Light
) -> None:
    """Set the pixels of a mask (H, W) uint8 that any of the placements darkens to 255."""
    if not placements:
        return
    pose = Pose(placements)
    polygons = _fixed(_contacts(placements, pose), projector)
    if max(light.sun) > 0.1:
        polygons += _fixed(_limb_shadows(placements, pose, light), projector)
        for owner, placement in enumerate(placements):
            quads = placement.solid.quads
            if len(quads):
                spots = pose.world(quads, np.full(len(quads), owner))
                corners = _fixed(_fallen(spots, light).reshape(1, -1, 2), projector)
                polygons += [np.asarray(cv2.convexHull(c)[:, 0], np.int32) for c in corners]
    for polygon in polygons:
        cv2.fillConvexPoly(mask, polygon, 255, cv2.LINE_8, SHIFT)
