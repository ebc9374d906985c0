"""`SpeedGauge`: how fast tracks move over the ground, robust against jitter of their boxes.

The speed is the median slope (Theil–Sen) of the foot point over a second or two of history, so that
one box that is off, or one swapped id, does not move it.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from itertools import combinations
from typing import Final

from pipelines.rules.zone_geometry import GroundPlane, Vector, on_plane
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
"""Time, x and y on the plane of `on_plane`, and the length that `speed` is counted in."""


class SpeedGauge:
    """Velocities of the tracks of one zone."""

    def __init__(self, ground: GroundPlane | None) -> None:
        """Measures on `ground`, or in the image where there is none."""
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
        """Metres per second, or box heights per second without calibration.

        None until there is enough history.
        """
        velocity = self.velocity(track)
        if velocity is None:
            return None
        scale = statistics.median(sample[3] for sample in self._samples[track.id])
        return math.hypot(*velocity) / scale

    def velocity(self, track: Track) -> Vector | None:
        """Metres per second on the ground, or image heights per second without calibration.

        None until there is enough history.
        """
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
        return statistics.median(x for x, _ in pairs), statistics.median(y for _, y in pairs)

    def _sample(self, track: Track, at_s: float) -> _Sample | None:
        height = track.box.y2 - track.box.y1
        if track.box.y2 >= IMAGE_EDGE or height <= 0:
            return None
        place = on_plane(track.box.foot, self._ground, track.aspect)
        return (at_s, *place, 1.0 if self._ground else height) if place else None
