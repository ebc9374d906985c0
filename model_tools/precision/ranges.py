"""Ranges: which values each tensor takes on calibration images, cut where cutting costs least.

A few rare outliers would waste most of the 256 steps of 8 bits. Each end is therefore drawn in as
long as the mean squared error over all values, cut ones included, gets smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, helper

from models import SessionError, first_line, open_session

BINS = 2048
STEPS = 255
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)
"""Parts of a range's end that are tried."""
MOST_VALUES = 100_000
"""Values of one tensor and image that are counted; more are sampled evenly."""

Feed = Mapping[str, npt.NDArray[np.uint8] | npt.NDArray[np.float32]]
Range = tuple[float, float]


@dataclass(slots=True, eq=False)
class _Tensor:
    """What one tensor has shown so far; zero always belongs to its range, and costs nothing."""

    least: float = 0.0
    greatest: float = 0.0
    counts: npt.NDArray[np.float64] | None = None

    def widen(self, values: npt.NDArray[np.float32]) -> None:
        self.least = min(self.least, float(values.min(initial=0.0)))
        self.greatest = max(self.greatest, float(values.max(initial=0.0)))

    def count(self, values: npt.NDArray[np.float32]) -> None:
        flat = values.ravel()[:: max(1, values.size // MOST_VALUES)]
        limits = (self.least, self.greatest)
        counted, _ = np.histogram(flat[flat != 0], BINS, limits)
        self.counts = counted + (0.0 if self.counts is None else self.counts)

    def best(self) -> Range:
        """The range with the least error."""
        if self.counts is None or not self.counts.any():
            return self.least, max(self.greatest, self.least + 1e-6)
        tried = [
            (self.least * low, self.greatest * high) for low, high in product(SHARES, repeat=2)
        ]
        return min(tried, key=self._error)

    def _error(self, tried: Range) -> float:
        width = (self.greatest - self.least) / BINS
        centres = self.least + (np.arange(BINS) + 0.5) * width
        cut = centres - np.clip(centres, *tried)
        rounding = ((tried[1] - tried[0]) / STEPS) ** 2 / 12
        return float(np.dot(self.counts, np.where(cut == 0, rounding, cut**2)))  # type: ignore[arg-type]


def measured_ranges(
    model: ModelProto, tensors: Sequence[str], feeds: Sequence[Feed], name: str
) -> dict[str, Range]:
    """Runs a graph twice over calibration images and returns the range of each tensor.

    Args:
        model: The graph.
        tensors: Names of float32 tensors in it.
        feeds: Inputs, one per run.
        name: Who it is, for errors.

    Raises:
        SessionError: ONNX Runtime refuses the graph or fails in it, or a value is not finite.
    """
    seen = {tensor: _Tensor() for tensor in tensors}
    for tensor, values in _values(model, tensors, feeds, name):
        if not np.isfinite(values).all():
            raise SessionError(
                name, f"{tensor} holds numbers that are not finite; the network overflows in fp32"
            )
        seen[tensor].widen(values)
    for tensor, values in _values(model, tensors, feeds, name):
        seen[tensor].count(values)
    return {tensor: one.best() for tensor, one in seen.items()}


def _values(
    model: ModelProto, tensors: Sequence[str], feeds: Sequence[Feed], name: str
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    observed = ModelProto()
    observed.CopyFrom(model)
    known = {one.name for one in model.graph.output}
    observed.graph.output.extend(
        helper.make_empty_tensor_value_info(one) for one in tensors if one not in known
    )
    session = open_session(name, observed.SerializeToString())
    for feed in feeds:
        try:
            found = session.run(list(tensors), dict(feed))
        except Exception as error:
            raise SessionError(
                name, f"it fails on a calibration image: {first_line(error)}"
            ) from error
        yield from zip(tensors, found, strict=True)
