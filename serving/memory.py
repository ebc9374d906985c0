"""How much memory a process holds, and how much this machine gives; Linux only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from serving.cgroups import cgroup_levels
from serving.process_tree import PROC

MIB: Final = 1024 * 1024

WORKERS_SHARE: Final = 0.75
"""Of the machine's memory; the rest is for Ray, the hub, replicas and the system."""

LEAST_PER_WORKER_BYTES: Final = 1024 * MIB
"""A worker that is well must never be replaced for what it needs, however many there are."""

_OWN: Final = re.compile(r"^(?:RssAnon|VmSwap):\s+(\d+) kB", re.MULTILINE)


def own_memory_bytes() -> int:
    """What this process holds for itself, in memory or swapped out; 0 where the kernel is silent.

    Pages of libraries and of Ray's object store, which it shares with others, do not count.
    """
    status = (PROC / "self" / "status").read_text("ascii", errors="replace")
    return 1024 * sum(int(one) for one in _OWN.findall(status))


def machine_memory_bytes() -> int:
    """The memory of this machine, or what its cgroups grant this process, if that is less."""
    return min((os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_granted()))


def memory_per_worker(workers: int) -> int:
    """How many bytes each of some workers may hold so that this machine need not swap."""
    return max(LEAST_PER_WORKER_BYTES, int(machine_memory_bytes() * WORKERS_SHARE / workers))


def _granted() -> Iterator[int]:
    """The limits of all levels of this process's cgroups, of either version."""
    for version, level in cgroup_levels("memory"):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"  # noqa: PLR2004
        # `max` is no number, and no limit.
        with suppress(OSError, ValueError):
            yield int((level / name).read_text(encoding="ascii"))
