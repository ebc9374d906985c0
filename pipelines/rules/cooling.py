"""`Cooling`: the cool-down of what an earlier run of the worker ended.

Within one run a `Situation` knows when it ended itself. What ended before the run began is told by
whoever kept it, once, at the first frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.detections import Box, box_iou
from pipelines.track import Track

SAME_IOU: Final = 0.2
SAME_SIZES: Final = 0.8
"""Two boxes are of one spot if they overlap so far, or if their centres are so near, in sizes."""


def closeness(one: Box, other: Box) -> float:
    """How near two boxes are: 0 for two spots, above it for one, greater for nearer."""
    iou = box_iou(one, other)
    size = max(one.x2 - one.x1, one.y2 - one.y1, other.x2 - other.x1, other.y2 - other.y1, 1e-6)
    away = math.dist(one.centre, other.centre) / size
    return iou + 1 / (1 + away) if iou >= SAME_IOU or away <= SAME_SIZES else 0.0


@dataclass(frozen=True, slots=True)
class EndedIncident:
    """An incident that has ended.

    Attributes:
        boxes: Where its subjects were at last.
        ended_at: When it ended, UTC.
    """

    kind: str
    zone: str
    boxes: tuple[Box, ...]
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class _Cool:
    ended: EndedIncident
    until_s: float


class Cooling:
    """What cools down at the places of one rule since before this run."""

    def __init__(self, cooldown_s: float = 0.0, by_spot: bool = False) -> None:
        """Nothing cools down yet.

        Args:
            cooldown_s: The cool-down of the rule, seconds.
            by_spot: Whether only the same spot of a zone cools down, or all of it.
        """
        self._cooldown_s, self._by_spot = cooldown_s, by_spot
        self._cool: list[_Cool] = []

    def add(self, ended: EndedIncident, now: datetime, now_s: float) -> None:
        """Notes an incident that ended before `now`, UTC, which is `now_s` monotonic seconds."""
        # A clock that was set back makes no cool-down longer.
        left_s = min(self._cooldown_s - (now - ended.ended_at).total_seconds(), self._cooldown_s)
        if left_s > 0:
            self._cool.append(_Cool(ended, now_s + left_s))

    def until_s(self, zone: str, tracks: Sequence[Track], at_s: float) -> float:
        """Until when a new incident of these tracks cools down; minus infinity where it does not.

        Args:
            zone: The zone or line.
            tracks: Who takes part.
            at_s: Monotonic time now, seconds.
        """
        self._cool = [one for one in self._cool if one.until_s > at_s]
        found = (
            one.until_s
            for one in self._cool
            if one.ended.zone == zone
            and (
                not self._by_spot
                or any(closeness(box, track.box) for box in one.ended.boxes for track in tracks)
            )
        )
        return max(found, default=-math.inf)
