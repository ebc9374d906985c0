"""Turns: frames that were taken together, while they are being judged and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from camera_adapters.frame import Frame
from models.detections import Detections
from pipelines.detector import BatchResult, MicroBatch, PendingDetections
from pipelines.plan import ModelRef, Routes


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What was taken together and is being judged.

    Attributes:
        routes: The routes that the frame of each camera was sent along.
    """

    under_way: tuple[tuple[MicroBatch, PendingDetections], ...]
    routes: Mapping[str, Routes]

    @property
    def has_shadows(self) -> bool:
        """Whether a shadow looks at a frame of it."""
        return any(batch.shadows for batch, _ in self.under_way)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowAnswer:
    """What shadows said of a turn.

    Attributes:
        found: Detections by camera and shadow; one that failed is left out.
        fault: Why one failed, empty if none did.
    """

    found: Mapping[str, Mapping[ModelRef, Detections]]
    fault: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ShadowTurn:
    """A judged turn whose shadows are still at work.

    Attributes:
        frames: The judged frames by camera.
        seen: What the versions in service saw, by camera.
        since_s: When the turn was judged, monotonic seconds.
    """

    turn: Turn
    frames: Mapping[str, Frame]
    seen: Mapping[str, Mapping[ModelRef, Detections]]
    since_s: float
    _batch_results: dict[int, BatchResult] = field(default_factory=dict)

    def answer(self) -> ShadowAnswer | None:
        """What all shadows said, None while one of them still works."""
        for index, (batch, pending) in enumerate(self.turn.under_way):
            if batch.shadows and index not in self._batch_results:
                batch_result = pending.shadow_result()
                if batch_result is None:
                    return None
                self._batch_results[index] = batch_result
        return self._collected()

    def abandon(self) -> ShadowAnswer:
        """What was said so far; the rest is not wanted any more."""
        late = []
        for index, (batch, pending) in enumerate(self.turn.under_way):
            if batch.shadows and index not in self._batch_results:
                pending.abandon_shadows()
                late += [model.key for model in batch.shadows]
        answer = self._collected()
        fault = f"model {', '.join(sorted(set(late)))}: no answer in time" if late else answer.fault
        return ShadowAnswer(answer.found, fault)

    def _collected(self) -> ShadowAnswer:
        found: dict[str, dict[ModelRef, Detections]] = {}
        fault = ""
        for index, batch_result in self._batch_results.items():
            batch, _ = self.turn.under_way[index]
            fault = next((str(error) for error in batch_result.failures.values()), fault)
            for model, answers in batch_result.found.items():
                for row, detections in zip(batch.shadows[model], answers, strict=True):
                    found.setdefault(batch.frames[row].camera, {})[model] = detections
        return ShadowAnswer(found, fault)
