"""Plans: what is to be done with a camera's frames, resolved from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec
from pipelines.zone import Zone

WEAK_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model version as a pipeline needs to know it: no file, no session.

    Attributes:
        name: Package name, also the name of its Serve application.
        version: Package version.
        size: Input size in pixels.
        labels: Class names by class id.
        threshold: Score from which on a detection may begin a track.
        max_batch: Largest micro-batch the model accepts.
    """

    name: str
    version: str
    size: Size
    labels: tuple[str, ...]
    threshold: float
    max_batch: int = 16

    @property
    def floor(self) -> float:
        """Score up to which a detection is noise; above it, it may at least continue a track."""
        return self.threshold * WEAK_SHARE


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule of one task: its kind (`traffic.congestion`) and its validated parameters."""

    kind: str
    zones: tuple[Zone, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task of one camera: which model looks, how often, and which rules judge."""

    task: str
    model: ModelRef
    fps: float
    rules: tuple[RulePlan, ...]


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """A camera and everything that is to be done with its frames."""

    camera: CameraSpec
    tasks: tuple[TaskPlan, ...]
