"""The processor: its name, and how many of its cores this process may use."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from serving.cgroups import cgroup_levels
from serving.process_tree import PROC


def usable_cores() -> float:
    """Cores that this process may use at once: its affinity, within the quotas of its cgroups."""
    return min((float(len(os.sched_getaffinity(0))), *_granted()))


def cpu_info() -> Mapping[str, str]:
    """The first processor of /proc/cpuinfo by field."""
    first = (PROC / "cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    fields = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}


def cpu_name() -> str:
    """Model name of the processor with family, model and stepping.

    Virtual machines often give a short name, which says too little by itself.
    """
    info = cpu_info()
    name = info.get("model name") or info.get("Model") or platform.machine()
    parts = ("cpu family", "model", "stepping")
    numbers = ", ".join(
        f"{part.removeprefix('cpu ')} {info[part]}" for part in parts if part in info
    )
    return f"{name} ({numbers})" if numbers else name


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
