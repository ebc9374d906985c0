"""The serving path as camera workers use it, from a batch to its detections, and what it spends.

All that benchmarks of Ray Serve know of the product's classes is in this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.processes import MAIN, RAY_NODE, REPLICAS, CityProcesses, processes_of
from benchmarks.rounds import Quantities
from benchmarks.timed import repeat
from camera_adapters import Image
from models import ModelPackage
from pipelines import RESULT_TIMEOUT_S, DetectorPort, InferenceMetrics, MicroBatch, ModelRef
from serving import ClusterSettings, RayServeDetectors, cluster, model_ref, served_model

CALLER, REPLICA, RAYLET, OTHERS = "caller", "replica", "raylet", "others"
_ROLES: Final = {MAIN: CALLER, REPLICAS: REPLICA, RAY_NODE: RAYLET}


@dataclass(frozen=True, slots=True)
class ServePath:
    """A model behind Ray Serve on this machine."""

    model: ModelRef
    port: DetectorPort

    def measure(self, images: Image, callers: int, seconds: float) -> Quantities:
        """Sends a batch again and again.

        Args:
            images: (N, H, W, 3) uint8 RGB of the model's input size.
            callers: Threads that each wait for a result before they send again.
            seconds: For how long.

        Returns:
            `images_per_s`; latency of a call `p50_ms`, `p95_ms`; `queue_ms` from sending to the
            start of the run; `run_ms` in the model per image; `replica_busy`, the share of the time
            in which the model ran; CPU milliseconds per image of the caller, the replica, the
            raylet and Ray's other processes.
        """
        batch = MicroBatch(images, (), (), {self.model: tuple(range(len(images)))})
        before, cpu_before = self._metrics(), processes_of(os.getpid())
        timed = repeat(lambda: self._infer(batch), seconds, callers)
        after, cpu_after = self._metrics(), processes_of(os.getpid())
        calls, run_s = after.requests - before.requests, after.run.total - before.run.total
        spent = {
            f"{role}_cpu_ms": 1000 * seconds / timed.items
            for role, seconds in spent_by_role(cpu_before, cpu_after).items()
        }
        return {
            "images_per_s": timed.per_s,
            "p50_ms": timed.latency_ms(50),
            "p95_ms": timed.latency_ms(95),
            "queue_ms": 1000 * (after.queue.total - before.queue.total) / calls,
            "run_ms": 1000 * run_s / timed.items,
            "replica_busy": run_s / timed.wall_s,
            "cpu_ms": sum(spent.values()),
            **spent,
        }

    def _infer(self, batch: MicroBatch) -> int:
        result = self.port.submit(batch).result(RESULT_TIMEOUT_S)
        for failure in result.failures.values():
            raise failure
        return len(result.found[self.model])

    def _metrics(self) -> InferenceMetrics:
        return self.port.metrics.get(self.model.key) or InferenceMetrics()


@contextmanager
def serve_path(package: ModelPackage, threads: int, api_port: int) -> Iterator[ServePath]:
    """Starts Ray Serve with one replica of a model, and stops it.

    Raises:
        ServingError: It cannot be served.
        ClusterError: Ray does not start.
    """
    with cluster(ClusterSettings(api_port=api_port)):
        service = RayServeDetectors()
        served = served_model(package, threads=threads)
        service.deploy([served])
        yield ServePath(model_ref(package), service.port({served.ref.key: served}))


def spent_by_role(before: CityProcesses, after: CityProcesses) -> dict[str, float]:
    """Processor seconds between two moments, by what the processes are for a call."""
    spent = dict.fromkeys((CALLER, REPLICA, RAYLET, OTHERS), 0.0)
    for name, seconds in after.since(before).items():
        spent[_ROLES.get(name, OTHERS)] += seconds
    return spent
