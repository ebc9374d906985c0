"""Metrics in the exposition format of Prometheus, made from the workers' snapshots when asked.

Counters carry the worker's name: a worker that is replaced starts at zero, and a query that takes
rates before it sums sees that as a restart and not as a loss. One that has not answered for some
seconds has no samples but how long it is silent; its cameras are in state `unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from pipelines import Histogram, InferenceMetrics, PriorityLoad
from pipelines.delivery import SinkState, city_sinks
from serving.api.answers import cameras_by_version
from serving.rollout.rollouts import RolloutState
from serving.worker_state import WorkerState, loads_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MODEL = ("model", "version", "worker")

COUNTERS: Mapping[str, tuple[str, Callable[[InferenceMetrics], float]]] = {
    "requests": ("Batches sent to a model version for inference", lambda one: one.requests),
    "errors": ("Batches whose inference failed", lambda one: one.errors),
    "images": ("Images inferred", lambda one: one.images),
    "cpu_seconds": ("Processor time of inference", lambda one: one.cpu_s),
}
HISTOGRAMS: Mapping[str, tuple[str, Callable[[InferenceMetrics], Histogram]]] = {
    "batch_size": ("Images per batch", lambda one: one.batch),
    "queue_seconds": ("Queue time of a batch until its inference", lambda one: one.queue),
    "inference_seconds": ("Inference latency of a batch, without queue time", lambda one: one.run),
}
LOAD_GAUGES: Sequence[tuple[str, str, Callable[[PriorityLoad], float]]] = (
    ("asked_fps", "Inferences per second that tasks ask for", lambda load: load.asked_fps),
    ("given_fps", "Inferences per second that tasks get", lambda load: load.given_fps),
)
SINK_GAUGES: Sequence[tuple[str, str, Callable[[SinkState], float]]] = (
    ("up", "1 while a sink takes events, 0 while it does not", lambda one: one.since is None),
    ("pending_events", "Events that wait for a sink", lambda one: one.pending),
    ("dead_letters", "Events that a sink refused for good", lambda one: one.dead),
)
SINK_COUNTERS: Sequence[tuple[str, str, Callable[[SinkState], float]]] = (
    ("deliveries", "Events that a sink acknowledged", lambda one: one.delivered),
    ("failures", "Attempts that a sink did not acknowledge", lambda one: one.failed),
)
Callers = Mapping[str, Mapping[str, InferenceMetrics]]
"""Metrics by caller and `name/version`."""


class _Collector:
    """A collector over one set of answers."""

    def __init__(
        self, workers: Sequence[WorkerState], rollouts: Sequence[RolloutState], others: Callers
    ) -> None:
        reported = {state.name: state.current.models for state in workers if state.current}
        self._callers: Callers = {**reported, **others}
        self._workers = workers
        self._rollouts = rollouts

    def collect(self) -> Iterable[Metric]:
        yield from self._models()
        yield _gauge(
            "cityeye_model_provider",
            "1 for the execution provider of the newest inference",
            # As a label, as it is no number.
            (*MODEL, "provider"),
            (((*of, one.provider), 1) for of, one in self._metrics() if one.provider),
        )
        yield _gauge(
            "cityeye_model_cameras",
            "Cameras whose newest frame has the result of this version",
            ("model", "version"),
            ((key.split("/"), len(ids)) for key, ids in cameras_by_version(self._workers).items()),
        )
        yield from self._loads()
        yield from self._cameras()
        yield from self._sinks()
        tables = [state.rollout for state in self._rollouts]
        yield _gauge(
            "cityeye_model_role",
            "1 for what a version is in its rollout table",
            ("model", "version", "role"),
            (((one.model, v, one.role(v)), 1) for one in tables for v in one.versions),
        )

    def _metrics(self) -> Iterable[tuple[tuple[str, str, str], InferenceMetrics]]:
        for caller, models in self._callers.items():
            for key, metrics in models.items():
                name, _, version = key.partition("/")
                yield (name, version, caller), metrics

    def _cameras(self) -> Iterable[Metric]:
        states = Counter(c.state.value for worker in self._workers for c in worker.cameras)
        states["unknown"] = sum(len(worker.unknown) for worker in self._workers)
        yield _gauge(
            "cityeye_cameras",
            "Cameras by state; nothing is known of those in state unknown",
            ("state",),
            (((state,), count) for state, count in sorted(states.items())),
        )
        yield _gauge(
            "cityeye_worker_silent_seconds",
            "Seconds since the newest answer of a camera worker",
            ("worker",),
            (((worker.name,), worker.silent_s) for worker in self._workers),
        )
        yield _gauge(
            "cityeye_worker_memory_bytes",
            "Memory that the process of a camera worker holds for itself, swapped out or not",
            ("worker",),
            (((one.name,), one.current.memory_bytes) for one in self._workers if one.current),
        )

    def _loads(self) -> Iterable[Metric]:
        loads = loads_of(self._workers)
        for name, text, value in LOAD_GAUGES:
            samples = (((priority,), value(load)) for priority, load in loads.items())
            yield _gauge(f"cityeye_load_{name}", text, ("priority",), samples)

    def _sinks(self) -> Iterable[Metric]:
        known = [
            (state.name, sink)
            for state in self._workers
            if state.current
            for sink in state.current.relay.sinks
        ]
        sinks = city_sinks(sink for _, sink in known)
        for name, text, value in SINK_GAUGES:
            samples = (((sink.name,), value(sink)) for sink in sinks)
            yield _gauge(f"cityeye_sink_{name}", text, ("sink",), samples)
        for name, text, value in SINK_COUNTERS:
            counter = CounterMetricFamily(f"cityeye_sink_{name}", text, labels=("sink", "worker"))
            for worker, sink in known:
                counter.add_metric((sink.name, worker), value(sink))
            yield counter

    def _models(self) -> Iterable[Metric]:
        for name, (text, value) in COUNTERS.items():
            counter = CounterMetricFamily(f"cityeye_model_{name}", text, labels=MODEL)
            for labels, metrics in self._metrics():
                counter.add_metric(labels, value(metrics))
            yield counter
        for name, (text, histogram) in HISTOGRAMS.items():
            family = HistogramMetricFamily(f"cityeye_model_{name}", text, labels=MODEL)
            for labels, metrics in self._metrics():
                values = histogram(metrics)
                family.add_metric(labels, _buckets(values), values.total)
            yield family


def _gauge(
    name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def exposition(
    workers: Sequence[WorkerState], rollouts: Sequence[RolloutState], others: Callers
) -> bytes:
    """All metrics as text; `others` are those of callers that are no workers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(workers, rollouts, others))
    return generate_latest(registry)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    return [
        (bound, float(count))
        for bound, count in zip(bounds, accumulate(histogram.counts), strict=True)
    ]
