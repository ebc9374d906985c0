"""Geometry of zones and lines: what lies in or crosses them, and where it is on the ground.

A zone, line or calibration that cannot mean anything (self-crossing, points on one line, points
mixed up) is refused when it is read, with an error that says which one, never during a frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from models.detections import Box
from pipelines.rules.zone import GroundCalibration, ImageArrow, ImagePoint, Line, Zone

PointRows = npt.NDArray[np.float64]
"""(N, 2) float64: one point (x, y) per row."""

Vector = tuple[float, float]

MIN_CORNERS = 3
MIN_GROUND_POINTS = 4
MIN_POLYGON_SHARE = 1e-5
"""Share of the image below which a polygon is taken for a slip of the mouse."""

EDGE = 1e-6
"""PointRows this near to an edge (normalised) count as inside."""

MIN_LINE_SHARE = 0.01
"""Shares of the image below which two points are too near to give a direction."""

MIN_FLATNESS = 3e-3
"""Least width over length of calibration points; below it they as good as lie on a line."""

MIN_DEPTH_SHARE = 0.02
"""PointRows 50 times farther away than the calibration points count as on the horizon."""

MAX_RESIDUAL_M = 0.5
MAX_RESIDUAL_SHARE = 0.05
"""A calibration point may miss its place by this much, or by this share of their extent."""

MAX_ZONE_M2 = 10_000.0
"""A zone that covers more than a hectare reaches to the horizon; its area is not used."""

MOST_OF_A_BOX = 0.5
"""Share of a box from which on it is masked."""


class ZoneError(ValueError):
    """A zone, line or calibration cannot be used; the message says why and what to do."""


class GroundPlane:
    """The way from normalised image points to metres on the ground: a plane homography.

    Attributes:
        mirrors: Whether what turns right in the image turns left in metres.
    """

    def __init__(self, calibration: GroundCalibration) -> None:
        """Fits the homography.

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
        matrix = _homography(image, metres)
        depths = image @ matrix[2, :2] + matrix[2, 2]
        if depths.min() * depths.max() <= 0:
            raise ZoneError(
                "the ground points are in another order than the image points: "
                "part of them would lie behind the camera"
            )
        matrix /= depths.mean()
        self.mirrors = bool(np.linalg.det(matrix) < 0)
        self._rows = tuple(tuple(float(value) for value in row) for row in matrix)
        mapped = (image @ matrix[:2, :2].T + matrix[:2, 2]) / (depths / depths.mean())[:, None]
        _check_residuals(mapped, metres)

    def metres(self, point: ImagePoint) -> Vector | None:
        """Where a normalised image point lies on the ground, metres; None near the horizon."""
        (a, b, c), (d, e, f), (g, h, i) = self._rows
        x, y = point
        depth = g * x + h * y + i
        if depth < MIN_DEPTH_SHARE:
            return None
        return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth

    def area_m2(self, polygon: Sequence[ImagePoint]) -> float | None:
        """Area of a normalised polygon on the ground; None if it reaches to the horizon."""
        corners = [self.metres(corner) for corner in polygon]
        on_ground = [corner for corner in corners if corner is not None]
        if len(on_ground) < len(corners):
            return None
        area = float(shapely.Polygon(on_ground).area)
        return area if area <= MAX_ZONE_M2 else None


class ZoneShape:
    """A zone made ready for questions.

    Attributes:
        name: The zone's name.
        ground: The ground plane, where the zone is calibrated.
        area_m2: Area on the ground, square metres; None without calibration or up to the horizon.
        image_share: Share of the image that the zone covers.
    """

    def __init__(self, zone: Zone) -> None:
        """Checks the polygon and the direction, and fits the calibration.

        Raises:
            ZoneError: The polygon, the direction or the calibration means nothing.
        """
        try:
            polygon = _polygon(zone.polygon)
            self.ground = GroundPlane(zone.ground) if zone.ground else None
            self._arrow = zone.direction and _arrow(zone.direction, self.ground)
            self._image_arrow = zone.direction
        except ZoneError as error:
            raise ZoneError(f"zone {zone.name}: {error}") from None
        self.name = zone.name
        self.area_m2 = self.ground.area_m2(polygon.exterior.coords) if self.ground else None
        self.image_share = float(polygon.area)
        x1, y1, x2, y2 = polygon.bounds
        self._bounds = (x1 - EDGE, y1 - EDGE, x2 + EDGE, y2 + EDGE)
        # A rectangle, such as the whole image, is its bounds.
        corners = polygon.exterior.coords if polygon.area < (x2 - x1) * (y2 - y1) else ()
        self._edges = tuple((*start, *end) for start, end in pairwise(corners))

    def contains(self, point: ImagePoint) -> bool:
        """Whether a normalised image point lies in the zone; its edges belong to it.

        Asked for every object in every frame, so it is plain arithmetic: for one point that is
        several times faster than a call into a geometry library.
        """
        x, y = point
        left, top, right, bottom = self._bounds
        if not (left <= x <= right and top <= y <= bottom):
            return False
        # Even-odd rule: whether a ray from the point to the right crosses an odd number of edges.
        inside = not self._edges
        for x1, y1, x2, y2 in self._edges:
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        if inside:
            return True
        for x1, y1, x2, y2 in self._edges:
            along_x, along_y, off_x, off_y = x2 - x1, y2 - y1, x - x1, y - y1
            square = along_x * along_x + along_y * along_y
            # The nearest point of the edge, as a share of the way from its start to its end.
            share = (off_x * along_x + off_y * along_y) / square if square > 0 else 0.0
            share = min(max(share, 0.0), 1.0)
            if math.hypot(off_x - share * along_x, off_y - share * along_y) <= EDGE:
                return True
        return False

    def direction(self, aspect: float) -> Vector:
        """Where traffic may go, as a unit vector in the plane of `on_plane`.

        Raises:
            ZoneError: The zone has no direction.
        """
        if self._arrow is None:
            raise ZoneError(f"zone {self.name}: it has no direction")
        return _unit(self._arrow, 1.0 if self.ground else aspect)

    def image_direction(self, aspect: float) -> Vector | None:
        """Where traffic goes in the image, as a unit vector in heights of it; None if not given."""
        return _unit(self._image_arrow, aspect) if self._image_arrow else None


class LineShape:
    """A line made ready for questions.

    Attributes:
        name: The line's name.
        ground: The ground plane, where the line is calibrated.
    """

    def __init__(self, line: Line) -> None:
        """Checks the points and fits the calibration.

        Raises:
            ZoneError: The points or the calibration mean nothing.
        """
        try:
            self.ground = GroundPlane(line.ground) if line.ground else None
            self._arrow = _arrow((line.start, line.end), self.ground)
        except ZoneError as error:
            raise ZoneError(f"line {line.name}: {error}") from None
        self.name = line.name
        self._start, self._end = line.start, line.end

    def is_crossed(self, before: ImagePoint, after: ImagePoint) -> bool:
        """Whether the straight way between two image points crosses the line."""
        a, b = self._start, self._end
        return (_side(a, b, before) * _side(a, b, after) < 0) and (
            _side(before, after, a) * _side(before, after, b) < 0
        )

    def offset(self, point: ImagePoint, aspect: float) -> float:
        """How far an image point is to the right of the endless line, in heights of the image."""
        (x1, y1), (x2, y2) = self._start, self._end
        length = math.hypot((x2 - x1) * aspect, y2 - y1)
        return aspect * _side(self._start, self._end, point) / length

    def direction(self, aspect: float) -> Vector:
        """Where traffic may cross: the unit normal on the right side, in the plane of `on_plane`.

        On the ground the normal is square to the line there, not to the line in the image.
        """
        along_x, along_y = _unit(self._arrow, 1.0 if self.ground else aspect)
        mirrored = self.ground is not None and self.ground.mirrors
        return (along_y, -along_x) if mirrored else (-along_y, along_x)


class MaskedArea:
    """The parts of the image in which nothing counts for a camera, or for one of its rules."""

    def __init__(self, areas: Iterable[Zone]) -> None:
        """Takes polygons.

        Raises:
            ZoneError: A polygon means nothing.
        """
        polygons = []
        for area in areas:
            try:
                polygons.append(shapely.make_valid(_polygon(area.polygon)))
            except ZoneError as error:
                raise ZoneError(f"mask {area.name}: {error}") from error
        self._area = shapely.union_all(polygons)
        shapely.prepare(self._area)

    def hides(self, box: Box) -> bool:
        """Whether the foot of a box lies in it, or more than half of the box."""
        if shapely.intersects_xy(self._area, *box.foot):
            return True
        shape = shapely.box(*box)
        hidden = shapely.intersection(self._area, shape).area
        return bool(shape.area and hidden > MOST_OF_A_BOX * shape.area)


def on_plane(point: ImagePoint, ground: GroundPlane | None, aspect: float) -> Vector | None:
    """Where an image point lies on the plane that movement is measured on.

    Args:
        point: A normalised image point.
        ground: The ground plane; without it the plane is the image.
        aspect: Width over height of the image in pixels.

    Returns:
        Metres on the ground, None near the horizon; without calibration shares of the image's
        height in both directions.
    """
    return ground.metres(point) if ground else (point[0] * aspect, point[1])


def _polygon(corners: Sequence[ImagePoint]) -> shapely.Polygon:
    points = _image_points(corners, "corners")
    count = len(np.unique(points, axis=0))
    if count < MIN_CORNERS:
        raise ZoneError(f"a polygon needs at least {MIN_CORNERS} corners, got {count}")
    polygon = shapely.Polygon(points)
    if polygon.convex_hull.area < MIN_POLYGON_SHARE:
        raise ZoneError("the polygon has no area")
    # "Ring Self-intersection": a corner touches an edge, which does no harm.
    reason = shapely.is_valid_reason(polygon)
    if reason.startswith("Self-intersection"):
        raise ZoneError(f"edges cross near {reason[17:]}; give the corners in order")
    if polygon.area < MIN_POLYGON_SHARE:
        raise ZoneError("the polygon has no area")
    return polygon


def _arrow(arrow: ImageArrow, ground: GroundPlane | None) -> tuple[Vector, Vector]:
    """Two points far enough apart for a direction, in metres where there is a ground plane."""
    _image_points(arrow, "points")
    if math.dist(*arrow) < MIN_LINE_SHARE:
        raise ZoneError("its two points lie on each other; move them apart")
    tail, head = (on_plane(point, ground, aspect=1.0) for point in arrow)
    if tail is None or head is None:
        raise ZoneError("one of its two points lies on the horizon; move it nearer")
    return tail, head


def _unit(arrow: tuple[Vector, Vector], aspect: float) -> Vector:
    """The unit vector of an arrow whose x is stretched by `aspect`."""
    (x1, y1), (x2, y2) = arrow
    length = math.hypot((x2 - x1) * aspect, y2 - y1)
    return (x2 - x1) * aspect / length, (y2 - y1) / length


def _image_points(points: Sequence[ImagePoint], what: str) -> PointRows:
    array = _points(points, what)
    if ((array < -EDGE) | (array > 1 + EDGE)).any():
        raise ZoneError(f"{what} are normalised image points, both coordinates in 0..1")
    return array


def _points(points: Sequence[ImagePoint], what: str) -> PointRows:
    array = np.asarray(points, np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise ZoneError(f"{what} must be finite numbers")
    return array


def _homography(image: PointRows, metres: PointRows) -> PointRows:
    """The 3x3 matrix that takes image points to metres with the least squared error."""
    import cv2  # here, so that rules without calibration stay light

    if min(_flatness(image), _flatness(metres)) < MIN_FLATNESS:
        raise ZoneError(
            "the ground calibration's points lie on a line or on each other; "
            "choose four that span an area, no three of them on one line"
        )
    # OpenCV calculates with 32 bits: too few for metres from a national grid's origin.
    centre = metres.mean(axis=0)
    found, _ = cv2.findHomography(image, metres - centre)
    back = np.array([[1, 0, centre[0]], [0, 1, centre[1]], [0, 0, 1]])
    matrix: PointRows = back @ found
    return matrix


def _flatness(points: PointRows) -> float:
    """Width over length of the narrowest rest that leaving one point out gives.

    A homography is determined only where no line holds all points but one.
    """
    points = np.unique(points, axis=0)
    if len(points) < MIN_GROUND_POINTS:
        return 0.0
    rests = (np.delete(points, index, axis=0) for index in range(len(points)))
    extents = [np.linalg.svd(rest - rest.mean(axis=0), compute_uv=False) for rest in rests]
    return min(float(narrow / wide) if wide > 0 else 0.0 for wide, narrow in extents)


def _check_residuals(mapped: PointRows, metres: PointRows) -> None:
    errors = np.linalg.norm(mapped - metres, axis=1)
    extent = float(np.linalg.norm(np.ptp(metres, axis=0)))
    worst = int(errors.argmax())
    if errors[worst] > max(MAX_RESIDUAL_M, MAX_RESIDUAL_SHARE * extent):
        raise ZoneError(
            f"ground point {worst + 1} misses its place by {errors[worst]:.1f} m; "
            "measure it again or leave it out"
        )


def _side(start: ImagePoint, end: ImagePoint, point: ImagePoint) -> float:
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
