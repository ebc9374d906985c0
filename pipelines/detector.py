"""The detector port: how a camera worker gets a micro-batch judged.

Ray Serve stands behind it in production, an ONNX session in the same process in tests and
benchmarks, so that both can be measured side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from camera_adapters.frame import Frame, Image
from models.detections import Detections
from pipelines.plan import ModelRef


class DetectorError(Exception):
    """A micro-batch could not be judged.

    Attributes:
        model: By whom, `name/version`.
        timed_out: Whether there was no answer in time, rather than a refusal.
    """

    def __init__(self, model: str, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(f"model {model}: {reason}")
        self.model = model
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """Frames of one analysis size and fit that are judged together.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, contiguous; row i belongs to `frames[i]`.
        frames: The frames, at most one per camera.
        rows: For each model that is due: the rows that it shall look at, ascending.
        shadows: The same for versions that are only compared. Nobody waits for them.
    """

    images: Image
    frames: tuple[Frame, ...]
    rows: Mapping[ModelRef, tuple[int, ...]]
    shadows: Mapping[ModelRef, tuple[int, ...]] = field(default_factory=dict)


Found = Mapping[ModelRef, tuple[Detections, ...]]
"""Per model one `Detections` per row that it looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """What became of a micro-batch: one model's failure is not another's.

    Attributes:
        found: The answers of the models that answered.
        failures: Why the others did not.
    """

    found: Found
    failures: Mapping[ModelRef, DetectorError] = field(default_factory=dict)


class PendingDetections(Protocol):
    """A micro-batch under way."""

    def result(self, timeout_s: float) -> BatchResult:
        """Waits for the models of `MicroBatch.rows`, `timeout_s` seconds in all."""
        ...

    def shadow_result(self) -> BatchResult | None:
        """What the models of `MicroBatch.shadows` say, or None while one of them still works.

        Never waits. Given once: asking again after an answer is an error of the caller.
        """
        ...

    def abandon_shadows(self) -> None:
        """Nobody wants the shadows' answers any more."""
        ...


class DetectorPort(Protocol):
    """Something that judges micro-batches."""

    def submit(self, batch: MicroBatch) -> PendingDetections:
        """Starts inference; returns at once. A model that cannot be reached fails in the result."""
        ...

    def retain(self, models: frozenset[str]) -> None:
        """Lets go of what it keeps for models other than these `name/version`."""
        ...
