"""Label groups: which class names of a model mean the same thing to trackers and rules.

Models name their classes as they please (COCO says `handbag`, others `plastic bag`); rules ask for
a group. Names are compared in the spelling of `plain_label`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from models.detections import plain_label

PERSONS: Final = frozenset({"person", "pedestrian", "people"})

VEHICLES: Final = frozenset({"car", "van", "truck", "bus", "minibus", "tricycle", "vehicle"})
"""What queues on a road. Motorcycles and bicycles pass a queue, so they make none."""

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
    """The tasks whose rules use at least one of a model's classes."""
    names = {plain_label(label) for label in labels}
    return tuple(task for task, wanted in _TASKS if names & wanted)


def group_of(label: str) -> frozenset[str]:
    """The labels that one object may flicker between; an unknown label stands alone."""
    name = plain_label(label)
    return next((group for group in _GROUPS if name in group), frozenset({name}))
