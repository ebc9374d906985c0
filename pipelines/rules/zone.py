"""`Zone`: where a rule looks, in normalised image coordinates, optionally on a ground plane."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class GroundCalibration:
    """Four or more image points with their place on the ground.

    Attributes:
        image: Normalised image points (x, y).
        metres: The same points on the ground plane (x, y) in metres, any origin.
    """

    image: tuple[Point, ...]
    metres: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """A named polygon.

    Attributes:
        name: Unique per camera; part of incident identity.
        polygon: At least three normalised image points (x, y).
        ground: Calibration of the camera's ground plane; without it rules fall back to
            measures in box sizes and persons per image area.
    """

    name: str
    polygon: tuple[Point, ...]
    ground: GroundCalibration | None = None
