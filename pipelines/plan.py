"""Plans: what is to be done with a camera's frames, resolved from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

import numpy as np

from camera_adapters import CameraSpec, ImageFit, Size, ViewSpec
from models.detections import ClassScores, thresholds_by_class
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from pipelines.signals.sight import CANNOT_SEE_S
from pipelines.signals.signal import Signal
from pipelines.thresholds import NamedThresholds

LOW_CONFIDENCE_SHARE = 0.5
"""Detections from this share of the threshold on may continue a track that has begun."""


COVERAGE_S: Final = 60.0
"""Length of the periods over which coverage is measured, seconds."""

Priority = Literal["high", "normal", "low"]
"""Which tasks get their rate first when more is asked for than this machine can infer."""

PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
PRIORITY_RANKS: Final[Mapping[Priority, int]] = {name: i for i, name in enumerate(PRIORITIES)}


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model version as a pipeline needs to know it: no file, no session.

    Attributes:
        size: Input size in pixels.
        labels: Class names by class id.
        threshold: Score from which on a detection may begin a track, for every class that has
            none of its own.
        max_batch: Largest micro-batch the model accepts.
        fit: How a camera's image is brought to the input size.
        class_thresholds: Those of some classes by label.
        view: The analysis image that the model takes.
        key: `name/version`; two references with one key differ in thresholds at most.
        thresholds: Score from which on a detection may begin a track, by class id.
        min_scores: Score up to which a detection is noise, by class id; above it, it may continue
            a track.
    """

    name: str
    version: str
    size: Size
    labels: tuple[str, ...]
    threshold: float
    max_batch: int = 16
    fit: ImageFit = "letterbox"
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    view: ViewSpec = field(init=False, compare=False, repr=False)
    key: str = field(init=False, compare=False, repr=False)
    thresholds: ClassScores = field(init=False, compare=False, repr=False)
    min_scores: ClassScores = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", ViewSpec(self.size, self.fit))
        object.__setattr__(self, "key", f"{self.name}/{self.version}")
        by_class = thresholds_by_class(self.labels, self.threshold, self.class_thresholds)
        object.__setattr__(self, "thresholds", by_class)
        object.__setattr__(self, "min_scores", by_class * np.float32(LOW_CONFIDENCE_SHARE))

    def __hash__(self) -> int:
        """That of the key: tracks are looked up by it for every frame."""
        return hash(self.key)

    @property
    def named_thresholds(self) -> NamedThresholds:
        """Its thresholds by name."""
        return NamedThresholds(self.threshold, self.class_thresholds)

    def overridden(self, wanted: NamedThresholds) -> ModelRef:
        """The same version with other thresholds."""
        default, classes = wanted.over(self.labels, self.threshold, self.class_thresholds)
        return replace(self, threshold=default, class_thresholds=classes)


@dataclass(frozen=True, slots=True)
class Route:
    """Which versions infer the frames of one task of one camera.

    Attributes:
        model: The one whose detections count.
        shadow: One that infers the same frames and is only compared, never published.
        views: The analysis images that they need.
        max_batch: The largest micro-batch that all of them accept.
    """

    model: ModelRef
    shadow: ModelRef | None = None
    views: frozenset[ViewSpec] = field(init=False, compare=False, repr=False)
    max_batch: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "views", frozenset(model.view for model in self.models))
        object.__setattr__(self, "max_batch", min(model.max_batch for model in self.models))

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """All of them."""
        return (self.model,) if self.shadow is None else (self.model, self.shadow)


Routes = Mapping[str, Route]
"""The routes of one camera by task."""


def model_keys(routes: Routes) -> frozenset[str]:
    """Every `name/version` of some routes, shadows included."""
    return frozenset(model.key for route in routes.values() for model in route.models)


@dataclass(frozen=True, slots=True)
class AdaptiveFps:
    """Other rates of a task than its usual one, frames per second; None where it has none.

    Attributes:
        idle: While nothing is seen and nothing moves.
        near: While an object is near a line or the edge of a zone.
    """

    idle: float | None = None
    near: float | None = None


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task of one camera: which model infers, how often, and which rules observe.

    Attributes:
        shadow: A version that is only compared.
        pinned: Whether the configuration names the very version; rollouts then leave it alone.
        priority: Whose rates shrink last when not all can be given.
        thresholds: What the configuration wants instead of the thresholds of whatever version
            infers; `model` has them already.
        adaptive: Its rates where the scene asks for less or more than `fps`.
    """

    task: str
    model: ModelRef
    fps: float
    rules: tuple[RulePlan, ...]
    shadow: ModelRef | None = None
    pinned: bool = False
    priority: Priority = "normal"
    thresholds: NamedThresholds = field(default_factory=NamedThresholds)
    adaptive: AdaptiveFps = AdaptiveFps()

    @property
    def is_adaptive(self) -> bool:
        """Whether its rate follows the scene."""
        return self.adaptive != AdaptiveFps()

    @property
    def least_fps(self) -> float:
        """The lowest rate that it may go down to."""
        return self.fps if self.adaptive.idle is None else self.adaptive.idle

    @property
    def most_fps(self) -> float:
        """The highest rate that it may go up to."""
        return self.fps if self.adaptive.near is None else self.adaptive.near


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """A camera and everything that is to be done with its frames.

    Attributes:
        signals: What is wanted of its images beside what its rules declare.
        cannot_see_s: How long its models must be in doubt until they cannot see well, seconds.
        coverage_s: Length of the periods over which its coverage is measured, seconds.
        masking: Whether heads and plates are unrecognisable in its keyframes.
        measurements: Kinds of measurements of its rules that are published; None for all.
        motion_gate_s: The longest time without an inference while nothing moves, seconds; None
            infers every due frame.
        masks: Where nothing that moves is a reason to infer, or to analyse more often.
        node_labels: What a machine of the cluster has to be labelled with to watch it.
    """

    camera: CameraSpec
    tasks: tuple[TaskPlan, ...]
    signals: frozenset[Signal] = frozenset()
    cannot_see_s: float = CANNOT_SEE_S
    coverage_s: float = COVERAGE_S
    masking: bool = True
    measurements: frozenset[str] | None = None
    motion_gate_s: float | None = None
    masks: tuple[Zone, ...] = ()
    node_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_adaptive(self) -> bool:
        """Whether the rate of some task follows the scene."""
        return any(task.is_adaptive for task in self.tasks)

    @property
    def routes(self) -> Routes:
        """The versions of the plan, by task."""
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
