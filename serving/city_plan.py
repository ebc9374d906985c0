"""`CityPlan`: everything that serving needs to know, resolved from the configuration.

Plain picklable values: the plan travels to the director and its workers through Ray.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from pipelines import CameraPlan, CaseTable, Routes, Slots, model_keys
from pipelines.delivery import KeyframeSettings, Retention, SinkSettings
from pipelines.tracing import TraceSettings
from serving.capacity.cost import CostModel, ModelCost
from serving.capacity.watch import CapacityPolicy
from serving.detectors import DetectorKind
from serving.errors import RolloutError
from serving.rollout.rollout import Rollout
from serving.rollout.routing_table import RoutingTable
from serving.served_models import RepositoryVersions, ServedModel

OUTBOX_FILE: Final = "outbox.db"
SPOOL_FOLDER: Final = "spool"
COMPARISONS_FOLDER: Final = "comparisons"
LOG_FILE: Final = "worker.log"
"""In the folder of each worker."""

NODE_STATE: Final = "CITYEYE_NODE_STATE"
"""Environment variable of Ray on a machine whose state folder is another one than that of the
configuration."""

PLACES_FOLDER: Final = "places"
"""In the folder of the city, as cameras go from one worker to another."""

LogSetUp = Callable[[Path], None]
"""Called first in a new process: sends its log to a file. Travels by its import path."""


def keep_default_logs(_: Path) -> None:
    """Leaves logging as it is."""


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """Where evidence goes; every sink gets every event.

    Attributes:
        state: Folder for outboxes and spools; one file or folder per worker in it, on the disk of
            each machine that has workers.
        keyframe_address: What stands before a keyframe's key in its address; empty for none.
        retention: How much of everything is kept.
        cases: The city's case codes, if it has any.
        traces: Which frames are traced, and where their spans go; none without it.
    """

    keyframes: KeyframeSettings
    sinks: tuple[SinkSettings, ...]
    state: Path
    retention: Retention = field(default_factory=Retention)
    keyframe_address: str = ""
    cases: CaseTable | None = None
    traces: TraceSettings | None = None

    def on_this_node(self) -> DeliveryPlan:
        """The same with the state folder of the machine that this process is on."""
        folder = os.environ.get(NODE_STATE)  # noqa: TID251 - that of the node, not of the city
        return replace(self, state=Path(folder)) if folder else self


@dataclass(frozen=True, slots=True)
class Liveness:
    """When a worker counts as lost and is replaced.

    Attributes:
        snapshot_timeout_s: How long it has to answer one check.
        start_grace_s: How long it may be silent after its start.
        silent_after_s: How long it may be silent once it has answered.
        hang_after_s: How long one round of its frame loop may take.
        memory_bytes: How much its process may hold for itself; None without a limit.
    """

    snapshot_timeout_s: float = 3.0
    start_grace_s: float = 180.0
    silent_after_s: float = 15.0
    hang_after_s: float = 60.0
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How the configuration wants models to run; `auto` is chosen by a measurement.

    Attributes:
        detector: What runs them.
        threads: ONNX Runtime threads of each run.
        replicas: Runs at once of each model on this machine.
        cameras_per_worker: Cameras that share one process.
        worker_memory_bytes: How much each of those processes may hold for itself.
    """

    detector: DetectorKind | Literal["auto"] = "auto"
    threads: int | Literal["auto"] = "auto"
    replicas: int | Literal["auto"] = "auto"
    cameras_per_worker: int | Literal["auto"] = "auto"
    worker_memory_bytes: int | Literal["auto"] = "auto"


@dataclass(frozen=True, slots=True)
class CityPlan:
    """All cameras, the models that they need, and where evidence goes.

    Attributes:
        cameras: Every camera; a task that is not pinned names the stable version of its model.
        models: Every version that is to run, canaries and shadows included.
        city: What names the city in the CloudEvents source of its events.
        rollouts: A table for every model that a task names without a version.
        absent: Why versions that a table names are not among the models, by `name/version`.
        other_precisions: By model that the city has not run yet, what may take the place of its
            stable version because it is faster here.
        versions: Where further versions come from; None where there are none.
        wish: How models shall run.
        detector: What runs them, once that is decided.
        slots: How many inferences run or wait at once in all workers together, once decided.
        cameras_per_worker: Cameras that share one process, once decided.
        assignment: Ids of the cameras of each worker, by its name; by their order in the
            configuration where it is empty.
        keep_warm_s: How long a version runs on that has left service, seconds.
        capacity: What becomes of cameras for which the machine has no room.
        inference: What inferences cost that do not run in the camera workers, by `name/version`,
            once decided.
        costs: What cameras cost on this machine; None where that is not known.
        on_all_nodes: Whether all machines of the cluster watch cameras, or this one alone.
        control_service: `HOST:PORT` of that of the cluster; empty where Ray is the city's own.
        drain_s: How long a stopping worker goes on delivering.
        log_to: How director and workers set up their logs.
        liveness: When the director replaces a worker.
    """

    cameras: tuple[CameraPlan, ...]
    models: tuple[ServedModel, ...]
    delivery: DeliveryPlan
    city: str = "city"
    rollouts: tuple[Rollout, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    other_precisions: Mapping[str, tuple[ServedModel, ...]] = field(default_factory=dict)
    versions: RepositoryVersions | None = None
    wish: Wish = Wish()
    detector: DetectorKind = "ray_serve"
    slots: Slots = field(default_factory=Slots)
    cameras_per_worker: int = 8
    assignment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keep_warm_s: float = 0.0
    capacity: CapacityPolicy = "share"
    inference: Mapping[str, ModelCost] = field(default_factory=dict)
    costs: CostModel | None = None
    on_all_nodes: bool = False
    control_service: str = ""
    drain_s: float = 10.0
    log_to: LogSetUp = keep_default_logs
    liveness: Liveness = Liveness()

    @property
    def measures_nodes(self) -> bool:
        """Whether cameras are refused by what they cost on each machine of the cluster.

        Where models run in replicas of their own, nobody has measured what cameras cost in all.
        """
        return self.on_all_nodes and self.capacity == "refuse" and self.detector == "in_process"

    def needs(self, model: ServedModel) -> bool:
        """Whether the city cannot do without: a stable version, or one that a camera names."""
        keys = {task.model.key for plan in self.cameras for task in plan.tasks}
        return model.ref.key in keys

    def routing(self, absent: Mapping[str, str]) -> RoutingTable:
        """Tables and versions at the start, without those that could not be started."""
        served = {one.ref.key: one for one in self.models if one.ref.key not in absent}
        return RoutingTable({table.model: table for table in self.rollouts}, served, absent)

    def with_cameras(self, cameras: Sequence[CameraPlan]) -> CityPlan:
        """The same city with other cameras; none that stays moves to another worker.

        A new camera goes to the worker with the fewest among those whose node may have it, or to a
        new one where all are full.
        """
        wanted = {plan.camera.id: plan for plan in cameras}
        kept = {
            share.name: [plan.camera.id for plan in share.cameras if plan.camera.id in wanted]
            for share in shares(self)
        }
        labels = {share.name: share.node_labels for share in shares(self)}
        known = {name for names in kept.values() for name in names}
        for name, camera in wanted.items():
            if name not in known:
                fit = [one for one in kept if labels[one] == camera.node_labels]
                worker = min(fit, key=lambda one: len(kept[one]), default=None)
                if worker is None or len(kept[worker]) >= self.cameras_per_worker:
                    worker = worker_name(len(kept))
                    kept[worker] = []
                labels[worker] = camera.node_labels
                kept[worker].append(name)
        assignment = {worker: tuple(names) for worker, names in kept.items()}
        return replace(self, cameras=tuple(cameras), assignment=assignment)

    def find(self, name: str, version: str) -> ServedModel:
        """An admitted version of the repository.

        Raises:
            RolloutError: There is none, or it was not admitted; the text says what to do.
        """
        if self.versions is None:
            raise RolloutError(f"model {name}: this city has no repository of versions")
        return self.versions.find(name, version)


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker's share of the city.

    Attributes:
        city: See `CityPlan`.
        models: The versions that its frames are sent to.
        incarnation: The number of this start, see `Incarnations`; grows over all workers of the
            city, so that what a worker says of a camera comes after what the worker before said.
            0 before a start.
        replaced: Why the worker before this one was replaced; empty where that is not known.
        may_move: Whether another machine may have to go on with its cameras.
        open_elsewhere: The newest events of incidents that the worker before this one left open in
            an outbox on a machine that is away, as JSON.
    """

    name: str
    cameras: tuple[CameraPlan, ...]
    delivery: DeliveryPlan = field(repr=False)
    city: str = "city"
    models: tuple[ServedModel, ...] = ()
    detector: DetectorKind = "ray_serve"
    slots: Slots = field(default_factory=Slots)
    drain_s: float = 10.0
    log_to: LogSetUp = keep_default_logs
    incarnation: int = 0
    replaced: str = ""
    may_move: bool = False
    open_elsewhere: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def node_labels(self) -> Mapping[str, str]:
        """What its node has to be labelled with: the same for all of its cameras."""
        return self.cameras[0].node_labels if self.cameras else {}

    @property
    def decodes_on_gpu(self) -> bool:
        """Whether any of its cameras wants the engines of a GPU."""
        return any(camera.camera.decoder == "cuda" for camera in self.cameras)

    def rerouted(
        self, routes: Mapping[str, Routes], served: Mapping[str, ServedModel]
    ) -> WorkerPlan:
        """The same share with routes by camera id to versions that run, by `name/version`."""
        cameras = tuple(plan.rerouted(routes.get(plan.camera.id, {})) for plan in self.cameras)
        keys = frozenset[str]().union(*(model_keys(plan.routes) for plan in cameras))
        models = tuple(served[key] for key in sorted(keys) if key in served)
        return replace(self, cameras=cameras, models=models)


def worker_name(number: int) -> str:
    """The name of a worker, and of its folder; `number` counts from 0."""
    return f"worker-{number}"


def shares(plan: CityPlan) -> Sequence[WorkerPlan]:
    """Splits the cameras into groups, in the order of the configuration or as they are assigned."""
    cameras = {one.camera.id: one for one in plan.cameras}
    assignment = plan.assignment or _by_order(plan)
    return [
        WorkerPlan(
            worker,
            tuple(cameras[name] for name in own),
            plan.delivery,
            plan.city,
            detector=plan.detector,
            # Slots by number of cameras; rounded up, as the governor sees to what is even.
            slots=replace(plan.slots, count=_slots(plan, len(own))),
            drain_s=plan.drain_s,
            log_to=plan.log_to,
            may_move=plan.on_all_nodes,
        )
        for worker, own in assignment.items()
    ]


def _by_order(plan: CityPlan) -> dict[str, tuple[str, ...]]:
    """Cameras of a worker follow each other in the configuration, and need the same node labels."""
    by_labels: dict[frozenset[tuple[str, str]], list[str]] = {}
    for one in plan.cameras:
        by_labels.setdefault(frozenset(one.node_labels.items()), []).append(one.camera.id)
    size = plan.cameras_per_worker
    groups = [
        tuple(names[start : start + size])
        for names in by_labels.values()
        for start in range(0, len(names), size)
    ]
    return {worker_name(number): names for number, names in enumerate(groups)}


def _slots(plan: CityPlan, cameras: int) -> int:
    """Threads of a worker with a number of the cameras; at least one, as more may come."""
    return max(1, math.ceil(plan.slots.count * cameras / max(1, len(plan.cameras))))
