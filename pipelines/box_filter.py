"""Where the boxes of several objects are expected next: Kalman filters, all of them in one array.

The filter is the textbook one with constant velocity and white noise in the acceleration
(Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001,
chapter 6). The four edges of a box move independently and are measured equally well, so one
covariance of position and velocity serves all four, and three numbers hold it.

All variances are relative to that of one detected edge. All times are seconds: what is learned of
an object does not depend on how many frames show it. The errors of a detector last for a while, so
frames that follow each other quickly say less than their number.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import Boxes

ERROR_S: Final = 0.1
"""How long the error of a detected edge lasts, seconds."""

ACCELERATION_DENSITY: Final = 6.0
"""Growth of the variance of a velocity per second. It is small on purpose: where boxes cover each
other, only a velocity learned over a second or two tells who comes out on which side."""

FIRST_VELOCITY_VARIANCE: Final = 1600.0
"""Of an object seen once: about one size of a box per second."""

EDGE_SHARE: Final = 0.03
"""Standard deviation of a detected edge, as a share of the size of the box."""

MANOEUVRE_SIGMAS: Final = 6.0
MOST_DOUBT: Final = 30.0
"""A box whose middle is farther from where it was expected, in standard deviations, brakes, turns
or comes near: the variances of what was known grow with the square, by this factor at most."""

COAST_S: Final = 3.0
"""An object that is not seen keeps its velocity for about this long, seconds."""

_EDGES: Final = 4
_POSITION, _VELOCITY, _COVARIANCE = slice(0, 4), slice(4, 8), slice(8, 11)
_PP, _PV, _VV = 8, 9, 10
_ROWS: Final = 11


class BoxFilter:
    """The filters of N objects. Objects keep their order; callers hold what else belongs to them.

    Attributes:
        boxes: (N, 4) float64, x1 y1 x2 y2: expected after `predict`, estimated after `correct`.
    """

    def __init__(self) -> None:
        """Starts without objects."""
        # Edges, their velocities per second, and the covariance of the two: one column per object,
        # so that every step of a calculation goes through memory without gaps.
        self._state = np.empty((_ROWS, 0))
        self._variance = 1.0

    @property
    def boxes(self) -> npt.NDArray[np.float64]:  # noqa: D102 - see the class
        return self._state[_POSITION].T

    @property
    def velocities(self) -> npt.NDArray[np.float64]:
        """(N, 2) of the middles of the boxes, x and y, in units of the boxes per second."""
        return (self._state[4:6] + self._state[6:8]).T / 2

    def predict(self, seconds: float, missed: npt.NDArray[np.bool_]) -> None:
        """Moves all objects on by a time.

        Args:
            seconds: Since the last call, above 0.
            missed: (N,), which objects were not seen last; they keep their size and slow down.
        """
        state = self._state
        if missed.any():
            middle = (state[4:6, missed] + state[6:8, missed]) * (np.exp(-seconds / COAST_S) / 2)
            state[4:6, missed] = state[6:8, missed] = middle
        noise = ACCELERATION_DENSITY * seconds
        state[_POSITION] += seconds * state[_VELOCITY]
        state[_PP] += seconds * (2 * state[_PV] + seconds * (state[_VV] + noise / 3))
        state[_PV] += seconds * (state[_VV] + noise / 2)
        state[_VV] += noise
        self._variance = 1.0 + ERROR_S / seconds

    def correct(self, objects: npt.NDArray[np.int64], boxes: Boxes) -> None:
        """Takes the detected boxes (K, 4) of some objects (K,), each at most once."""
        state = self._state[:, objects]
        off = boxes.T - state[_POSITION]
        sides = state[2:4] - state[:2]
        aside = off[:2] + off[2:]
        # Of the middle: an edge that is covered moves alone, and says nothing of the velocity.
        distance = (aside * aside).sum(axis=0) / 4
        limit = np.maximum(sides[0] * sides[1], 1.0) * (state[_PP] + self._variance)
        limit *= (MANOEUVRE_SIGMAS * EDGE_SHARE) ** 2
        state[_COVARIANCE] *= np.minimum(np.maximum(distance / limit, 1.0), MOST_DOUBT)
        gains = state[_PP:_VV] / (state[_PP] + self._variance)
        state[:_PP] += (gains[:, None] * off).reshape(_PP, -1)
        state[_VV] -= gains[1] * state[_PV]
        state[_PP:_VV] *= 1 - gains[0]
        self._state[:, objects] = state

    def begin(self, boxes: Boxes) -> None:
        """Appends objects that were detected at `boxes` (K, 4) for the first time, at rest."""
        state = np.zeros((_ROWS, len(boxes)))
        state[_POSITION] = boxes.T
        state[_PP] = 1.0
        state[_VV] = FIRST_VELOCITY_VARIANCE
        self._state = np.concatenate((self._state, state), axis=1)

    def keep(self, objects: npt.NDArray[np.bool_]) -> None:
        """Forgets all objects but these (N,)."""
        self._state = self._state[:, objects]
