"""The machine under the model: what it is, how much memory was used, and who did the work."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from model_tools.admission.gate import GPU_DEVICES
from model_tools.admission.outputs import Trial
from models import CPU_PROVIDER, SessionError, WantedProvider, has_cuda, runtime_version
from models.admission import Machine

HEAVY_OPERATORS = frozenset(
    {
        *("Attention", "Conv", "ConvTranspose", "FusedConv", "FusedMatMul"),
        *("Gemm", "MatMul", "MultiHeadAttention", "QLinearConv", "QLinearMatMul"),
    }
)
"""Operators that a GPU is bought for; shape arithmetic may stay with the CPU."""


def placed(trial: Trial, asked: WantedProvider) -> tuple[None, str]:
    """Checks that the model runs where it was asked to run, with all of its heavy work."""
    model, used = str(trial.package), trial.detector.provider
    if asked == "auto" and used == "cpu" and has_cuda() and any(Path("/dev").glob(GPU_DEVICES)):
        raise SessionError(
            model, "fell back to the CPU although there is a GPU; check its driver and libraries"
        )
    if asked == "cuda" and used != "cuda":
        raise SessionError(model, f"runs on {used}, not on cuda as asked")
    placement = trial.detector.placement()
    if used == "cuda":
        left = left_behind(placement.get(CPU_PROVIDER, {}))
        if left:
            raise SessionError(model, f"leaves {left} to the CPU; export it for the GPU")
    nodes = ", ".join(f"{sum(one.values())} nodes on {name}" for name, one in placement.items())
    return None, f"{used}, asked for {asked}" + (f": {nodes}" if nodes else "")


def left_behind(operators: dict[str, int]) -> str:
    """The heavy operators among those of the CPU, with their numbers; empty if there are none."""
    return ", ".join(
        f"{count} {name}" for name, count in sorted(operators.items()) if name in HEAVY_OPERATORS
    )


def fingerprint(provider: str) -> Machine:
    """What this machine is."""
    return Machine(
        processor=_value(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        cores=len(os.sched_getaffinity(0)),
        gpu=_gpu() if provider == "cuda" else "",
        platform=platform.platform(),
        onnxruntime=runtime_version(),
    )


def peak_memory_mb() -> float:
    """Most memory that this process has held at once, in MiB."""
    # Not getrusage: its value includes what the parent held when it started this process.
    kilobytes = _value(Path("/proc/self/status"), "VmHWM").partition(" ")[0]
    return round(int(kilobytes) / 1024, 1) if kilobytes.isdigit() else 0.0


def _gpu() -> str:
    names = [_value(one, "Model") for one in Path("/proc/driver/nvidia/gpus").glob("*/information")]
    return ", ".join(sorted(names))


def _value(path: Path, key: str) -> str:
    """The value of a `key: value` line in one of the kernel's files; empty if there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in found if name.strip() == key), "")
