"""Metrics in the exposition format of Prometheus, made from the workers' snapshots when asked.

Counters that several workers have carry the worker's name: one that is replaced starts at zero, and
a query that takes rates before it sums sees that as a restart and not as a loss. One that has not
answered for some seconds has no samples but how long it is silent and how often it was replaced;
its cameras are in state `unknown`. `docs/metrics.md` is the table of all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from pipelines import Histogram, InferenceMetrics, PriorityLoad
from pipelines.delivery import Kept, SinkState, city_sinks
from serving.api.answers import ModelAnswer, cameras_by_version
from serving.api.camera_metrics import UNKNOWN, camera_families
from serving.api.metric_family import counter, gauge
from serving.camera_worker import WorkerSnapshot
from serving.capacity.budget import CapacityState
from serving.rollout.rollouts import RolloutState
from serving.worker_state import WorkerState, loads_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
RUNNING = "RUNNING"
VERSION = ("model", "version")


def _age_s(sink: SinkState) -> float:
    if sink.oldest is None:
        return 0.0
    # A clock that was set back makes nothing younger than new.
    return max(0.0, (datetime.now(UTC) - sink.oldest).total_seconds())


MODEL_COUNTERS: Sequence[tuple[str, str, Callable[[InferenceMetrics], float]]] = (
    ("requests", "Batches sent to a model version for inference", lambda one: one.requests),
    ("errors", "Batches whose inference failed", lambda one: one.errors),
    ("images", "Images inferred", lambda one: one.images),
    ("cpu_seconds", "Processor time of inference", lambda one: one.cpu_s),
)
MODEL_HISTOGRAMS: Sequence[tuple[str, str, Callable[[InferenceMetrics], Histogram]]] = (
    ("batch_size", "Images per batch", lambda one: one.batch),
    ("queue_seconds", "Queue time of a batch until its inference", lambda one: one.queue),
    ("inference_seconds", "Inference latency of a batch, without queue time", lambda one: one.run),
)
LOAD_GAUGES: Sequence[tuple[str, str, Callable[[PriorityLoad], float]]] = (
    ("asked_fps", "Inferences per second that tasks ask for", lambda load: load.asked_fps),
    ("given_fps", "Inferences per second that tasks get", lambda load: load.given_fps),
)
CAPACITY_GAUGES: Sequence[tuple[str, str, Callable[[CapacityState], float]]] = (
    ("cores", "Cores of this machine that cameras may use", lambda one: one.cores),
    ("needed_cores", "Cores that cameras need with all they ask for", lambda one: one.needed_cores),
    ("more_cameras", "Further cameras like their mean that fit", lambda one: one.more),
)
SINK_GAUGES: Sequence[tuple[str, str, Callable[[SinkState], float]]] = (
    ("up", "1 while a sink takes events, 0 while it does not", lambda one: one.since is None),
    ("pending_events", "Events that wait for a sink", lambda one: one.pending),
    ("oldest_pending_seconds", "Age of the oldest of them, 0 without", _age_s),
    ("dead_letters", "Events that a sink refused for good", lambda one: one.dead),
)
SINK_COUNTERS: Sequence[tuple[str, str, Callable[[SinkState], float]]] = (
    ("deliveries", "Events that a sink acknowledged", lambda one: one.delivered),
    ("failures", "Attempts that a sink did not acknowledge", lambda one: one.failed),
)
WORKER_COUNTERS: Sequence[tuple[str, str, Callable[[WorkerSnapshot], float]]] = (
    ("events_shed", "Events given up as the outbox is full", lambda one: one.losses.shed),
    ("events_lost", "Events given up as the disk took none", lambda one: one.losses.lost),
    ("keyframes_stored", "Keyframes that the store has", lambda one: one.relay.keyframes_stored),
    (
        "keyframes_failures",
        "Attempts to store evidence that failed and are tried again",
        lambda one: one.relay.keyframes_failed,
    ),
    (
        "keyframes_lost",
        "Keyframes lost before they were stored",
        lambda one: one.relay.keyframes_lost + one.losses.keyframes_lost,
    ),
)
Callers = Mapping[str, Mapping[str, InferenceMetrics]]
"""Metrics by caller and `name/version`."""


@dataclass(frozen=True, slots=True)
class CityFacts:
    """What the metrics of a city are made of.

    Attributes:
        kept: What no worker keeps alone.
        problems: How many `/health` names.
        capacity: How much of the machine the cameras need, where that is known.
        others: What callers that are no workers asked for.
        totals: What all callers asked of each `name/version` in service, see `InferenceTotals`.
    """

    workers: Sequence[WorkerState]
    rollouts: Sequence[RolloutState] = ()
    models: Sequence[ModelAnswer] = ()
    kept: Sequence[Kept] = ()
    problems: int = 0
    capacity: CapacityState | None = None
    others: Callers = field(default_factory=dict)
    totals: Mapping[str, InferenceMetrics] = field(default_factory=dict)


class _Collector:
    """A collector over one set of facts."""

    def __init__(self, facts: CityFacts) -> None:
        self._facts = facts
        self._workers = facts.workers
        self._known = [(one.name, one.current) for one in facts.workers if one.current]
        reported = {name: snapshot.models for name, snapshot in self._known}
        self._callers: Callers = {**reported, **facts.others}

    def collect(self) -> Iterable[Metric]:
        yield gauge(
            "cityeye_health_problems",
            "Problems that /health names",
            (),
            [((), self._facts.problems)],
        )
        yield from self._cameras()
        yield from self._inferences()
        yield from self._versions()
        yield from self._loads()
        yield from self._sinks()
        yield from self._evidence()
        yield from self._disk()
        yield from self._processes()

    def _cameras(self) -> Iterable[Metric]:
        states = Counter(c.state.value for worker in self._workers for c in worker.cameras)
        states[UNKNOWN] = sum(len(worker.unknown) for worker in self._workers)
        yield gauge(
            "cityeye_cameras",
            "Cameras by state; nothing is known of those in state unknown",
            ("state",),
            (((state,), count) for state, count in sorted(states.items())),
        )
        yield from camera_families(self._workers)

    def _inferences(self) -> Iterable[Metric]:
        counted = [
            ((*key.split("/"), caller), metrics)
            for caller, models in self._callers.items()
            for key, metrics in models.items()
            # A caller remembers versions that it does not use any more.
            if key in self._facts.totals
        ]
        for name, text, value in MODEL_COUNTERS:
            values = ((labels, value(metrics)) for labels, metrics in counted)
            yield counter(f"cityeye_model_{name}", text, (*VERSION, "worker"), values)
        for name, text, histogram in MODEL_HISTOGRAMS:
            family = HistogramMetricFamily(f"cityeye_model_{name}", text, labels=VERSION)
            for key, metrics in self._facts.totals.items():
                distribution = histogram(metrics)
                family.add_metric(key.split("/"), _buckets(distribution), distribution.total)
            yield family
        yield gauge(
            "cityeye_model_provider",
            "1 for an execution provider of newest inferences",
            # As a label, as it is no number.
            (*VERSION, "provider"),
            sorted({((*of[:2], one.provider), 1) for of, one in counted if one.provider}),
        )

    def _versions(self) -> Iterable[Metric]:
        models = [((one.name, one.version), one) for one in self._facts.models]
        yield gauge(
            "cityeye_model_up",
            "1 while a version in service is well, 0 while it is not",
            VERSION,
            ((labels, one.status == RUNNING) for labels, one in models),
        )
        yield gauge(
            "cityeye_model_replicas",
            "Replicas of a version that run; 0 where camera workers run it themselves",
            VERSION,
            ((labels, one.replicas) for labels, one in models),
        )
        yield gauge(
            "cityeye_model_cameras",
            "Cameras whose newest frame has the result of this version",
            VERSION,
            ((key.split("/"), len(ids)) for key, ids in cameras_by_version(self._workers).items()),
        )
        tables = [state.rollout for state in self._facts.rollouts]
        yield gauge(
            "cityeye_model_role",
            "1 for what a version is in its rollout table",
            (*VERSION, "role"),
            (((one.model, v, one.role(v)), 1) for one in tables for v in one.versions),
        )

    def _loads(self) -> Iterable[Metric]:
        loads = loads_of(self._workers)
        for name, text, value in LOAD_GAUGES:
            samples = (((priority,), value(load)) for priority, load in loads.items())
            yield gauge(f"cityeye_load_{name}", text, ("priority",), samples)
        capacity = self._facts.capacity
        for name, text, of in CAPACITY_GAUGES:
            known = [] if capacity is None else [((), of(capacity))]
            yield gauge(f"cityeye_capacity_{name}", text, (), known)

    def _sinks(self) -> Iterable[Metric]:
        known = [(name, sink) for name, snapshot in self._known for sink in snapshot.relay.sinks]
        sinks = city_sinks(sink for _, sink in known)
        for name, text, value in SINK_GAUGES:
            samples = (((sink.name,), value(sink)) for sink in sinks)
            yield gauge(f"cityeye_sink_{name}", text, ("sink",), samples)
        for name, text, value in SINK_COUNTERS:
            counts = (((sink.name, worker), value(sink)) for worker, sink in known)
            yield counter(f"cityeye_sink_{name}", text, ("sink", "worker"), counts)

    def _evidence(self) -> Iterable[Metric]:
        for name, text, value in WORKER_COUNTERS:
            values = (((worker,), value(snapshot)) for worker, snapshot in self._known)
            yield counter(f"cityeye_{name}", text, ("worker",), values)
        snapshots = [snapshot for _, snapshot in self._known]
        yield gauge(
            "cityeye_events_unsaved",
            "Events in memory as the disk does not take them",
            (),
            [((), sum(one.losses.unsaved for one in snapshots))],
        )
        yield gauge(
            "cityeye_keyframes_pending",
            "Files of evidence that wait for the keyframe store",
            (),
            [((), sum(one.relay.keyframes_pending for one in snapshots))],
        )

    def _disk(self) -> Iterable[Metric]:
        disks = [snapshot.disk for _, snapshot in self._known if snapshot.disk]
        fullest = [((), min(disks, key=lambda disk: disk.free))] if disks else []
        yield gauge(
            "cityeye_disk_free_bytes",
            "Free bytes on the disk of the state folder",
            (),
            ((labels, disk.free) for labels, disk in fullest),
        )
        yield gauge(
            "cityeye_disk_size_bytes",
            "Size of that disk",
            (),
            ((labels, disk.size) for labels, disk in fullest),
        )
        kept: defaultdict[str, list[Kept]] = defaultdict(list)
        for one in self._facts.kept:
            kept[one.name.replace(" ", "_")].append(one)
        for worker, snapshot in self._known:
            for one in snapshot.kept:
                kept[one.name.removeprefix(f"{worker} ").replace(" ", "_")].append(one)
        yield gauge(
            "cityeye_kept_bytes",
            "What is kept, by kind",
            ("kind",),
            (((kind,), sum(one.bytes for one in parts)) for kind, parts in kept.items()),
        )
        yield gauge(
            "cityeye_kept_limit_bytes",
            "How much of a kind may be kept, where there is a limit",
            ("kind",),
            (((kind,), _limit_bytes(parts)) for kind, parts in kept.items()),
        )

    def _processes(self) -> Iterable[Metric]:
        yield gauge(
            "cityeye_worker_silent_seconds",
            "Time since the newest answer of a camera worker",
            ("worker",),
            (((worker.name,), worker.silent_s) for worker in self._workers),
        )
        yield counter(
            "cityeye_worker_restarts",
            "How often a camera worker was replaced",
            ("worker",),
            (((worker.name,), worker.restarts) for worker in self._workers),
        )
        yield gauge(
            "cityeye_worker_memory_bytes",
            "Memory that the process of a camera worker holds for itself, swapped out or not",
            ("worker",),
            (((name,), snapshot.memory_bytes) for name, snapshot in self._known),
        )


def exposition(facts: CityFacts) -> bytes:
    """All metrics as text, and those of this process."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Collector(facts))
    return generate_latest(registry)


def _limit_bytes(parts: Sequence[Kept]) -> float | None:
    limits = [one.limit.max_bytes for one in parts if one.limit.gigabytes is not None]
    return sum(limits) if limits else None


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    return [
        (bound, float(count))
        for bound, count in zip(bounds, accumulate(histogram.counts), strict=True)
    ]
