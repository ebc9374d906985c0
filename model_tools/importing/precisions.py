"""The wished precision of an import, with what it changes against the fp32 graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from model_tools.precision import fidelity, to_fp16, to_int8
from models.package import Precision

ImageBatch = npt.NDArray[np.uint8]
"""(K, H, W, 3) RGB."""
RowTable = npt.NDArray[np.float32]
"""(K, M, 6): x1 y1 x2 y2 score class."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A graph in its final precision.

    Attributes:
        model: The graph.
        measured: What the conversion changed, for the manifest; empty for fp32.
    """

    model: ModelProto
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversion:
    """How to convert, and what to compare on.

    Attributes:
        model: Who it is, for errors.
        precision: What is wished.
        threshold: Score above which detections count in service.
        calibration: (K, H, W, 3) uint8 RGB to choose int8 ranges by; empty without int8.
        compared: (K, H, W, 3) uint8 RGB to compare both precisions on; none of `calibration`.
        rows: Runs a graph over images, one at a time.
    """

    model: str
    precision: Precision
    threshold: float
    calibration: ImageBatch
    compared: ImageBatch
    rows: Callable[[ModelProto, ImageBatch], RowTable]

    def converted(self, fused: ModelProto) -> Converted:
        """Converts a fused fp32 graph and measures what that changed.

        Raises:
            GraphError: It cannot be converted.
        """
        if self.precision == "fp32":
            return Converted(fused)
        cheap = self._cheaper(fused)
        before, after = self.rows(fused, self.compared), self.rows(cheap, self.compared)
        return Converted(cheap, fidelity(before, after, self.threshold).as_measured())

    def _cheaper(self, fused: ModelProto) -> ModelProto:
        if self.precision == "fp16":
            return to_fp16(fused, name=self.model)
        return to_int8(fused, self.calibration, name=self.model)
