"""Paints solids into an image, far to near, and keeps the exact outline of each.

All objects of a frame are turned, shaded and projected together in a few array operations; what
is left per face is one polygon fill.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simulation.drawing.light import Light
from simulation.drawing.solid import Canvas, Floats, Solid
from simulation.drawing.viewpoint import NEAR_M, Projector

Ints = NDArray[np.int32]

SHIFT = 4  # sub-pixel bits of polygon corners
_SCALE = 1 << SHIFT
_LIMIT_PX = 6000.0
_SPECK_PX = 0.9  # faces smaller than this are not worth a fill
_SOFT_EDGE_PX = 0.7  # how far an anti-aliased fill reaches beyond its outline
_ROUND = 5  # corners of each rounded end of a limb


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSolid:
    """A solid put into the world: position in metres, heading counter-clockwise from +x."""

    solid: Solid
    x_m: float
    y_m: float
    z_m: float = 0.0
    heading_rad: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Faces ready to fill, for the objects of one frame.

    Attributes:
        owners: (P,) index of the placement each face belongs to.
        polygons: P corner arrays (K, 2) int32 in 1/16 pixels.
        colours: P colours, RGB 0..255.
        boxes: (N, 4) float32 x1 y1 x2 y2 pixels of each placement, unclipped; NaN when not seen.
        depths: (N,) distance along the view to the middle of each placement.
    """

    owners: NDArray[np.int64]
    polygons: list[Ints]
    colours: list[tuple[float, float, float]]
    boxes: Floats
    depths: Floats


class Pose:
    """Rotation and position of many placements, applied to points by owner."""

    def __init__(self, placements: Sequence[PlacedSolid]) -> None:
        """Collect sines, cosines and positions."""
        headings = np.array([p.heading_rad for p in placements], np.float32)
        self.cos, self.sin = np.cos(headings), np.sin(headings)
        self.at = np.array([(p.x_m, p.y_m, p.z_m) for p in placements], np.float32).reshape(-1, 3)

    def world(self, points: Floats, owners: NDArray[np.int64]) -> Floats:
        """Move local points (K, ..., 3) of the given owners (K,) into the world."""
        shape = (len(owners),) + (1,) * (points.ndim - 2)
        cos, sin = self.cos[owners].reshape(shape), self.sin[owners].reshape(shape)
        out = np.empty_like(points)
        out[..., 0] = points[..., 0] * cos - points[..., 1] * sin
        out[..., 1] = points[..., 0] * sin + points[..., 1] * cos
        out[..., 2] = points[..., 2]
        out += self.at[owners].reshape(*shape, 3)
        return out


def outlines(ends: Floats, radii: Floats) -> Floats:
    """Return the outlines (C, 10, 2) of limbs with ends (C, 2, 2) and radii (C, 2), any unit."""
    along = ends[:, 1] - ends[:, 0]
    base = np.arctan2(along[:, 1], along[:, 0])
    fan = np.linspace(-math.pi / 2, math.pi / 2, _ROUND, dtype=np.float32)
    far, near = base[:, None] + fan, base[:, None] + fan + math.pi
    out = np.empty((len(ends), 2 * _ROUND, 2), np.float32)
    out[:, :_ROUND, 0] = ends[:, 1, :1] + radii[:, 1:] * np.cos(far)
    out[:, :_ROUND, 1] = ends[:, 1, 1:] + radii[:, 1:] * np.sin(far)
    out[:, _ROUND:, 0] = ends[:, 0, :1] + radii[:, :1] * np.cos(near)
    out[:, _ROUND:, 1] = ends[:, 0, 1:] + radii[:, :1] * np.sin(near)
    return out


def _faded(colours: Floats, depth: Floats, light: Light) -> Floats:
    share = np.exp(-light.haze_per_m * depth)[:, None]
    return np.asarray(colours * share + np.array(light.haze, np.float32) * (1 - share))


class Assembly:
    """The faces of all placements of a frame, shaded and projected."""

    def __init__(
        self,
        placements: Sequence[PlacedSolid],
        projector: Projector,
        light: Light,
        levels: Floats | None = None,
    ) -> None:
        """Prepare; ``levels`` (N, 3) are lamp factors at each placement."""
        self.placements = placements
        self.projector = projector
        self.light = light
        self.pose = Pose(placements)
        count = len(placements)
        self.levels = np.zeros((count, 3), np.float32) if levels is None else levels
        offsets = self.pose.at - projector.eye
        self.depths: Floats = offsets @ projector.axes[2]

    def _stacked(self, field: str) -> NDArray[Any]:
        """One field of all solids, object by object."""
        return np.concatenate([getattr(one.solid, field) for one in self.placements])

    def _owners(self, field: str) -> NDArray[np.int64]:
        sizes = [len(getattr(one.solid, field)) for one in self.placements]
        return np.repeat(np.arange(len(sizes)), sizes)

    def _reach(self, field: str, keep: NDArray[np.bool_], owners: NDArray[np.int64]) -> Floats:
        """Distance of the camera to the anchors that order faces."""
        anchors = self.pose.world(self._stacked(field)[keep], owners)
        return np.asarray(np.linalg.norm(anchors - self.projector.eye, axis=1))

    def _quads(self) -> tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]:
        owners = self._owners("quads")
        world = self.pose.world(self._stacked("quads"), owners)
        normals = np.cross(world[:, 1] - world[:, 0], world[:, 3] - world[:, 0])
        # A lid with a repeated corner still has its plane: take the other diagonal's corner.
        facing = np.einsum("ij,ij->i", normals, self.projector.eye - world[:, 0])
        pixels, depth = self.projector.project(world)
        keep = (facing > 0) & (depth.min(axis=1) > NEAR_M)
        normals = normals[keep] / (np.linalg.norm(normals[keep], axis=1, keepdims=True) + 1e-9)
        owners, middle = owners[keep], depth[keep].mean(axis=1)
        sunny = np.maximum(normals @ np.array(self.light.sun_direction, np.float32), 0)
        factor = (
            np.array(self.light.ambient, np.float32) * (0.86 + 0.14 * normals[:, 2:])
            + sunny[:, None] * np.array(self.light.sun, np.float32)
            + self.levels[owners]
        )
        glows = self._stacked("quad_glows")[keep]
        factor[glows] = 1.0 if self.light.lamps_on else factor[glows] * 1.1
        colours = self._stacked("quad_colours")[keep] * factor
        reach = self._reach("quad_anchors", keep, owners)
        layers = self._stacked("quad_layers")[keep]
        return owners, pixels[keep], _faded(colours, middle, self.light), reach, layers

    def _limbs(self) -> tuple[NDArray[np.int64], Floats, Floats, Floats, Floats, Floats]:
        owners = self._owners("limbs")
        world = self.pose.world(self._stacked("limbs"), owners)
        pixels, depth = self.projector.project(world)
        keep = depth.min(axis=1) > NEAR_M
        owners, depth = owners[keep], depth[keep]
        radii = self._stacked("limb_radii")[keep] * self.projector.focal_px / depth
        factor = (
            np.array(self.light.ambient, np.float32) * 0.92
            + 0.42 * np.array(self.light.sun, np.float32)
            + self.levels[owners]
        )
        colours = self._stacked("limb_colours")[keep] * factor
        reach = self._reach("limb_anchors", keep, owners)
        layers = self._stacked("limb_layers")[keep]
        faded = _faded(colours, depth.mean(axis=1), self.light)
        return owners, pixels[keep], radii, faded, reach, layers

    def drawing(self) -> Drawing:
        """Project and shade everything and sort the faces of each object."""
        if not self.placements:
            none = np.zeros((0, 4), np.float32)
            return Drawing(np.zeros(0, np.int64), [], [], none, self.depths)
        q_owner, q_pixels, q_colour, q_reach, q_layer = self._quads()
        l_owner, ends, radii, l_colour, l_reach, l_layer = self._limbs()
        rounds = outlines(ends, radii)
        boxes = self._boxes(q_owner, q_pixels, l_owner, rounds)
        # A lighter inner limb towards the light makes a flat outline look round.
        big = np.flatnonzero(radii.max(axis=1, initial=0) > 2.2)
        push = radii[big][:, :, None] * np.array([-0.26, -0.3], np.float32)
        shine = outlines(ends[big] + push, radii[big] * 0.56)
        shine_colour = np.minimum(l_colour[big] * 1.18 + 5, 255)
        owners = np.concatenate([q_owner, l_owner, l_owner[big]])
        reach = np.concatenate([q_reach, l_reach, l_reach[big]])
        layers = np.concatenate([q_layer, l_layer, l_layer[big] + 0.005])
        colours = np.minimum(np.concatenate([q_colour, l_colour, shine_colour]), 255)
        order = np.lexsort((layers, -reach, owners))
        specks = np.concatenate(
            [
                np.ptp(q_pixels, axis=1).max(axis=1, initial=0) < _SPECK_PX,
                radii.max(axis=1, initial=0) < _SPECK_PX / 3,
                np.zeros(len(big), np.bool_),
            ]
        )
        order = order[~specks[order]]
        shapes = [*self._fixed(q_pixels), *self._fixed(rounds), *self._fixed(shine)]
        shades = colours.tolist()
        polygons, painted = [shapes[k] for k in order], [shades[k] for k in order]
        return Drawing(owners[order], polygons, painted, boxes, self.depths)

    @staticmethod
    def _fixed(polygons: Floats) -> list[Ints]:
        limited = np.clip(polygons, -_LIMIT_PX, _LIMIT_PX) - 0.5
        return list(np.rint(limited * _SCALE).astype(np.int32))

    def _boxes(
        self, q_owner: NDArray[np.int64], quads: Floats, l_owner: NDArray[np.int64], rounds: Floats
    ) -> Floats:
        count = len(self.placements)
        low = np.full((2, count), np.inf, np.float32)
        high = np.full((2, count), -np.inf, np.float32)
        for owner, outline in ((q_owner, quads), (l_owner, rounds)):
            for axis in (0, 1):
                np.minimum.at(low[axis], owner, outline[:, :, axis].min(axis=1, initial=np.inf))
                np.maximum.at(high[axis], owner, outline[:, :, axis].max(axis=1, initial=-np.inf))
        boxes = np.stack([low[0], low[1], high[0], high[1]], axis=1)
        boxes += np.array([-1, -1, 1, 1], np.float32) * _SOFT_EDGE_PX
        boxes[~np.isfinite(boxes).all(axis=1)] = np.nan
        return boxes


def paint(image: Canvas, drawing: Drawing, owner: int) -> None:
    """Fill the faces of one object into an RGB image (H, W, 3) uint8."""
    first, last = np.searchsorted(drawing.owners, (owner, owner + 1))
    for k in range(first, last):
        cv2.fillConvexPoly(image, drawing.polygons[k], drawing.colours[k], cv2.LINE_AA, SHIFT)


def paint_mask(mask: Canvas, drawing: Drawing, owner: int, value: int) -> None:
    """Fill the silhouette of one object into a single-channel mask, without blending."""
    first, last = np.searchsorted(drawing.owners, (owner, owner + 1))
    for k in range(first, last):
        cv2.fillConvexPoly(mask, drawing.polygons[k], value, cv2.LINE_8, SHIFT)


def painting_order(placements: Sequence[PlacedSolid], eye: Floats) -> list[int]:
    """Return far-to-near order that also holds for long vehicles side by side.

    Two footprints that a side of one of them separates are ordered by which of them lies on the
    camera's side of it; everything else by distance.
    """
    count = len(placements)
    middle = np.array([(p.x_m, p.y_m) for p in placements], np.float32).reshape(-1, 2)
    reach = np.linalg.norm(middle - eye[:2], axis=1)
    long = np.array([p.solid.half_length_m > 1.5 for p in placements], np.bool_)
    if not long.any():
        return [int(k) for k in np.argsort(-reach, kind="stable")]
    half = np.array([(p.solid.half_length_m, p.solid.half_width_m) for p in placements], np.float32)
    turn = np.array([p.heading_rad for p in placements], np.float32)
    ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    aside = np.stack([-np.sin(turn), np.cos(turn)], axis=1)
    corners = np.stack(
        [
            middle + sx * half[:, :1] * ahead + sy * half[:, 1:] * aside
            for sx, sy in ((1, 1), (1, -1), (-1, -1), (-1, 1))
        ],
        axis=1,
    )
    normals = np.stack([ahead, -ahead, aside, -aside], axis=1)
    limit = half[:, [0, 0, 1, 1]]
    # Distance of every corner of a beyond side s of b: (a, b, s).
    gaps = (
        np.einsum("acd,bsd->abcs", corners, normals)
        - np.einsum("bd,bsd->bs", middle, normals)[None, :, None]
    )
    outside = gaps.min(axis=2) > limit - 0.05
    eye_out = (np.einsum("bsd,bsd->bs", eye[:2] - middle[:, None], normals) > limit)[None]
    nearer = (outside & eye_out).any(axis=2)  # a in front of b
    behind = (outside & ~eye_out).any(axis=2) & ~nearer
    involved = long[:, None] | long[None, :]
    close = np.abs(reach[:, None] - reach[None, :]) < 14.0
    first = (behind | nearer.T) & involved & close  # a must be painted before b
    first &= ~(first.T & first)
    waiting = set(range(count))
    blockers = first.sum(axis=0)
    order: list[int] = []
    while waiting:
        free = [k for k in waiting if blockers[k] == 0] or list(waiting)
        pick = max(free, key=lambda k: float(reach[k]))
        waiting.remove(pick)
        order.append(pick)
        blockers = blockers - first[pick]
    return order
