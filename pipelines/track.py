"""`Track`: one object followed over time; and which class names mean the same kind of object.

Models name their classes as they please (COCO says `handbag`, others `plastic bag`); trackers and
rules ask for a group. Names are compared in the spelling of `plain_label`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from models.detections import Box, plain_label

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


class Track(NamedTuple):
    """One object as seen in the newest frame.

    Attributes:
        id: Unique per camera for the life of its worker.
        label: Class name from the model package.
        box: Where it is now.
        score: Detection score in 0..1.
        first_seen_s: Monotonic time of its first detection, seconds.
        last_seen_s: Monotonic time of its newest detection, seconds.
        aspect: Width over height of the image in pixels; makes normalised distances comparable.
        rides: Id of the cycle that a person is on; 0 for whoever is on none. The cycle is a track
            of its own, so that who counts vehicles counts the cycle, and who counts persons leaves
            out its rider.
    """

    id: int
    label: str
    box: Box
    score: float
    first_seen_s: float
    last_seen_s: float
    aspect: float = 16 / 9
    rides: int = 0


def tracks_on_foot(tracks: Iterable[Track]) -> list[Track]:
    """The persons who ride no cycle."""
    return [track for track in tracks if not track.rides and plain_label(track.label) in PERSONS]
