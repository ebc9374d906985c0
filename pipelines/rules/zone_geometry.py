"""Geometry of zones: point in polygon, area, and the way from the image to metres on the ground.

A zone or calibration that cannot mean anything (self-crossing, points on one line, points mixed up)
is refused when it is read, with an error that says which one, never when a frame is judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.rules.zone import GroundCalibration, Point, Zone

Floats = npt.NDArray[np.float64]

MIN_CORNERS = 3
MIN_GROUND_POINTS = 4
MIN_POLYGON_SHARE = 1e-5
"""Share of the image below which a polygon is taken for a slip of the mouse."""

EDGE = 1e-6
"""Points this near to an edge (normalised) count as inside."""

MIN_CONDITION = 2e-3
"""Smallest ratio of singular values of a fit; below it the points as good as lie on a line."""

MIN_DEPTH_SHARE = 0.02
"""Points 50 times farther away than the calibration points count as on the horizon."""

MAX_RESIDUAL_M = 0.5
MAX_RESIDUAL_SHARE = 0.05
"""A calibration point may miss its place by this much, or by this share of their extent."""

MAX_ZONE_M2 = 10_000.0
"""A zone that covers more than a hectare reaches to the horizon; its area says nothing."""


class ZoneError(ValueError):
    """A zone or a calibration cannot be used; the message says why and what to do."""


class GroundPlane:
    """The way from normalised image points to metres on the ground: a plane homography."""

    def __init__(self, calibration: GroundCalibration) -> None:
        """Fits the homography by the normalised direct linear transform.

        The method is that of Hartley and Zisserman, Multiple View Geometry, algorithm 4.2.

        Raises:
            ZoneError: Too few points, points on a line, or points that contradict each other.
        """
        image = _points(calibration.image, "image points")
        metres = _points(calibration.metres, "ground points")
        if len(image) != len(metres):
            raise ZoneError(
                f"a ground calibration needs one ground point per image point, got "
                f"{len(metres)} for {len(image)}"
            )
        if len(image) < MIN_GROUND_POINTS:
            raise ZoneError(
                f"a ground calibration needs at least {MIN_GROUND_POINTS} points, got {len(image)}"
            )
        self._matrix = _homography(image, metres)
        self._check(image, metres)

    def metres(self, point: Point) -> Point | None:
        """Where a normalised image point lies on the ground, metres; None near the horizon."""
        (a, b, c), (d, e, f), (g, h, i) = self._rows
        x, y = point
        depth = g * x + h * y + i
        if depth < MIN_DEPTH_SHARE:
            return None
        return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth

    def area_m2(self, polygon: Sequence[Point]) -> float | None:
        """Area of a normalised polygon on the ground; None if it reaches to the horizon."""
        corners = [self.metres(corner) for corner in polygon]
        on_ground = [corner for corner in corners if corner is not None]
        if len(on_ground) < len(corners):
            return None
        area = polygon_area(on_ground)
        return area if area <= MAX_ZONE_M2 else None

    def _check(self, image: Floats, metres: Floats) -> None:
        depths = image @ self._matrix[2, :2] + self._matrix[2, 2]
        if depths.min() * depths.max() <= 0:
            raise ZoneError(
                "the ground points are in another order than the image points: "
                "part of them would lie behind the camera"
            )
        self._matrix /= depths.mean()
        self._rows = tuple(tuple(float(value) for value in row) for row in self._matrix)
        mapped = image @ self._matrix[:2, :2].T + self._matrix[:2, 2]
        errors = np.linalg.norm(mapped / (depths / depths.mean())[:, None] - metres, axis=1)
        extent = float(np.linalg.norm(np.ptp(metres, axis=0)))
        worst = int(errors.argmax())
        if errors[worst] > max(MAX_RESIDUAL_M, MAX_RESIDUAL_SHARE * extent):
            raise ZoneError(
                f"ground point {worst + 1} misses its place by {errors[worst]:.1f} m; "
                "measure it again or leave it out"
            )


class ZoneShape:
    """A zone made ready for questions.

    Attributes:
        name: The zone's name.
        ground: The ground plane, where the zone is calibrated.
        area_m2: Area on the ground, square metres; None without calibration or up to the horizon.
    """

    def __init__(self, zone: Zone) -> None:
        """Checks the polygon and fits the calibration.

        Raises:
            ZoneError: The polygon or the calibration means nothing.
        """
        try:
            corners = _polygon(zone.polygon)
            self.ground = GroundPlane(zone.ground) if zone.ground else None
        except ZoneError as error:
            raise ZoneError(f"zone {zone.name}: {error}") from None
        self.name = zone.name
        self.area_m2 = self.ground.area_m2(corners) if self.ground else None
        self._edges = tuple(pairwise((*corners, corners[0])))

    def contains(self, point: Point) -> bool:
        """Whether a normalised image point lies in the zone; its edges belong to it."""
        x, y = point
        inside = False
        for (x1, y1), (x2, y2) in self._edges:
            if _distance_to_edge(point, (x1, y1), (x2, y2)) <= EDGE:
                return True
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                inside = not inside
        return inside


def polygon_area(polygon: Sequence[Point]) -> float:
    """Area of a simple polygon, in the square of its unit."""
    edges = pairwise((*polygon, polygon[0]))
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges)) / 2


def _polygon(polygon: Sequence[Point]) -> tuple[Point, ...]:
    points = _points(polygon, "corners")
    corners = tuple((float(x), float(y)) for x, y in points)
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners = corners[:-1]
    if len(corners) < MIN_CORNERS:
        raise ZoneError(f"a polygon needs at least {MIN_CORNERS} corners, got {len(corners)}")
    if points.min() < -EDGE or points.max() > 1 + EDGE:
        raise ZoneError("corners are normalised image points, both coordinates in 0..1")
    edges = tuple(pairwise((*corners, corners[0])))
    for index, first in enumerate(edges):
        for other in edges[index + 2 :]:
            if first[0] not in other and _cross(first, other):
                raise ZoneError(f"edges cross near {first[0]}; give the corners in order")
    if polygon_area(corners) < MIN_POLYGON_SHARE:
        raise ZoneError("the polygon has no area")
    return corners


def _points(points: Sequence[Point], what: str) -> Floats:
    array = np.asarray(points, np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise ZoneError(f"{what} must be finite numbers")
    return array


def _homography(source: Floats, target: Floats) -> Floats:
    """The 3x3 matrix that takes `source` (N, 2) to `target` (N, 2) in the least-squares sense."""
    from_source, from_target = _conditioning(source), _conditioning(target)
    s = _apply(from_source, source)
    t = _apply(from_target, target)
    rows = []
    for (x, y), (u, v) in zip(s, t, strict=True):
        rows.append([-x, -y, -1, 0, 0, 0, u * x, u * y, u])
        rows.append([0, 0, 0, -x, -y, -1, v * x, v * y, v])
    _, strengths, vectors = np.linalg.svd(np.array(rows))
    inner = vectors[-1].reshape(3, 3)
    stretch = np.linalg.svd(inner, compute_uv=False)
    if min(strengths[7] / strengths[0], stretch[2] / stretch[0]) < MIN_CONDITION:
        raise ZoneError(
            "the ground calibration's points lie on a line or on each other; "
            "choose four that span an area, no three of them on one line"
        )
    matrix: Floats = np.linalg.inv(from_target) @ inner @ from_source
    return matrix


def _conditioning(points: Floats) -> Floats:
    """Moves points to a mean distance of sqrt(2) from the origin, for a well-conditioned fit."""
    centre = points.mean(axis=0)
    spread = float(np.linalg.norm(points - centre, axis=1).mean())
    if spread == 0:
        raise ZoneError("the ground calibration's points all lie on each other")
    scale = math.sqrt(2) / spread
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _apply(similarity: Floats, points: Floats) -> Floats:
    moved: Floats = points @ similarity[:2, :2].T + similarity[:2, 2]
    return moved


def _distance_to_edge(point: Point, start: Point, end: Point) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = point[0] - start[0], point[1] - start[1]
    length = dx * dx + dy * dy
    along = min(1.0, max(0.0, (px * dx + py * dy) / length)) if length else 0.0
    return math.hypot(px - along * dx, py - along * dy)


def _cross(first: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = first, other
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(start: Point, end: Point, point: Point) -> float:
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
