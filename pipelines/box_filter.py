"""Where the boxes of several objects are expected next: Kalman filters, all of them in one array.

The filter is the textbook one with constant velocity and white noise in the acceleration
(Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001,
chapter 6). The four edges of a box move independently and are measured equally well, so one
covariance of position and velocity serves all four, and three numbers hold it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import Boxes

MEASUREMENT_VARIANCE: Final = 0.1
ACCELERATION_VARIANCE: Final = 0.01
"""Relative to the variances with which an object begins, which are 1. With these values a box
follows the detections closely and its velocity is smoothed over a few frames."""

_EDGES: Final = 4
_POSITION, _VELOCITY = slice(0, 4), slice(4, 8)
_PP, _PV, _VV = 8, 9, 10
_ROWS: Final = 11


class BoxFilter:
    """The filters of N objects. Objects keep their order; callers hold what else belongs to them.

    Attributes:
        boxes: (N, 4) float64, x1 y1 x2 y2: expected after `predict`, estimated after `correct`.
    """

    def __init__(self) -> None:
        """Starts without objects."""
        # Edges, their velocities per step, and the covariance of the two: one column per object,
        # so that every step of a calculation goes through memory without gaps.
        self._state = np.empty((_ROWS, 0))
        # What `predict` multiplies the state by, and what it adds: (11, 11) and (11, 1).
        self._transition = np.eye(_ROWS)
        self._noise = np.zeros((_ROWS, 1))
        # In the transition, the places that take each edge's velocity to the edge.
        self._moves = self._transition.reshape(-1)[_EDGES :: _ROWS + 1][:_EDGES]

    @property
    def boxes(self) -> npt.NDArray[np.float64]:  # noqa: D102 - see the class
        return self._state[_POSITION].T

    def predict(self, steps: float) -> None:
        """Moves all objects on by a time, counted in steps of the filter."""
        square = steps * steps
        transition, noise = self._transition, ACCELERATION_VARIANCE * square
        self._moves[:] = steps
        transition[_PP, _PV] = 2 * steps
        transition[_PP, _VV] = square
        transition[_PV, _VV] = steps
        self._noise[_PP:, 0] = (noise * square / 4, noise * steps / 2, noise)
        self._state = transition @ self._state
        self._state += self._noise

    def correct(self, objects: npt.NDArray[np.int64], boxes: Boxes) -> None:
        """Takes the detected boxes (K, 4) of some objects (K,), each at most once."""
        state = self._state[:, objects]
        gains = state[_PP:_VV] / (state[_PP] + MEASUREMENT_VARIANCE)
        off = boxes.T - state[_POSITION]
        state[:_PP] += (gains[:, None] * off).reshape(_PP, -1)
        state[_VV] -= gains[1] * state[_PV]
        state[_PP:_VV] *= 1 - gains[0]
        self._state[:, objects] = state

    def begin(self, boxes: Boxes) -> None:
        """Appends objects that were detected at `boxes` (K, 4) for the first time, at rest."""
        state = np.zeros((_ROWS, len(boxes)))
        state[_POSITION] = boxes.T
        state[_PP] = state[_VV] = 1.0
        self._state = np.concatenate((self._state, state), axis=1)

    def keep(self, objects: list[int]) -> None:
        """Forgets all objects but these."""
        self._state = self._state[:, objects]
