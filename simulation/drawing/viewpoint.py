"""Where a rendered camera stands and how the world falls on its image.

World frame: metres, x to the right, y away from the nominal camera, z up, ground at z = 0.
Image frame: pixels, x right, y down. The focal length is given in image widths, so one
viewpoint draws the same view at any resolution of the same shape.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulation.drawing.solid import Floats

NEAR_M = 0.5
# Ground polygons are cut a little farther away, which keeps their pixel coordinates small.
_GROUND_NEAR_M = 1.5


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """A camera over the ground plane.

    Attributes:
        x_m: Position to the right.
        y_m: Position forward.
        height_m: Height above the ground.
        yaw_rad: Turn to the left; 0 looks along +y.
        pitch_rad: Tilt down; 0 looks at the horizon.
        focal: Focal length in image widths.
    """

    x_m: float
    y_m: float
    height_m: float
    yaw_rad: float
    pitch_rad: float
    focal: float


class Projector:
    """Projects world points of one viewpoint to an image of one size."""

    def __init__(self, viewpoint: Viewpoint, size_px: tuple[int, int]) -> None:
        """Prepare the camera matrix for an image of ``size_px`` = (width, height)."""
        self.viewpoint = viewpoint
        self.size_px = size_px
        self.focal_px = viewpoint.focal * size_px[0]
        self.centre_px = (size_px[0] / 2.0, size_px[1] / 2.0)
        self.eye = np.array([viewpoint.x_m, viewpoint.y_m, viewpoint.height_m], np.float32)
        sin_y, cos_y = math.sin(viewpoint.yaw_rad), math.cos(viewpoint.yaw_rad)
        sin_p, cos_p = math.sin(viewpoint.pitch_rad), math.cos(viewpoint.pitch_rad)
        right = (cos_y, sin_y, 0.0)
        forward = (-sin_y * cos_p, cos_y * cos_p, -sin_p)
        down = (sin_y * sin_p, -cos_y * sin_p, -cos_p)
        # Rows: image right, image down, viewing direction.
        self.axes = np.array([right, down, forward], np.float32)

    def project(self, points: ArrayLike) -> tuple[Floats, Floats]:
        """Project points (..., 3) to pixels (..., 2) and depth along the view (...).

        Depth is clamped at the near plane, so that a point beside the camera stays finite.
        """
        seen = (np.asarray(points, np.float32) - self.eye) @ self.axes.T
        depth = np.maximum(seen[..., 2], NEAR_M)
        pixels = seen[..., :2] * (self.focal_px / depth)[..., None]
        pixels += np.array(self.centre_px, np.float32)
        return np.asarray(pixels, np.float32), np.asarray(seen[..., 2], np.float32)

    def clip_ground(self, polygon: ArrayLike) -> Floats | None:
        """Project a ground polygon (K, 2), cut at the near plane; None when all is behind."""
        flat = np.asarray(polygon, np.float32)
        points = np.concatenate([flat, np.zeros((len(flat), 1), np.float32)], axis=1)
        seen = (points - self.eye) @ self.axes.T
        kept: list[Floats] = []
        for here, there in zip(seen, np.roll(seen, -1, axis=0), strict=True):
            if here[2] >= _GROUND_NEAR_M:
                kept.append(here)
            if (here[2] >= _GROUND_NEAR_M) != (there[2] >= _GROUND_NEAR_M):
                share = (_GROUND_NEAR_M - here[2]) / (there[2] - here[2])
                kept.append(here + share * (there - here))
        if len(kept) < 3:
            return None
        cut = np.array(kept, np.float32)
        pixels = cut[:, :2] * (self.focal_px / cut[:, 2:3]) + np.array(self.centre_px, np.float32)
        return np.asarray(np.clip(pixels, -1e6, 1e6), np.float32)

    def rays(self, step_px: int = 1) -> Floats:
        """Return viewing directions (H/step, W/step, 3) in the world, of unit depth."""
        width, height = self.size_px
        xs = np.arange(0, width, step_px, dtype=np.float32) + 0.5 * step_px - self.centre_px[0]
        ys = np.arange(0, height, step_px, dtype=np.float32) + 0.5 * step_px - self.centre_px[1]
        right, down, forward = self.axes
        across = (xs / self.focal_px)[None, :, None] * right
        along = (ys / self.focal_px)[:, None, None] * down
        return np.asarray(across + along + forward, np.float32)

    def ground_grid(self, step_px: int = 1) -> tuple[Floats, Floats, Floats]:
        """Return ground x, y in metres and the distance for each pixel; the sky is at 1e4 m."""
        rays = self.rays(step_px)
        fall = np.minimum(rays[..., 2], -1e-4)
        reach = np.minimum(self.eye[2] / -fall, 1e4)
        x_m = self.eye[0] + rays[..., 0] * reach
        y_m = self.eye[1] + rays[..., 1] * reach
        return x_m, y_m, reach

    def ground_at(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Return the ground points (N, 2) in metres seen at pixels (N, 2).

        Raises:
            ValueError: A pixel lies on or above the horizon, where there is no ground.
        """
        spots = (np.asarray(pixels, np.float64) - self.centre_px) / self.focal_px
        axes = self.axes.astype(np.float64)
        rays = spots[:, :1] * axes[0] + spots[:, 1:] * axes[1] + axes[2]
        if np.any(rays[:, 2] >= -1e-6):
            raise ValueError("an image point on or above the horizon has no ground point")
        reach = self.viewpoint.height_m / -rays[:, 2:]
        ground = np.array([self.viewpoint.x_m, self.viewpoint.y_m]) + rays[:, :2] * reach
        return np.asarray(ground, np.float64)
