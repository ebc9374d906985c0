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

_POSITION, _VELOCITY = slice(0, 4), slice(4, 8)
_PP, _PV, _VV = 8, 9, 10
_COLUMNS = 11


class BoxFilter:
    """The filters of N objects. Rows keep their order; callers hold what else belongs to a row.

    Attributes:
        boxes: (N, 4) float64, x1 y1 x2 y2: expected after `predict`, estimated after `correct`.
    """

    def __init__(self) -> None:
        """Starts without objects."""
        # Edges, their velocities per step, and the covariance of the two: (N, 11).
        self._state = np.empty((0, _COLUMNS))

    @property
    def boxes(self) -> npt.NDArray[np.float64]:  # noqa: D102 - see the class
        return self._state[:, _POSITION]

    def predict(self, steps: float) -> None:
        """Moves all objects on by a time, counted in steps of the filter."""
        state = self._state
        state[:, _POSITION] += steps * state[:, _VELOCITY]
        covariance, velocity = state[:, _PV], state[:, _VV]
        square = steps * steps
        noise = ACCELERATION_VARIANCE * square
        state[:, _PP] += 2 * steps * covariance + square * velocity + noise * square / 4
        covariance += steps * velocity + noise * steps / 2
        velocity += noise

    def correct(self, rows: npt.NDArray[np.int64], boxes: Boxes) -> None:
        """Takes the detected boxes (K, 4) of the objects in `rows` (K,), each at most once."""
        state = self._state[rows]
        gains = state[:, _PP:_VV] / (state[:, _PP : _PP + 1] + MEASUREMENT_VARIANCE)
        off = boxes - state[:, _POSITION]
        state[:, _POSITION] += gains[:, :1] * off
        state[:, _VELOCITY] += gains[:, 1:] * off
        state[:, _VV] -= gains[:, 1] * state[:, _PV]
        state[:, _PP:_VV] *= 1 - gains[:, :1]
        self._state[rows] = state

    def begin(self, boxes: Boxes) -> None:
        """Appends objects that were detected at `boxes` (K, 4) for the first time, at rest."""
        state = np.zeros((len(boxes), _COLUMNS))
        state[:, _POSITION] = boxes
        state[:, _PP] = state[:, _VV] = 1.0
        self._state = np.concatenate((self._state, state))

    def keep(self, rows: list[int]) -> None:
        """Forgets all objects but those in `rows`."""
        self._state = self._state[rows]
