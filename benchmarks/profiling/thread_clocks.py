"""CPU of the threads of this process, Python's own and those of libraries, by groups of names."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serving import thread_cpu_s

_TASKS: Final = Path("/proc/self/task")
_NAMED_AFTER: Final = re.compile(r"^(camera-(?!group$)|relay-|detector-|slot-)")
"""Threads that are named after a camera, a sink, a model or a number."""


def group_of_threads(name: str) -> str:
    """The name of a thread without what is its own: `camera-gate-1` becomes `camera-*`."""
    named_after = _NAMED_AFTER.match(name)
    return f"{named_after[0]}*" if named_after else re.sub(r"\d+", "N", name)


class ThreadClocks:
    """Processor time by group of threads; one thread uses it."""

    def __init__(self) -> None:
        self._last_s: dict[int, float] = {}
        self._last_process_s = time.process_time()

    def since_last(self) -> tuple[dict[str, float], float]:
        """Seconds by group, and of the whole process, since the last call.

        Threads that began and ended in between are in the whole process only.
        """
        spent: defaultdict[str, float] = defaultdict(float)
        now_s: dict[int, float] = {}
        for tid, group in _groups().items():
            cpu_s = thread_cpu_s(tid)
            if cpu_s is not None:
                now_s[tid] = cpu_s
                spent[group] += cpu_s - self._last_s.get(tid, 0.0)
        process_s = time.process_time()
        whole_s, self._last_process_s = process_s - self._last_process_s, process_s
        self._last_s = now_s
        return dict(spent), whole_s


def _groups() -> Mapping[int, str]:
    """The group of every thread of this process by the kernel's id."""
    python = {thread.native_id: thread.name for thread in threading.enumerate()}
    groups = {}
    for task in _TASKS.iterdir():
        tid = int(task.name)
        if tid in python:
            groups[tid] = group_of_threads(python[tid])
            continue
        try:
            kernel_name = (task / "comm").read_text(encoding="utf-8").strip()
        except OSError:
            continue  # It has ended.
        groups[tid] = "native: " + re.sub(r"\d+", "N", kernel_name)
    return groups
