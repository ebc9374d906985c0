"""`SpeedGauge`: how fast tracks move over the ground, robust against jitter of their boxes.

The speed is the median slope (Theil–Sen) of the foot point over a second or two of history, so that
one box that is off, or one swapped id, does not move it. With calibration the unit is metres per
second; without, box heights per second, which does not depend on resolution either.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable
from itertools import combinations
from typing import Final

from pipelines.rules.zone_geometry import GroundPlane
from pipelines.track import Track

WINDOW_S: Final = 1.6
MIN_SPAN_S: Final = 0.7
MAX_SPAN_S: Final = 10.0
"""At low frame rates the newest `MIN_POINTS` are used, if they are not older than this."""

MIN_POINTS: Final = 3
SPACING_S: Final = 0.15
FORGET_S: Final = 10.0
IMAGE_EDGE: Final = 0.995
"""A box that reaches the lower edge of the image has its foot outside."""

_Sample = tuple[float, float, float, float]


class SpeedGauge:
    """Speeds of the tracks of one zone."""

    def __init__(self, ground: GroundPlane | None) -> None:
        """Measures in metres on `ground`, or in box heights where there is none."""
        self._ground = ground
        self._samples: dict[int, deque[_Sample]] = {}

    def observe(self, tracks: Iterable[Track], at_s: float) -> None:
        """Notes where tracks are now, and forgets those not seen for long."""
        for track in tracks:
            sample = self._sample(track, at_s)
            history = self._samples.setdefault(track.id, deque())
            if sample and (not history or at_s - history[-1][0] >= SPACING_S):
                history.append(sample)
                while len(history) > MIN_POINTS and history[0][0] < at_s - WINDOW_S:
                    history.popleft()
        gone = [
            track
            for track, history in self._samples.items()
            if not history or history[-1][0] < at_s - FORGET_S
        ]
        for track_id in gone:
            del self._samples[track_id]

    def speed(self, track: Track) -> float | None:
        """Metres or box heights per second; None until there is enough history."""
        history = self._samples.get(track.id)
        if not history or len(history) < MIN_POINTS:
            return None
        span_s = history[-1][0] - history[0][0]
        if not MIN_SPAN_S <= span_s <= MAX_SPAN_S:
            return None
        pairs = [
            ((b[1] - a[1]) / (b[0] - a[0]), (b[2] - a[2]) / (b[0] - a[0]))
            for a, b in combinations(history, 2)
        ]
        along = statistics.median(slope for slope, _ in pairs)
        across = statistics.median(slope for _, slope in pairs)
        scale = statistics.median(sample[3] for sample in history)
        return float((along * along + across * across) ** 0.5 / scale)

    def _sample(self, track: Track, at_s: float) -> _Sample | None:
        """Time, position and the length that speed is counted in."""
        if track.box.y2 >= IMAGE_EDGE:
            return None
        x, y = track.box.foot
        if self._ground is None:
            height = track.box.y2 - track.box.y1
            return (at_s, x * track.aspect, y, height) if height > 0 else None
        place = self._ground.metres((x, y))
        return (at_s, *place, 1.0) if place else None
