"""The serving path as camera workers use it, from a batch to its detections, and what it spends.

All that benchmarks of Ray Serve know of the product's classes is in this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.rounds import Quantities
from benchmarks.timed import repeat
from camera_adapters import Image
from models import ModelPackage
from pipelines import RESULT_TIMEOUT_S, DetectorPort, InferenceMetrics, MicroBatch, ModelRef
from serving import ClusterSettings, RayServeDetectors, cluster, model_ref, served_model

PROC: Final = Path("/proc")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
CALLER, REPLICA, RAYLET, OTHERS = "caller", "replica", "raylet", "others"
GONE: Final = (FileNotFoundError, ProcessLookupError)


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
        before, cpu_before = self._metrics(), processor_seconds()
        timed = repeat(lambda: self._infer(batch), seconds, callers)
        after, cpu_after = self._metrics(), processor_seconds()
        calls, run_s = after.requests - before.requests, after.run.total - before.run.total
        spent = {
            f"{role}_cpu_ms": 1000 * max(0.0, cpu_after[role] - cpu_before[role]) / timed.items
            for role in cpu_after
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


def processor_seconds() -> Mapping[str, float]:
    """Processor time of this process and of all below it so far, by what they are for Ray."""
    spent = dict.fromkeys((CALLER, REPLICA, RAYLET, OTHERS), 0.0)
    own = os.getpid()
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(*GONE):
                # After the name, which may hold spaces: proc_pid_stat(5).
                fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
                seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    for pid, used_s in seconds.items():
        if own in _ancestry(pid, parents):
            spent[CALLER if pid == own else _role(pid)] += used_s
    return spent


def _ancestry(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """A process and those above it."""
    while pid in parents:
        yield pid
        pid = parents[pid]


def _role(pid: int) -> str:
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except GONE:
        return OTHERS
    if b"ServeReplica:" in command:
        return REPLICA
    return RAYLET if b"/raylet/raylet" in command.split(b"\0")[0] else OTHERS
