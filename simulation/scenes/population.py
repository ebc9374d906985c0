"""Random contents for training images: traffic from empty to jammed, walkers, crowds, litter."""

import math

import numpy as np

from simulation.drawing.place import DrawnPlace, Lane
from simulation.drawing.view import ObjectState
from simulation.drawing.viewpoint import Projector
from simulation.labels import LABELS
from simulation.scenes.motion import in_hand

_SIZES_M = {
    "car": (4.6, 1.4),
    "bus": (11.0, 3.0),
    "truck": (8.5, 2.6),
    "motorcycle": (2.2, 1.0),
    "bicycle": (1.8, 1.0),
    "person": (0.5, 1.6),
    "bag": (0.45, 0.38),
    "bottle": (0.3, 0.32),
    "bin_bag": (0.6, 0.6),
}
"""Length and height in metres."""
_TRAFFIC = (("car", 0.56), ("bus", 0.09), ("truck", 0.12), ("motorcycle", 0.13), ("bicycle", 0.1))
_LITTER = (("bag", 0.36), ("bottle", 0.34), ("bin_bag", 0.3))
_REACH_M = 90.0


class Population:
    """Collects objects that do not stand inside each other."""

    def __init__(self, place: DrawnPlace, projector: Projector, rng: np.random.Generator) -> None:
        """Start empty in front of one camera."""
        self.place, self.projector, self.rng = place, projector, rng
        self.states: list[ObjectState] = []
        self._taken: list[tuple[float, float, float]] = []

    def add(self, label: str, x_m: float, y_m: float, heading_rad: float) -> bool:
        """Add an object unless the spot is taken; return whether it was added."""
        rng = self.rng
        radius = 0.34 * _SIZES_M[label][0]
        for x, y, other in self._taken:
            if (x - x_m) ** 2 + (y - y_m) ** 2 < (radius + other) ** 2:
                return False
        self._taken.append((x_m, y_m, radius))
        gesture, step = "stand", 2 * int(rng.integers(6))
        if label == "person":
            gesture = str(rng.choice(["walk", "stand", "bend"], p=[0.55, 0.4, 0.05]))
        elif label in ("motorcycle", "bicycle"):
            gesture = "ride" if rng.random() < 0.8 else "parked"
        # Looks come from a small pool, so that solids are built once and reused.
        key, look = len(self.states), int(rng.integers(600))
        state = ObjectState(key, label, look, x_m, y_m, heading_rad, 0.0, gesture, step)
        self.states.append(state)
        if label == "person" and gesture != "bend" and rng.random() < 0.14:
            look, left = int(rng.integers(400)), bool(rng.random() < 0.5)
            self.states.append(in_hand(state, len(self.states), "bag", look, left=left))
        return True

    def _pick(self, table: tuple[tuple[str, float], ...]) -> str:
        return str(self.rng.choice([t[0] for t in table], p=[t[1] for t in table]))

    def fill_lane(self, lane: Lane, gap_m: tuple[float, float]) -> None:
        """Put vehicles on a lane with random gaps in front of each."""
        along = float(self.rng.uniform(0, gap_m[1] + 4))
        while along < lane.length_m:
            label = self._pick(_TRAFFIC)
            half = _SIZES_M[label][0] / 2
            x, y = lane.at(along + half, float(self.rng.normal(0, 0.25)))
            depth = (np.array([x, y, 0]) - self.projector.eye) @ self.projector.axes[2]
            if 4.0 < depth < _REACH_M:
                self.add(label, x, y, lane.heading_rad + float(self.rng.normal(0, 0.03)))
            along += 2 * half + float(self.rng.uniform(*gap_m))

    def spot(self, height_m: float, least_px: float) -> tuple[float, float] | None:
        """Return a random ground point where something ``height_m`` tall is still seen well."""
        width, height = self.projector.size_px
        scale = width / 640.0
        for _ in range(6):
            pixel = (self.rng.uniform(0.01, 0.99) * width, self.rng.uniform(0.1, 1.02) * height)
            try:
                x, y = self.projector.ground_at([pixel])[0]
            except ValueError:
                continue
            depth = math.hypot(x - self.projector.eye[0], y - self.projector.eye[1])
            if height_m * self.projector.focal_px / depth > least_px * scale:
                return float(x), float(y)
        return None

    def scatter(self, label: str, count: int) -> None:
        """Put objects anywhere on the ground in the image."""
        least = {"bottle": 9.0, "bag": 10.0, "bin_bag": 12.0}.get(label, 14.0)
        for _ in range(count):
            spot = self.spot(_SIZES_M[label][1], least)
            if spot is not None:
                self.add(label, *spot, float(self.rng.uniform(-math.pi, math.pi)))

    def gather(self, labels: tuple[tuple[str, float], ...], count: int, spread_m: float) -> None:
        """Put a cluster of objects around one random point: a crowd or a heap of rubbish."""
        small = labels is _LITTER
        centre = self.spot(0.35 if small else 1.6, 9.0 if small else 26.0)
        if centre is None:
            return
        for _ in range(count):
            x, y = self.rng.normal(centre, spread_m)
            self.add(
                self._pick(labels), float(x), float(y), float(self.rng.uniform(-math.pi, math.pi))
            )


def populate(
    place: DrawnPlace, projector: Projector, rng: np.random.Generator
) -> list[ObjectState]:
    """Return a random population for one image of a place."""
    crowd = Population(place, projector, rng)
    if rng.random() < 0.03:
        return []
    regimes = ((30.0, 90.0), (12.0, 45.0), (6.0, 20.0), (1.2, 4.5))
    for lane in place.lanes:
        if rng.random() < 0.75:
            crowd.fill_lane(lane, regimes[rng.choice(4, p=[0.3, 0.35, 0.2, 0.15])])
    on_foot = not place.lanes
    for area in place.walks:
        for _ in range(int(rng.choice([0, 1, 3, 6], p=[0.2, 0.3, 0.3, 0.2]))):
            crowd.add(
                "person",
                float(rng.uniform(area[0], area[1])),
                float(rng.uniform(area[2], area[3])),
                float(rng.uniform(-math.pi, math.pi)),
            )
    if rng.random() < (0.3 if on_foot else 0.06):
        crowd.gather((("person", 1.0),), int(rng.integers(6, 34)), float(rng.uniform(0.9, 3.0)))
    if rng.random() < (0.3 if on_foot else 0.1):
        crowd.gather(_LITTER, int(rng.integers(3, 9)), float(rng.uniform(0.4, 1.2)))
    for label, _ in _LITTER:
        if rng.random() < (0.75 if on_foot else 0.3):
            crowd.scatter(label, int(rng.integers(1, 5)))
    if rng.random() < (0.55 if on_foot else 0.35):  # anything anywhere
        for _ in range(int(rng.integers(1, 6))):
            crowd.scatter(LABELS[rng.integers(len(LABELS))], int(rng.integers(1, 3)))
    return crowd.states
