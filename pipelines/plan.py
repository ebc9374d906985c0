"""Plans: what is to be done with a camera's frames, resolved from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from camera_adapters.geometry import ImageFit, Size, ViewSpec
from camera_adapters.spec import CameraSpec
from pipelines.rules.rule import RulePlan

WEAK_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model version as a pipeline needs to know it: no file, no session.

    Attributes:
        name: Package name.
        version: Package version.
        size: Input size in pixels.
        labels: Class names by class id.
        threshold: Score from which on a detection may begin a track.
        max_batch: Largest micro-batch the model accepts.
        fit: How a camera's image is brought to the input size.
    """

    name: str
    version: str
    size: Size
    labels: tuple[str, ...]
    threshold: float
    max_batch: int = 16
    fit: ImageFit = "letterbox"

    @property
    def key(self) -> str:
        """`name/version`; two references with one key differ in the threshold at most."""
        return f"{self.name}/{self.version}"

    @property
    def view(self) -> ViewSpec:
        """The analysis image that the model takes."""
        return ViewSpec(self.size, self.fit)

    @property
    def min_score(self) -> float:
        """Score up to which a detection is noise; above it, it may at least continue a track."""
        return self.threshold * WEAK_SHARE


@dataclass(frozen=True, slots=True)
class Route:
    """Which versions run for one task of one camera.

    Attributes:
        model: The one whose detections count.
        shadow: One that runs on the same frames and is only compared, never published.
    """

    model: ModelRef
    shadow: ModelRef | None = None

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """All that run."""
        return (self.model,) if self.shadow is None else (self.model, self.shadow)


Routes = Mapping[str, Route]
"""The routes of one camera by task."""


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task of one camera: which model runs, how often, and which rules apply.

    Attributes:
        shadow: A version that is only compared.
        pinned: Whether the configuration names the very version; rollouts then leave it alone.
    """

    task: str
    model: ModelRef
    fps: float
    rules: tuple[RulePlan, ...]
    shadow: ModelRef | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """A camera and everything that is to be done with its frames."""

    camera: CameraSpec
    tasks: tuple[TaskPlan, ...]

    @property
    def routes(self) -> Routes:
        """Which versions run, by task."""
        return {task.task: Route(task.model, task.shadow) for task in self.tasks}

    def rerouted(self, routes: Routes) -> CameraPlan:
        """The same plan with other versions; tasks that `routes` leaves out keep theirs."""
        tasks = tuple(
            replace(task, model=routes[task.task].model, shadow=routes[task.task].shadow)
            if task.task in routes
            else task
            for task in self.tasks
        )
        return replace(self, tasks=tasks)
