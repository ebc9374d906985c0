"""Runs something again and again for a while, on one thread or several, and times each call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Timed:
    """What was done in a while.

    Attributes:
        items: Images or frames, as the calls count them.
        wall_s: From the start to the end of the last call.
        cpu_s: Processor time of this whole process, all threads.
        latencies_s: How long each call took.
    """

    items: int
    wall_s: float
    cpu_s: float
    latencies_s: Sequence[float]

    @property
    def per_s(self) -> float:
        """Items per second."""
        return self.items / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds per item."""
        return 1000 * self.cpu_s / max(1, self.items)

    def latency_ms(self, percent: float) -> float:
        """A percentile of the latencies in milliseconds."""
        return 1000 * float(np.percentile(self.latencies_s, percent))


def repeat(call: Callable[[], int], seconds: float, callers: int = 1) -> Timed:
    """Calls something for some seconds, at least once per caller.

    Args:
        call: Returns how many items it has done; from several threads at once with `callers`.
        seconds: No call starts later.
        callers: Threads that call.
    """
    return repeat_each([call] * callers, seconds)


def repeat_each(calls: Sequence[Callable[[], int]], seconds: float) -> Timed:
    """Like `repeat`, with a thread for each call; one call alone runs in the caller's thread."""
    started_s, cpu_started_s = time.monotonic(), time.process_time()
    end_s = started_s + seconds
    if len(calls) == 1:
        done = [_until(calls[0], end_s)]
    else:
        barrier = threading.Barrier(len(calls))

        def work(call: Callable[[], int]) -> tuple[int, list[float]]:
            barrier.wait()
            return _until(call, end_s)

        with ThreadPoolExecutor(len(calls)) as pool:
            done = list(pool.map(work, calls))
    return Timed(
        items=sum(items for items, _ in done),
        wall_s=time.monotonic() - started_s,
        cpu_s=time.process_time() - cpu_started_s,
        latencies_s=[latency for _, latencies in done for latency in latencies],
    )


def _until(call: Callable[[], int], end_s: float) -> tuple[int, list[float]]:
    items = 0
    latencies: list[float] = []
    now_s = time.monotonic()
    while not latencies or now_s < end_s:
        before_s = now_s
        items += call()
        now_s = time.monotonic()
        latencies.append(now_s - before_s)
    return items, latencies
