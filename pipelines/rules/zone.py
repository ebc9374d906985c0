"""`Zone` and `Line`: where a rule works, in normalised image coordinates, optionally calibrated."""

from __future__ import annotations

from dataclasses import dataclass

ImagePoint = tuple[float, float]
"""x and y in shares of the image's width and height, 0..1, origin top left."""

ImageArrow = tuple[ImagePoint, ImagePoint]
"""A direction in the image: from the first point to the second."""


@dataclass(frozen=True, slots=True)
class GroundCalibration:
    """Four or more image points with their place on the ground.

    Attributes:
        image: Image points.
        metres: The same points on the ground plane (x, y) in metres, any origin.
    """

    image: tuple[ImagePoint, ...]
    metres: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """A named polygon.

    Attributes:
        name: Unique per camera; part of incident identity.
        polygon: At least three image points.
        ground: Calibration of the camera's ground plane; without it rules measure in box sizes
            and in shares of the image.
        direction: Where traffic in the zone may go; None if it is not configured.
    """

    name: str
    polygon: tuple[ImagePoint, ...]
    ground: GroundCalibration | None = None
    direction: ImageArrow | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A named line with a direction: traffic crosses it from its left side to its right side.

    Left and right are those of the image, seen from `start` towards `end`. A line from the left
    edge of the image to the right edge is crossed downwards; with its points swapped, upwards.

    Attributes:
        name: Unique per camera, among zones too; part of incident identity.
        start: First image point.
        end: Second image point.
        ground: Calibration of the camera's ground plane.
    """

    name: str
    start: ImagePoint
    end: ImagePoint
    ground: GroundCalibration | None = None
