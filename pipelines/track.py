"""`Track`: one object followed over time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in normalised image coordinates: 0..1, origin top left."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def foot(self) -> tuple[float, float]:
        """Bottom centre: where the object stands on the ground."""
        return (self.x1 + self.x2) / 2, self.y2

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    @property
    def area(self) -> float:
        """Share of the image that it covers."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    def towards(self, other: Box, share: float) -> Box:
        """The box that lies a share of the way (0..1) to another."""
        return Box(
            self.x1 + share * (other.x1 - self.x1),
            self.y1 + share * (other.y1 - self.y1),
            self.x2 + share * (other.x2 - self.x2),
            self.y2 + share * (other.y2 - self.y2),
        )


def common_area(one: Box, other: Box) -> float:
    """Share of the image that two boxes both cover."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    return max(0.0, width) * max(0.0, height)


def box_iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    common = common_area(one, other)
    union = one.area + other.area - common
    return common / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Track:
    """One object as seen in the newest frame.

    Attributes:
        id: Unique per camera for the life of its worker.
        label: Class name from the model package.
        box: Where it is now.
        score: Detection score in 0..1.
        first_seen_s: Monotonic time of its first detection, seconds.
        last_seen_s: Monotonic time of its newest detection, seconds.
        aspect: Width over height of the image in pixels; makes normalised distances comparable.
    """

    id: int
    label: str
    box: Box
    score: float
    first_seen_s: float
    last_seen_s: float
    aspect: float = 16 / 9
