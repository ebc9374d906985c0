"""The machine that a benchmark ran on: what it is, which versions it ran, how busy it was before.

Results of two machines, or of a quiet and a busy one, must never pass for comparable.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from camera_adapters import ffmpeg_version
from serving import cpu_info, cpu_name, usable_cores

PROC: Final = Path("/proc")
ROOT: Final = Path(__file__).parents[1]

BUSY_OVER_S: Final = 1.0
"""How long the cores are observed before a run."""

QUIET: Final = 0.1
"""Up to this share of busy cores a machine counts as quiet."""

DISTRIBUTIONS: Final = (
    "cityeye", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "av", "opencv-python", "ray",
)  # fmt: skip
"""Installed packages whose version is part of a result, where they are there."""

SPEED_FLAGS: Final = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
"""Abilities of a processor that decide how fast it multiplies."""


class _Part(BaseModel):
    """A part of a result file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GpuFingerprint(_Part):
    """One GPU as its driver names it."""

    name: str
    driver: str
    memory_mb: int


class MachineFingerprint(_Part):
    """A machine and the software on it.

    Attributes:
        cpu: Model name of the processor with family, model and stepping, as virtual machines often
            give a short name.
        cpu_flags: Those of `SPEED_FLAGS` that it has.
        cores: Cores that this process may use at once: its affinity, cut by the cgroup's quota.
        memory_mb: Memory of the machine.
        gpus: Its GPUs; none where there is no `nvidia-smi`.
        system: Operating system and kernel.
        versions: Versions of Python, FFmpeg and the packages that decide results.
        commit: Commit of the source tree, with `+` where files differ from it; empty without one.
    """

    cpu: str
    cpu_flags: tuple[str, ...]
    cores: float
    memory_mb: int
    gpus: tuple[GpuFingerprint, ...]
    system: str
    versions: Mapping[str, str]
    commit: str

    def differences(self, other: MachineFingerprint) -> list[str]:
        """What differs between two machines, a phrase each; the program itself may differ."""
        parts = {
            "processor": (self.cpu, other.cpu),
            "processor abilities": (_joined(self.cpu_flags), _joined(other.cpu_flags)),
            "cores": (f"{self.cores:g}", f"{other.cores:g}"),
            "memory": (_rounded_gb(self.memory_mb), _rounded_gb(other.memory_mb)),
            "GPUs": (_gpu_names(self.gpus), _gpu_names(other.gpus)),
            "system": (self.system, other.system),
        }
        for name in sorted({*self.versions, *other.versions} - {"cityeye"}):
            parts[name] = (self.versions.get(name, "none"), other.versions.get(name, "none"))
        return [f"{name}: {one} and {two}" for name, (one, two) in parts.items() if one != two]


class LoadBefore(_Part):
    """How busy the machine was before the run, measured while this process slept.

    Attributes:
        load_average: Mean number of runnable processes over the last minute.
        busy: Share of all cores' time that was used, 0 to 1.
        stolen: Share of all cores' time that the hypervisor gave to others, 0 to 1.
    """

    load_average: float
    busy: float
    stolen: float

    @property
    def quiet(self) -> bool:
        """Whether the machine was there for the benchmark alone."""
        return self.busy <= QUIET


def fingerprint() -> MachineFingerprint:
    """Describes this machine."""
    flags = set(cpu_info().get("flags", "").split())
    return MachineFingerprint(
        cpu=cpu_name(),
        cpu_flags=tuple(one for one in SPEED_FLAGS if one in flags),
        cores=usable_cores(),
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        gpus=_gpus(),
        system=f"{_system_name()}, {platform.system()} {platform.release()}",
        versions=_versions(),
        commit=_commit(),
    )


def whole_cores() -> int:
    """Cores that this process may use at once, at least one."""
    return max(1, int(usable_cores()))


def load_before(seconds: float = BUSY_OVER_S) -> LoadBefore:
    """Observes all cores for some seconds."""
    first = _cpu_ticks()
    time.sleep(seconds)
    spent = [later - earlier for later, earlier in zip(_cpu_ticks(), first, strict=True)]
    # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5). Guests are in user.
    total = max(1, sum(spent))
    return LoadBefore(
        load_average=round(os.getloadavg()[0], 2),
        busy=round(1 - (spent[3] + spent[4]) / total, 4),
        stolen=round(spent[7] / total, 4),
    )


def _cpu_ticks() -> list[int]:
    line = (PROC / "stat").read_text(encoding="ascii").splitlines()[0]
    return [int(value) for value in line.split()[1:9]]


def _gpus() -> tuple[GpuFingerprint, ...]:
    query = "--query-gpu=name,driver_version,memory.total"
    lines = _output(["nvidia-smi", query, "--format=csv,noheader,nounits"]).splitlines()
    rows = [[value.strip() for value in line.rsplit(",", 2)] for line in lines]
    return tuple(
        GpuFingerprint(name=name, driver=driver, memory_mb=int(memory) if memory.isdigit() else 0)
        for name, driver, memory in (row for row in rows if len(row) == 3)  # noqa: PLR2004
    )


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return platform.system()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "ffmpeg": ffmpeg_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _commit() -> str:
    if not (ROOT / ".git").exists():
        return ""
    # Only files of the program: a result that is being written is no change to it.
    commit = _output(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]).strip()
    changed = _output(["git", "-C", str(ROOT), "status", "--porcelain", "--", "*.py"]).strip()
    return f"{commit}+" if commit and changed else commit


def _output(command: list[str]) -> str:
    """What a program prints; nothing where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _joined(names: tuple[str, ...]) -> str:
    return " ".join(names) or "none"


def _rounded_gb(memory_mb: int) -> str:
    return f"{round(memory_mb / 1024)} GB"


def _gpu_names(gpus: tuple[GpuFingerprint, ...]) -> str:
    return ", ".join(f"{one.name} with driver {one.driver}" for one in gpus) or "none"
