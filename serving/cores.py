"""How many cores this process may use: its affinity, within the quotas of its cgroups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from serving.cgroups import cgroup_levels


def usable_cores() -> float:
    """Cores that this process may use at once; a cgroup's quota may give a fraction."""
    return min((float(len(os.sched_getaffinity(0))), *_granted()))


def _granted() -> Iterator[float]:
    """The quotas of all levels of this process's cgroups, of either version, in cores."""
    for version, level in cgroup_levels("cpu"):
        # `max` is no number, and no limit.
        with suppress(OSError, ValueError):
            quota, period = _quota_2(level) if version == 2 else _quota_1(level)  # noqa: PLR2004
            if quota > 0:
                yield quota / period


def _quota_2(level: Path) -> tuple[int, int]:
    quota, period = (level / "cpu.max").read_text(encoding="ascii").split()
    return int(quota), int(period)


def _quota_1(level: Path) -> tuple[int, int]:
    quota, period = (
        int((level / f"cpu.cfs_{name}_us").read_text(encoding="ascii"))
        for name in ("quota", "period")
    )
    return quota, period
