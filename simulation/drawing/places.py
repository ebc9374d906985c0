"""The places there are, by name, and how a training camera wanders around them."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from simulation.drawing.open_spaces import park, square
from simulation.drawing.place import DrawnPlace
from simulation.drawing.props import Prop
from simulation.drawing.roads import arterial, crossroad
from simulation.drawing.viewpoint import Projector, Viewpoint

PLACES: Final[dict[str, Callable[[np.random.Generator], DrawnPlace]]] = {
    make.__name__: make for make in (crossroad, arterial, square, park)
}
_SCATTERED: Final = (
    *("bin", "bollard", "bush", "hydrant", "stone", "sign"),
    *("planter", "bench", "lamp"),
)


@lru_cache(maxsize=16)
def place_named(name: str, seed: int) -> DrawnPlace:
    """Build a place; ``seed`` picks the looks of its trees, stains and houses."""
    return PLACES[name](np.random.default_rng(seed))


def wandered(viewpoint: Viewpoint, rng: np.random.Generator) -> Viewpoint:
    """Return a camera near the usual one, or in the wider surroundings."""
    reach = 0.3 if rng.random() < 0.4 else 1.0

    def shift(limit: float) -> float:
        return float(rng.uniform(-limit, limit)) * reach

    return Viewpoint(
        viewpoint.x_m + shift(5.0),
        viewpoint.y_m + shift(4.0),
        viewpoint.height_m * (1 + shift(0.35)),
        viewpoint.yaw_rad + shift(0.35),
        float(np.clip(viewpoint.pitch_rad + shift(0.14), 0.14, 0.7)),
        viewpoint.focal * math.exp(shift(0.38)),
    )


def cluttered(place: DrawnPlace, viewpoint: Viewpoint, rng: np.random.Generator) -> DrawnPlace:
    """Return the place with more furniture strewn about: things that are no labelled object."""
    projector = Projector(viewpoint, (160, 90))
    extra = []
    for _ in range(int(rng.integers(0, 9))):
        try:
            spot = projector.ground_at([(rng.uniform(5, 155), rng.uniform(18, 88))])[0]
        except ValueError:
            continue
        kind = _SCATTERED[rng.integers(len(_SCATTERED))]
        turn, look = float(rng.uniform(0, 6.28)), int(rng.integers(1 << 20))
        extra.append(Prop(kind, float(spot[0]), float(spot[1]), turn, look))
    return replace(place, props=place.props + tuple(extra))
