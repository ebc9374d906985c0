"""Sight: whether the detector is confident of anything where it sees a lot.

In fog, rain or darkness a detector gives many doubtful boxes of people and vehicles and hardly a
confident one, while the image is like any other. A doubtful box counts only where none was two
seconds before: what stays where it is may be a sign, and what is there alone may be nothing. An
empty place has neither confident boxes nor doubtful ones that move, and is no fault.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import pairwise_iou

CANNOT_SEE_S: Final = 30.0
"""How long it must be so until it counts, seconds."""

MANY: Final = 2
"""Doubtful boxes at once that are elsewhere than before; a single one may be anything."""

ELSEWHERE_S: Final = 2.0
ELSEWHERE_IOU: Final = 0.3
"""A box is elsewhere if it overlaps none of so long ago by more."""

SAME_IOU: Final = 0.5
"""Boxes that overlap by more show one thing under two names, or twice."""

DOUBTFUL_SHARE: Final = 0.15
CONFIDENT_SHARE: Final = 0.15
"""It is so where at least this share of the images has many doubtful boxes and no confident one,
and at most this share has a confident one."""

DOUBTFUL_NO_MORE: Final = 0.04
CONFIDENT_AGAIN: Final = 0.4
"""And until hardly an image has, or so many have a confident one."""

LEAST_IMAGES: Final = 10
"""However seldom there are any."""

PAUSE_S: Final = 60.0
"""After a longer one it begins anew."""

NO_BOXES: Final = np.zeros((0, 4))


@dataclass(frozen=True, slots=True, eq=False)
class Certainty:
    """What the models of a camera found of people and vehicles in one image.

    Attributes:
        confident: Boxes from the threshold on.
        doubtful: (N, 4) the others, in normalised image coordinates, in no order.
    """

    confident: int = 0
    doubtful: npt.NDArray[np.floating] = field(default_factory=lambda: NO_BOXES)


class _Image(IntEnum):
    NOTHING = 0
    CONFIDENT = 1
    DOUBTFUL = 2


class SightWatch:
    """The sight of one camera. Not thread-safe.

    Attributes:
        cannot_see: Whether the detector cannot see well.
    """

    def __init__(self, window_s: float = CANNOT_SEE_S) -> None:
        """Starts with nothing known; `window_s` as `CANNOT_SEE_S`."""
        self.cannot_see = False
        self._window_s = window_s
        self._images: deque[tuple[float, _Image]] = deque()
        self._before: deque[tuple[float, npt.NDArray[np.floating]]] = deque()

    def observe(self, found: Certainty, at_s: float) -> bool:
        """Takes what was found in an image.

        Args:
            found: That.
            at_s: When it was captured, monotonic seconds.

        Returns:
            `cannot_see`.
        """
        if self._images and at_s - self._images[-1][0] > max(PAUSE_S, self._window_s):
            self._images.clear()
            self._before.clear()
        self._images.append((at_s, self._kind(found, at_s)))
        since_s = at_s - self._window_s
        while len(self._images) > LEAST_IMAGES and self._images[1][0] <= since_s:
            self._images.popleft()
        self._decide(at_s - self._images[0][0] >= self._window_s)
        return self.cannot_see

    def _decide(self, is_long: bool) -> None:
        count = len(self._images)
        kinds = [kind for _, kind in self._images]
        doubtful, confident = (
            kinds.count(_Image.DOUBTFUL) / count,
            kinds.count(_Image.CONFIDENT) / count,
        )
        if self.cannot_see:
            self.cannot_see = doubtful > DOUBTFUL_NO_MORE and confident < CONFIDENT_AGAIN
        elif is_long and count >= LEAST_IMAGES:
            self.cannot_see = doubtful >= DOUBTFUL_SHARE and confident <= CONFIDENT_SHARE

    def _kind(self, found: Certainty, at_s: float) -> _Image:
        while len(self._before) > 1 and self._before[1][0] <= at_s - ELSEWHERE_S:
            self._before.popleft()
        known_s, known = self._before[0] if self._before else (at_s, NO_BOXES)
        self._before.append((at_s, found.doubtful))
        if found.confident:
            return _Image.CONFIDENT
        if at_s - known_s < ELSEWHERE_S or len(found.doubtful) < MANY:
            return _Image.NOTHING
        doubtful = found.doubtful
        if len(known):
            doubtful = doubtful[pairwise_iou(doubtful, known).max(axis=1) < ELSEWHERE_IOU]
        return _Image.DOUBTFUL if _things(doubtful) >= MANY else _Image.NOTHING


def _things(boxes: npt.NDArray[np.floating]) -> int:
    """How many different things some boxes show."""
    count = 0
    while len(boxes):
        boxes = boxes[pairwise_iou(boxes, boxes[:1])[:, 0] < SAME_IOU]
        count += 1
    return count
