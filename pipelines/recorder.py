"""`PipelineRecorder`: what a camera's pipeline needs of whoever takes what its rules found."""

from __future__ import annotations

from typing import Protocol

from camera_adapters import CameraSpec
from pipelines.coverage import Coverage
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import Measurement, Transition
from pipelines.plan import ModelRef


class PipelineRecorder(Protocol):
    """Where a pipeline leaves what its rules found: `EvidenceRecorder`, or that of a replay."""

    def publish(
        self,
        transition: Transition,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
        frame: EvidenceFrame | None,
        peak: EvidenceFrame | None = None,
    ) -> Transition:
        """See `EvidenceRecorder.publish`."""
        ...

    def publish_measurement(
        self,
        measurement: Measurement,
        task: str,
        coverage: Coverage,
        camera: CameraSpec,
        model: ModelRef,
        rule: tuple[str, str],
    ) -> None:
        """See `EvidenceRecorder.publish_measurement`."""
        ...
