"""What a round of the director costs, by the number of cameras: once a second it asks all workers.

Calls and answers go through Ray, as in a city. The answers are those of workers that watch cameras;
a few actors give them, each for many workers, as a machine cannot run more than a thousand.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import ray

from benchmarks.chaos.listening_ports import free_port
from camera_adapters import CameraState, ReaderCounters, Size
from pipelines import (
    CameraSnapshot,
    GroupSnapshot,
    InferenceMetrics,
    PriorityLoad,
    Rate,
    StatisticsSnapshot,
)
from pipelines.delivery import RelayCounters
from serving import (
    ClusterSettings,
    RateGovernor,
    WorkerSnapshot,
    WorkerState,
    cluster,
    loads_of,
    usable_cores,
)

PER_WORKER: Final = 8
ROUNDS: Final = 5
WARM_UP: Final = 1
ACTORS: Final = 4
ANSWERS_S: Final = 120.0
MODEL: Final = "traffic/2"


@contextmanager
def answering_workers() -> Iterator[AnsweringWorkers]:
    """Ray with actors that answer for workers; it ends with the block."""
    with cluster(ClusterSettings(api_port=free_port())):
        yield AnsweringWorkers(min(ACTORS, max(1, int(usable_cores()))))


class _Answers:
    """An actor that answers for many workers."""

    def __init__(self) -> None:
        self._known: dict[str, WorkerSnapshot] = {}

    def know(self, known: dict[str, WorkerSnapshot]) -> None:
        self._known = known

    def snapshot(self, name: str) -> WorkerSnapshot:
        return self._known[name]


class AnsweringWorkers:
    """Stands for the workers of cities of any size."""

    def __init__(self, actors: int) -> None:
        actor: Any = ray.remote(_Answers)
        self._actors = [actor.options(num_cpus=0).remote() for _ in range(actors)]

    def round_ms(self, cameras: int) -> tuple[float, ...]:
        """Milliseconds of each of some rounds with so many cameras, eight to a worker."""
        snapshots = [_snapshot(first, cameras) for first in range(0, cameras, PER_WORKER)]
        shares: list[dict[str, WorkerSnapshot]] = [{} for _ in self._actors]
        asked: list[tuple[Any, str]] = []
        for number, one in enumerate(snapshots):
            place = number % len(self._actors)
            shares[place][one.name] = one
            asked.append((self._actors[place], one.name))
        pairs = zip(self._actors, shares, strict=True)
        ray.get([actor.know.remote(share) for actor, share in pairs])
        governor = RateGovernor()
        rounds = [_round_ms(asked, governor) for _ in range(WARM_UP + ROUNDS)]
        return tuple(rounds[WARM_UP:])


def _round_ms(asked: list[tuple[Any, str]], governor: RateGovernor) -> float:
    """What a director does in a round: asks, waits, reads, and governs."""
    began_s = time.perf_counter()
    questions = [actor.snapshot.remote(name) for actor, name in asked]
    answered, _ = ray.wait(questions, num_returns=len(questions), timeout=ANSWERS_S)
    snapshots: list[WorkerSnapshot] = [ray.get(one) for one in answered]
    states = [WorkerState(one.name, one, 0, alive=True) for one in snapshots]
    loads_of(states)
    governor.update({one.name: one.group.loads for one in snapshots})
    serving = (camera.serving for state in states for camera in state.cameras)
    frozenset[str]().union(*serving)
    return 1000 * (time.perf_counter() - began_s)


def _snapshot(first: int, cameras: int) -> WorkerSnapshot:
    own = tuple(_camera(number) for number in range(first, min(first + PER_WORKER, cameras)))
    load = PriorityLoad(5.0 * len(own), 5.0 * len(own), 5.0 * len(own))
    return WorkerSnapshot(
        name=f"worker-{first // PER_WORKER}",
        group=GroupSnapshot(own, 0.1, {}, {"normal": load}),
        relay=RelayCounters(700, 0, 0, 0, 2, 30, 0, 0, 0),
        models={MODEL: InferenceMetrics()},
        running=True,
        fault="",
        memory_bytes=300 * 1024 * 1024,
    )


def _camera(number: int) -> CameraSnapshot:
    rate = Rate(5.0, 5.0)
    statistics = StatisticsSnapshot(
        analysed=9000,
        failed=0,
        held=0,
        requested_fps=5.0,
        achieved_fps=5.0,
        frame_age_ms={"p50": 9.0, "p95": 28.0, "max": 76.0},
        tasks={"traffic": rate},
        incidents={"traffic.congestion": 3},
        models={"traffic": {MODEL: 9000}},
        reroutes=0,
    )
    counters = ReaderCounters(45_000, 9000, 3, 0, 0, 0, 25.0, 0.04, Size(1920, 1080))
    return CameraSnapshot(
        id=f"cam-{number:06d}",
        name=f"Camera {number}",
        state=CameraState.ONLINE,
        reason="",
        ended=False,
        reader=counters,
        statistics=statistics,
        routes={},
        serving=frozenset({MODEL}),
    )
