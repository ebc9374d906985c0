"""`NonMotorFilter`: which cycles are what their label says, and not other cycles taken for them.

Detectors take a motorcycle for a bicycle and back. Time and speed tell them apart: what was another
cycle for part of its time is none, and what drives like a motorcycle neither.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final

from models.detections import plain_label
from pipelines.rules.zone_geometry import GroundPlane
from pipelines.rules.zone_tracks import SpeedGauge
from pipelines.track import CYCLES, Track

LEAST_SHARE: Final = 0.9
"""A cycle must have had one of the labels for so much of its sightings."""

MAX_MPS: Final = 9.0
"""Who rides faster, on calibrated cameras, rides a motorcycle: 32 km/h."""

MOTORS: Final = frozenset({"motorcycle", "motorbike", "scooter"})

_KEPT: Final = 500
"""So many tracks are remembered, those seen last."""


class NonMotorFilter:
    """The cycles in view of one zone."""

    def __init__(self, labels: Collection[str], ground: GroundPlane | None) -> None:
        """Keeps cycles of some labels; speeds count where there is a ground plane."""
        self._labels = frozenset(labels)
        # Where motorcycles are asked for, there is nothing that a bicycle could be taken for.
        self._tells = not self._labels & MOTORS
        self._gauge = SpeedGauge(ground) if ground is not None else None
        self._sightings: dict[int, tuple[int, int]] = {}
        self._fast: set[int] = set()

    def observe(self, tracks: Sequence[Track], at_s: float) -> None:
        """Takes all tracks of a frame."""
        cycles = [track for track in tracks if plain_label(track.label) in CYCLES]
        for cycle in cycles:
            right, total = self._sightings.pop(cycle.id, (0, 0))
            right += plain_label(cycle.label) in self._labels
            self._sightings[cycle.id] = right, total + 1
        if self._gauge is not None:
            self._gauge.observe(cycles, at_s)
            for cycle in cycles:
                if math.hypot(*(self._gauge.velocity(cycle) or (0.0, 0.0))) > MAX_MPS:
                    self._fast.add(cycle.id)
        while len(self._sightings) > _KEPT:
            oldest = next(iter(self._sightings))
            del self._sightings[oldest]
            self._fast.discard(oldest)

    def takes(self, track: Track) -> bool:
        """Whether a track of one of the labels is what it is taken for."""
        return plain_label(track.label) not in CYCLES or self.knows(track.id)

    def knows(self, cycle: int) -> bool:
        """Whether a cycle that was seen lately is one of those that count."""
        right, total = self._sightings.get(cycle, (0, 0))
        if not self._tells:
            return right > 0
        return cycle not in self._fast and 0 < LEAST_SHARE * total <= right
