"""Drawn scenes of the incident benchmark: any seed gives as many, half of them hard negatives."""

from collections.abc import Callable, Mapping
from typing import Final

from simulation.scenes import carriageway_stories as road
from simulation.scenes import crowd_stories as square
from simulation.scenes import junction_stories as junction
from simulation.scenes import litter_stories as litter
from simulation.scenes.story_stage import Setting, StoryStage, WatchedScene

Story = Callable[[StoryStage], WatchedScene]

_DAY: Final = Setting()
_PLAIN: Final = Setting(is_calibrated=False)
_DUSK: Final = Setting("dusk")
_NIGHT: Final = Setting("night")
_NIGHT_PLAIN: Final = Setting("night", is_calibrated=False)
_RAIN: Final = Setting("rain")
_RAIN_PLAIN: Final = Setting("rain", is_calibrated=False)
_SHAKING: Final = Setting(disturbance="shaking camera")
_CLOUDS: Final = Setting(disturbance="clouds", is_calibrated=False)
_SHADOW: Final = Setting(disturbance="cloud shadow")
_GLARE: Final = Setting(disturbance="glare", is_calibrated=False)
_SWITCHED: Final = Setting("night", "lights switched")
_LAMP: Final = Setting("dusk", "one lamp switched")

POSITIVES: Final[Mapping[str, tuple[Story, tuple[Setting, ...]]]] = {
    "bag-left": (litter.bag_left, (_DAY, _PLAIN, _DUSK, _RAIN, _NIGHT, _SHAKING)),
    "bag-under-passers": (litter.bag_under_passers, (_DAY, _PLAIN)),
    "heap-grows": (litter.heap_grows, (_DAY, _RAIN_PLAIN)),
    "bin-overflows": (litter.bin_overflows, (_DAY, _PLAIN)),
    "blocked-exit": (junction.blocked_exit, (_DAY, _NIGHT_PLAIN)),
    "jam": (road.jam, (_DAY, _RAIN_PLAIN)),
    "stopped-car": (road.stopped_car, (_DAY, _NIGHT_PLAIN)),
    "pavement-car": (road.pavement_car, (_PLAIN, _DUSK)),
    "wrong-way": (road.wrong_way, (_DAY, _NIGHT, _PLAIN)),
    "pedestrian": (road.pedestrian, (_DAY, _PLAIN)),
    "cyclist": (road.cyclist, (_DAY, _RAIN_PLAIN)),
    "crowd": (square.crowd, (_DAY, _PLAIN)),
    "gathering": (square.gathering, (_DAY, _PLAIN)),
    "dispersal": (square.dispersal, (_DAY, _PLAIN)),
    "loiterer": (square.loiterer, (_DAY, _PLAIN)),
}
"""Stories of which something is to be reported, with the settings they are played under."""

NEGATIVES: Final[Mapping[str, tuple[Story, tuple[Setting, ...]]]] = {
    "red-light": (junction.red_light, (_DAY, _NIGHT_PLAIN)),
    "riders-waiting": (junction.riders_waiting, (_DAY, _PLAIN)),
    "short-reds": (junction.short_reds, (_PLAIN, _SHAKING)),
    "bus-stop": (road.bus_stop, (_DAY, _PLAIN)),
    "parked-row": (road.parked_row, (_DAY, _PLAIN, _DUSK)),
    "slow-flow": (road.slow_flow, (_DAY, _PLAIN)),
    "free-flow": (road.free_flow, (_SHADOW, _RAIN, _NIGHT_PLAIN, _GLARE, _SHAKING)),
    "bag-picked-up": (litter.bag_picked_up, (_DAY, _PLAIN)),
    "bags-with-owners": (litter.bags_with_owners, (_DAY, _PLAIN)),
    "bin-in-use": (litter.bin_in_use, (_PLAIN, _DUSK)),
    "walkers": (
        litter.walkers_only,
        (_SHADOW, _CLOUDS, _RAIN_PLAIN, _SWITCHED, _LAMP, _GLARE, _SHAKING),
    ),
    "groups-cross": (square.groups_cross, (_DAY, _GLARE)),
    "waits-a-while": (square.waits_a_while, (_DAY, _PLAIN)),
}
"""Stories of which nothing is to be reported, although each resembles one of the others."""

STORIES: Final = {**POSITIVES, **NEGATIVES}


def incident_scene_names(seed: int) -> tuple[str, ...]:
    """Return the names of all scenes of a seed."""
    return tuple(_cast(seed))


def incident_scene(seed: int, name: str) -> WatchedScene:
    """Return one scene of a seed; the same seed and name always give the same.

    Raises:
        KeyError: The seed has no scene of that name.
    """
    story, stage = _cast(seed)[name]
    return story(stage)


def _cast(seed: int) -> dict[str, tuple[Story, StoryStage]]:
    """By name of the scene: its story, and where it plays."""
    stages = [
        (story, StoryStage(name, setting, seed, number))
        for name, (story, settings) in STORIES.items()
        for number, setting in enumerate(settings, 1)
    ]
    return {stage.name: (story, stage) for story, stage in stages}
