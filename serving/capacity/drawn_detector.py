"""`DrawnDetector`: models really run on every image, and what is found is drawn.

On a trial clip no model finds anything, and trackers and rules without objects cost nothing. So a
number of things drive and walk through the image, as on a street.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines import (
    InferenceMetrics,
    InferenceTiming,
    InFlightBatch,
    MetricsRecorder,
    MicroBatch,
    ModelRef,
)
from serving.in_process import LoadedModel

OBJECTS: Final = 15
"""In every image; a busy crossroad of the drawn scenes has 10 to 30."""

SCORE: Final = 0.9
SIDE: Final = 0.06
"""Of their boxes, as a share of the image."""


@dataclass(frozen=True, slots=True)
class _DrawnCall:
    """See `InferenceCall`."""

    model: ModelRef
    loaded: LoadedModel | None
    images: npt.NDArray[np.uint8]
    rows: tuple[int, ...]

    def result(self, timeout_s: float, /) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        timing = InferenceTiming(0.0, 0.0, 0.0, "")
        if self.loaded is not None:
            timing = self.loaded.infer(self.images, self.rows, time.time())[1]
        one = drawn_rows(self.model, time.monotonic())
        return np.repeat(one[None], len(self.rows), 0), timing

    def cancel(self) -> None:
        """Nothing to do: it has ended when its caller goes on."""


class DrawnDetector:
    """A detector port."""

    def __init__(self, models: Mapping[str, LoadedModel]) -> None:
        """Versions that are not among `models` are not run, and their inferences take no time."""
        self._models = models
        self._recorder = MetricsRecorder()

    @property
    def metrics(self) -> Mapping[str, InferenceMetrics]:
        """See `DetectorPort.metrics`."""
        return self._recorder.snapshot()

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        """See `DetectorPort.submit`."""

        def start(model: ModelRef, rows: tuple[int, ...]) -> _DrawnCall:
            return _DrawnCall(model, self._models.get(model.key), batch.images, rows)

        return InFlightBatch(start, batch.rows, self._recorder)

    def verify(self, _: ModelRef) -> str:
        """See `DetectorPort.verify`; they were verified when they were loaded."""
        return ""

    def provider(self, model: ModelRef) -> str:
        """See `DetectorPort.provider`."""
        loaded = self._models.get(model.key)
        return "unknown" if loaded is None else loaded.provider

    def retain(self, models: frozenset[str]) -> None:
        """See `DetectorPort.retain`; they go with the process."""

    def close(self) -> None:
        """See `DetectorPort.close`."""


def drawn_rows(model: ModelRef, now_s: float) -> npt.NDArray[np.float32]:
    """(OBJECTS, 6) float32 as a model gives them, at a monotonic time."""
    number = np.arange(OBJECTS)
    # Each at its own height and speed, so that tracks cross and none stays.
    left = (number * 0.37 + now_s * (0.01 + 0.004 * number)) % (1 - SIDE)
    top = number / OBJECTS * (1 - SIDE)
    width, height = model.size.width, model.size.height
    rows = np.empty((OBJECTS, 6), np.float32)
    rows[:, 0], rows[:, 2] = left * width, (left + SIDE) * width
    rows[:, 1], rows[:, 3] = top * height, (top + SIDE) * height
    rows[:, 4] = SCORE
    rows[:, 5] = number % len(model.labels)
    return rows
