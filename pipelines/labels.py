"""Label groups: which class names of a model mean the same thing to trackers and rules.

Models name their classes as they please (COCO says `handbag`, others `plastic bag`); rules ask for
a group. Names are compared in lower case with underscores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PERSONS: Final = frozenset({"person", "pedestrian", "people"})

VEHICLES: Final = frozenset({"car", "van", "truck", "bus", "minibus", "tricycle", "vehicle"})
"""What fills a lane. Motorcycles and bicycles pass a queue, so they make none."""

CYCLES: Final = frozenset({"motorcycle", "motorbike", "scooter", "bicycle", "cyclist"})

BAGS: Final = frozenset({"bag", "handbag", "backpack", "suitcase", "luggage"})

BOTTLES: Final = frozenset({"bottle", "can", "cup"})

BIN_BAGS: Final = frozenset({"bin_bag", "garbage_bag", "trash_bag", "plastic_bag", "garbage"})

LITTER: Final = BAGS | BOTTLES | BIN_BAGS

_GROUPS: Final = (PERSONS, VEHICLES, CYCLES, LITTER)


_TASKS: Final = (
    ("traffic", VEHICLES | CYCLES),
    ("littering", LITTER),
    ("crowding", PERSONS),
)


def tasks_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The tasks whose rules find something to ask for among a model's classes."""
    names = {plain(label) for label in labels}
    return tuple(task for task, wanted in _TASKS if names & wanted)


def plain(label: str) -> str:
    """The spelling that groups use: `Bin bag` → `bin_bag`."""
    return "_".join(label.lower().replace("-", " ").split())


def group_of(label: str) -> frozenset[str]:
    """The labels that one object may flicker between; an unknown label stands alone."""
    name = plain(label)
    return next((group for group in _GROUPS if name in group), frozenset({name}))
