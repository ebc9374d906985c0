"""Placement: where models run, with how many threads, and how many runs at once.

What the configuration leaves to `auto` is chosen by a short measurement at the start of the city.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipelines import CameraPlan, Slots
from serving.capacity.cost import ModelCost
from serving.city_plan import CityPlan, Wish, shares
from serving.cores import usable_cores
from serving.detectors import DetectorKind
from serving.errors import ServingError
from serving.gpu_shares import ROLLOUT_GPUS, may_use_gpu
from serving.gpus import gpus_here, gpus_of_cluster
from serving.memory import memory_per_worker
from serving.nodes import living_nodes
from serving.served_models import ServedModel
from serving.trial import BATCHES, MeasuredRuns, TrialProcess, thread_options

MORE_THREADS: Final = 1.1
"""More threads per run must give so many times the throughput; fewer waste less when it is tight
and leave the others room when a neighbour takes a core."""

MEASUREMENTS: Final = 2
"""How often each number of threads is measured, in alternation; the best counts, because what
else runs on a machine makes a model slower and never faster."""

NEAR_BEST: Final = 0.97
"""Of two batches that cost nearly the same per image, the smaller one is taken."""

GPU_NEAR_BEST: Final = 0.9
AGE_SHARE: Final = 0.5
"""A batch may run for this share of the shortest interval between two frames of a camera."""

CAMERAS_PER_WORKER: Final = 8
"""Where the workers do not infer: a crash of a decoder costs these cameras a few seconds."""

MOST_CAMERAS_PER_WORKER: Final = 64
CORES_PER_WORKER: Final = 4
"""Cores that one process keeps busy: beside inference, about a millisecond per frame is Python,
of which only one thread runs at a time."""

IN_FLIGHT_AHEAD: Final = 1
"""Micro-batches that wait at the replicas beside those that run, so that none idles."""


@dataclass(frozen=True, slots=True)
class ModelPlacement:
    """How one version runs best.

    Attributes:
        threads: ONNX Runtime threads of each run.
        runs: Runs at once on this machine; replicas, with Ray Serve.
        batch: Images per run at most.
        provider: `cpu` or `cuda`.
        local_core_ms: Processor time per image in the caller's process, milliseconds.
        remote_core_ms: The same through another process; None where it was not measured.
    """

    model: ServedModel
    threads: int
    runs: int
    batch: int
    provider: str
    images_per_s: float
    local_core_ms: float
    remote_core_ms: float | None

    @property
    def prefers_local(self) -> bool:
        """Whether it costs less without a hop. A GPU is better shared by all workers."""
        local = self.remote_core_ms is None or self.local_core_ms <= self.remote_core_ms
        return self.provider == "cpu" and local

    def cost(self, kind: DetectorKind) -> ModelCost:
        """What an inference costs where a city has a kind of detector."""
        if self.provider != "cpu":
            return ModelCost(self.local_core_ms / 1000, 1 / self.images_per_s / self.runs, False)
        remote_ms = None if kind == "in_process" else self.remote_core_ms
        core_ms = self.local_core_ms if remote_ms is None else remote_ms
        return ModelCost(core_ms / 1000, local=kind == "in_process")


def placed_plan(plan: CityPlan, on_step: Callable[[str], None]) -> CityPlan:
    """The plan with a detector, threads, replicas and batches for what it leaves to `auto`.

    Args:
        plan: The plan.
        on_step: Gets a sentence for people for each decision.

    Raises:
        ServingError: A version that the city needs cannot be run; the text names it.
    """
    wish = plan.wish
    on_step("measuring how models run best on this machine")
    models = [model for model in plan.models if plan.needs(model)]
    gpus = gpus_here() if wish.detector == "in_process" else gpus_of_cluster()
    found = []
    for model, may_use in zip(models, may_use_gpu(models, gpus), strict=True):
        with TrialProcess(model, ROLLOUT_GPUS if may_use else 0.0) as trial:
            problem = trial.load()
            if problem:
                raise ServingError(f"{model.title} cannot be served: {problem}")
            found.append(_measured(model, trial, wish, _longest_run_s(plan.cameras), gpus))
    local = all(one.prefers_local for one in found)
    chosen: DetectorKind = "in_process" if local else "ray_serve"
    kind = chosen if wish.detector == "auto" else wish.detector
    for one in found:
        on_step(_sentence(one, kind, chosen_here=wish.detector == "auto"))
    return _with(plan, found, kind)


def _measured(
    model: ServedModel, trial: TrialProcess, wish: Wish, longest_run_s: float, gpus: float
) -> ModelPlacement:
    provider = trial.provider()
    if provider == "cpu":
        best = _best_on_cpu(trial, wish)
        batch = 1
    else:
        best = _best_on_gpu(trial, model)
        batch = best.batch
        best = replace(best, runs=max(1, int(gpus)) if wish.replicas == "auto" else wish.replicas)
    remote_core_ms = None
    if provider == "cpu" and wish.detector != "in_process":
        limit = min(model.ref.max_batch, max(1.0, longest_run_s / (best.core_ms / 1000)))
        hops = [trial.measure_hop(size) for size in BATCHES if size <= limit]
        least = min(hop.core_ms for hop in hops)
        hop = next(hop for hop in hops if hop.core_ms * NEAR_BEST <= least)
        batch, remote_core_ms = hop.batch, hop.core_ms
    return ModelPlacement(
        model,
        best.threads,
        best.runs,
        batch,
        provider,
        best.images_per_s,
        best.core_ms,
        remote_core_ms,
    )


def _best_on_cpu(trial: TrialProcess, wish: Wish) -> MeasuredRuns:
    """The number of threads and of runs at once that infers most images per second."""
    cores = math.ceil(usable_cores())
    options = thread_options(cores) if wish.threads == "auto" else [wish.threads]
    found: dict[int, MeasuredRuns] = {}
    for _ in range(MEASUREMENTS if len(options) > 1 else 1):
        for threads in options:
            runs = max(1, cores // threads) if wish.replicas == "auto" else wish.replicas
            one = trial.measure(threads, runs, 1)
            if threads not in found or one.images_per_s > found[threads].images_per_s:
                found[threads] = one
    best = found[options[0]]
    for one in found.values():
        if one.images_per_s > MORE_THREADS * best.images_per_s:
            best = one
    return best


def _best_on_gpu(trial: TrialProcess, model: ServedModel) -> MeasuredRuns:
    """The smallest batch that comes near the greatest throughput."""
    sizes = [size for size in BATCHES if size <= model.ref.max_batch]
    measured = [trial.measure(model.args.threads, 1, size) for size in sizes]
    most = max(one.images_per_s for one in measured)
    return next(one for one in measured if one.images_per_s >= GPU_NEAR_BEST * most)


def _longest_run_s(cameras: Sequence[CameraPlan]) -> float:
    """How long one run may take, so that frames stay young."""
    return AGE_SHARE / max(task.most_fps for camera in cameras for task in camera.tasks)


def _with(plan: CityPlan, found: Sequence[ModelPlacement], kind: DetectorKind) -> CityPlan:
    how = {one.model.ref.key: one for one in found}
    common = {"threads": min(one.threads for one in found), "replicas": found[0].runs}
    models = tuple(_placed_model(model, how.get(model.ref.key), common) for model in plan.models)
    versions = plan.versions and replace(plan.versions, args={**plan.versions.args, **common})
    runs = max(one.runs for one in found)
    batch = 1 if kind == "in_process" else min(one.batch for one in found)
    if kind == "in_process" and any(one.provider != "cpu" for one in found):
        batch = min(one.batch for one in found if one.provider != "cpu")
    # A run of several threads leaves cores idle while its slot converts and tracks.
    ahead = kind == "ray_serve" or any(one.threads > 1 for one in found)
    slots = Slots(runs + (IN_FLIGHT_AHEAD if ahead else 0), batch)
    placed = replace(
        plan,
        detector=kind,
        models=models,
        versions=versions,
        slots=slots,
        cameras_per_worker=_cameras_per_worker(plan, kind),
        inference={key: cost for key, one in how.items() if not (cost := one.cost(kind)).local},
    )
    memory_bytes = plan.wish.worker_memory_bytes
    if memory_bytes == "auto":
        memory_bytes = memory_per_worker(len(shares(placed)))
    return replace(placed, liveness=replace(plan.liveness, memory_bytes=memory_bytes))


def _cameras_per_worker(plan: CityPlan, kind: DetectorKind) -> int:
    """Few workers share the cores better than many, where each of them infers."""
    wanted = plan.wish.cameras_per_worker
    if wanted != "auto":
        return wanted
    if kind == "ray_serve":
        return CAMERAS_PER_WORKER
    cores = [node.cores for node in living_nodes().values()] if plan.on_all_nodes else []
    workers = sum(math.ceil(one / CORES_PER_WORKER) for one in cores or [math.ceil(usable_cores())])
    return min(MOST_CAMERAS_PER_WORKER, math.ceil(len(plan.cameras) / workers))


def _placed_model(
    model: ServedModel, how: ModelPlacement | None, common: dict[str, int]
) -> ServedModel:
    update = common if how is None else {"threads": how.threads, "replicas": how.runs}
    return replace(model, args=model.args.model_copy(update=update))


def _sentence(one: ModelPlacement, kind: DetectorKind, *, chosen_here: bool) -> str:
    threads = "1 thread" if one.threads == 1 else f"{one.threads} threads"
    runs = "1 run" if one.runs == 1 else f"{one.runs} runs at once"
    text = (
        f"{one.model.ref.name} {one.model.ref.version}: {runs} with {threads}, "
        f"{one.images_per_s:.0f} images/s on this machine ({one.provider})"
    )
    if not chosen_here:
        return text
    where = "in the camera workers" if kind == "in_process" else "on Ray Serve"
    if one.remote_core_ms is None:
        return f"{text}; {where}"
    return (
        f"{text}; {where}, as an image costs {one.local_core_ms:.1f} ms of a core in a camera "
        f"worker and {one.remote_core_ms:.1f} ms through another process"
    )
