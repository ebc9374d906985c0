"""Clocks around stages: CPU and wall time of nested calls, each second counted in one stage only.

A stage has the time between entering and leaving a function, less that of the stages inside it. CPU
is that of the calling thread (`CLOCK_THREAD_CPUTIME_ID`), so wall time less CPU is waiting: for
a lock, the interpreter, a core, the network or a disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from time import perf_counter, thread_time
from typing import Any

from benchmarks.profiling.thread_clocks import group_of_threads

ThreadStage = tuple[str, str]
"""Group of threads, and stage."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """What the calls of one stage took together.

    Attributes:
        calls: How many calls ended.
        cpu_s: Processor time of the calling threads, seconds.
        wall_s: Time between entering and leaving, seconds.
    """

    calls: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def __add__(self, other: StageTime) -> StageTime:
        return StageTime(
            self.calls + other.calls, self.cpu_s + other.cpu_s, self.wall_s + other.wall_s
        )

    def __sub__(self, other: StageTime) -> StageTime:
        return StageTime(
            self.calls - other.calls, self.cpu_s - other.cpu_s, self.wall_s - other.wall_s
        )


class _ThreadStages:
    """The stages of one thread. Only that thread writes, so that no lock is needed."""

    __slots__ = ("group", "inner_cpu_s", "inner_wall_s", "times")

    def __init__(self, group: str) -> None:
        self.group = group
        # By stage: calls, CPU seconds, wall seconds.
        self.times: dict[str, list[float]] = {}
        self.inner_cpu_s = 0.0
        self.inner_wall_s = 0.0


class StageClocks:
    """The stages of all threads of a process."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._threads: list[_ThreadStages] = []
        self._lock = threading.Lock()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with clocks around it."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it takes and gives
            own = self._own()
            outer_cpu_s, outer_wall_s = own.inner_cpu_s, own.inner_wall_s
            own.inner_cpu_s = own.inner_wall_s = 0.0
            started_s, cpu_started_s = perf_counter(), thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                cpu_s = thread_time() - cpu_started_s
                wall_s = perf_counter() - started_s
                time = own.times.get(stage)
                if time is None:
                    time = own.times[stage] = [0, 0.0, 0.0]
                time[0] += 1
                time[1] += cpu_s - own.inner_cpu_s
                time[2] += wall_s - own.inner_wall_s
                own.inner_cpu_s, own.inner_wall_s = outer_cpu_s + cpu_s, outer_wall_s + wall_s

        return call

    def snapshot(self) -> Mapping[ThreadStage, StageTime]:
        """All calls that ended so far."""
        with self._lock:
            threads = tuple(self._threads)
        found: dict[ThreadStage, StageTime] = {}
        for thread in threads:
            # Copied in one step of the interpreter, as its thread may add a stage meanwhile.
            for stage, (calls, cpu_s, wall_s) in tuple(thread.times.items()):
                key = (thread.group, stage)
                time = StageTime(int(calls), cpu_s, wall_s)
                found[key] = found.get(key, StageTime()) + time
        return found

    def _own(self) -> _ThreadStages:
        with suppress(AttributeError):
            own: _ThreadStages = self._local.stages
            return own
        group = group_of_threads(threading.current_thread().name)
        own = self._local.stages = _ThreadStages(group)
        with self._lock:
            self._threads.append(own)
        return own
