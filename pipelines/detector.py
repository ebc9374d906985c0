"""The detector port: how a camera worker gets a micro-batch judged.

Ray Serve stands behind it in production, an ONNX session in the same process in tests and
benchmarks, so that both can be measured side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from camera_adapters.frame import Frame, Picture
from models.detections import Detections
from pipelines.plan import ModelRef


class DetectorError(Exception):
    """A micro-batch could not be judged; `model` says by whom."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"model {model}: {reason}")
        self.model = model


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """Frames of one analysis size that are judged together.

    Attributes:
        pictures: (N, H, W, 3) uint8 RGB, contiguous; row i belongs to `frames[i]`.
        frames: The frames, at most one per camera.
        rows: For each model that is due: the rows that it shall look at, ascending.
    """

    pictures: Picture
    frames: tuple[Frame, ...]
    rows: Mapping[ModelRef, tuple[int, ...]]


class PendingDetections(Protocol):
    """A micro-batch under way."""

    def result(self, timeout_s: float) -> Mapping[ModelRef, tuple[Detections, ...]]:
        """Waits for all due models: per model one `Detections` per row of `MicroBatch.rows`.

        Raises:
            DetectorError: A model failed or did not answer in time.
        """
        ...


class DetectorPort(Protocol):
    """Something that judges micro-batches."""

    def submit(self, batch: MicroBatch) -> PendingDetections:
        """Starts judging; returns at once."""
        ...
