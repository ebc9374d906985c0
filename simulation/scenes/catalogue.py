"""The registry of scripted scenes and the four that the demo shows."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from simulation.scenes import foot_scenes, road_scenes
from simulation.scenes.scene import Scene

SCENES: Final[dict[str, Callable[[], Scene]]] = {
    "crossroad-jam": road_scenes.crossroad_jam,
    "crossroad-quiet": road_scenes.crossroad_quiet,
    "arterial-day": partial(
        road_scenes.arterial_quiet, "arterial-day", "An arterial by day: traffic flows", "day", 21
    ),
    "arterial-night": partial(
        road_scenes.arterial_quiet,
        "arterial-night",
        "An arterial at night: traffic flows",
        "night",
        22,
    ),
    "arterial-wrong-way": road_scenes.arterial_wrong_way,
    "arterial-stop": road_scenes.arterial_stop,
    "park-bag": foot_scenes.park_bag,
    "park-pile": foot_scenes.park_pile,
    "park-quiet": foot_scenes.park_quiet,
    "square-crowd": foot_scenes.square_crowd,
    "square-bag": foot_scenes.square_bag,
    "square-quiet": foot_scenes.square_quiet,
}

# What the demo shows: three situations and one street where nothing is wrong.
DEMO_SCENES: Final = ("crossroad-jam", "park-bag", "square-crowd", "arterial-night")


@lru_cache(maxsize=len(SCENES))
def scene_named(name: str) -> Scene:
    """Return a scripted scene.

    Raises:
        KeyError: There is no scene of that name.
    """
    if name not in SCENES:
        raise KeyError(f"no rendered scene {name!r}; there are: {', '.join(SCENES)}")
    return SCENES[name]()
