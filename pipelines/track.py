"""`Track`: one object followed over time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in normalised picture coordinates: 0..1, origin top left."""

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
        aspect: Width over height of the picture in pixels; makes normalised distances comparable.
    """

    id: int
    label: str
    box: Box
    score: float
    first_seen_s: float
    last_seen_s: float
    aspect: float = 16 / 9
