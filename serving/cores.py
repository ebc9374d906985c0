"""How many cores this process may use: its affinity, within the quotas of its cgroups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
CGROUP: Final = Path("/sys/fs/cgroup")


def usable_cores() -> float:
    """Cores that this process may use at once; a cgroup's quota may give a fraction."""
    cores = float(len(os.sched_getaffinity(0)))
    quota = _cgroup_quota()
    return cores if quota is None else min(cores, quota)


def _cgroup_quota() -> float | None:
    """Cores that the cgroups of this process grant, the least of all levels; None without limit."""
    try:
        lines = (PROC / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    path = next((line.split("::", 1)[1] for line in lines if line.startswith("0::")), None)
    if path is None:
        return _quota_of_version_1()
    folder = CGROUP / path.lstrip("/")
    levels = [level for level in (folder, *folder.parents) if level.is_relative_to(CGROUP)]
    quotas = [quota for level in levels if (quota := _quota_of(level / "cpu.max")) is not None]
    return min(quotas, default=None)


def _quota_of(file: Path) -> float | None:
    """Cores of a `cpu.max` file: `QUOTA PERIOD`, or `max PERIOD` without a limit."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_of_version_1() -> float | None:
    try:
        quota = int((CGROUP / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((CGROUP / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
