"""The gate: examines a version in a throw-away process and keeps the report with it.

Nothing of the version is parsed here. Whatever becomes of the examination, there is a report; what
it refuses stays out of service, and other versions are not touched.
"""

from __future__ import annotations

import importlib.metadata
import logging
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from model_tools.sandbox import SandboxLimits, run
from models import (
    ADMISSION_FILE,
    LABELS_FILE,
    MAX_ONNX_BYTES,
    ONNX_FILE,
    PackageError,
    SandboxError,
    sha256_of,
)
from models.admission import AdmissionReport, Check, Examined, Findings

logger = logging.getLogger(__name__)

EXAMINATION = "model_tools.admission.examination:examine"
TOTAL_S = 300.0
STEP_S = 8.0
"""Patience with a step, short enough that a graph without an end is refused within 15 s."""

MEMORY_MB = 3072
GPU_MEMORY_MB = 16384
"""A GPU's libraries keep much more in the process."""

GPU_DEVICES = "nvidia[0-9]*"


def admit(
    directory: Path,
    *,
    provider: Literal["cpu", "cuda", "auto"] = "cpu",
    threads: int = 1,
    limits: SandboxLimits | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    environment: Mapping[str, str] | None = None,
) -> AdmissionReport:
    """Examines the version in a folder and writes `admission.json` into it.

    Args:
        directory: `<name>/<version>/` of a repository.
        provider: Where it must run; `auto` takes a GPU where there is one, and then must get it.
        threads: Threads inside one run.
        limits: What the process may use up, apart from its threads.
        on_step: Called with the name of every step as it begins.
        environment: Variables that a GPU's libraries need.

    Returns:
        The report, whether it passed or was refused.

    Raises:
        PackageError: The report cannot be written there.
    """
    directory = Path(directory)
    gpu = provider != "cpu" and any(Path("/dev").glob(GPU_DEVICES))
    memory_mb = GPU_MEMORY_MB if gpu else MEMORY_MB
    limits = limits or SandboxLimits(memory_mb=memory_mb, step_s=STEP_S, total_s=TOTAL_S)
    limits = replace(limits, threads=threads)
    order = {
        "directory": str(directory.absolute()),
        "provider": provider,
        "threads": threads,
        "step_s": limits.step_s,
        "gpu": gpu,
    }
    model = f"{directory.parent.name}/{directory.name}"
    steps = _Steps(on_step)
    try:
        answer = run(
            EXAMINATION,
            order,
            model=model,
            limits=limits,
            on_step=steps,
            environment=environment if gpu else None,
            gpu=gpu,
        )
        examined = Examined.model_validate(answer)
    except SandboxError as error:
        examined = steps.refused(error.reason)
        logger.debug("admission_failed", extra={"model": model, "output": error.output})
    except ValidationError as error:
        examined = steps.refused("the examination gave an unreadable result")
        logger.warning("admission_unreadable", extra={"model": model, "error": str(error)})
    report = AdmissionReport(
        model=model,
        passed=not examined.reason,
        reason=examined.reason,
        checks=examined.checks,
        provider_asked=provider,
        threads=threads,
        findings=_with_checksums(directory, examined.findings),
        at=datetime.now(UTC),
        cityeye=_version(),
    )
    _keep(report, directory)
    return report


def _keep(report: AdmissionReport, directory: Path) -> None:
    # Behind a link the report would land outside the repository.
    if not directory.is_dir() or directory.is_symlink() or directory.parent.is_symlink():
        return
    try:
        report.save(directory)
    except OSError as error:
        raise PackageError(
            report.model,
            directory / ADMISSION_FILE,
            f"cannot be written ({error.strerror})",
            "put the package where you may write",
        ) from error


@dataclass(slots=True)
class _Steps:
    """The steps so far, for a report on a process that ended before it could report."""

    on_step: Callable[[str], None]
    begun: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, step: str) -> None:
        self.begun.append((step, time.monotonic()))
        self.on_step(step)

    def refused(self, reason: str) -> Examined:
        """The steps as checks, of which the last one was refused."""
        steps = self.begun or [("starting", time.monotonic())]
        ends = [when for _, when in steps[1:]] + [time.monotonic()]
        *passed, last = (
            Check(name=step, result="passed", seconds=round(end - when, 3))
            for (step, when), end in zip(steps, ends, strict=True)
        )
        refused = last.model_copy(update={"result": "refused", "sentence": reason})
        return Examined(checks=(*passed, refused), reason=reason, findings=Findings())


def _with_checksums(directory: Path, findings: Findings) -> Findings:
    """Fills in what was examined where the process could not report it."""
    return findings.model_copy(
        update={
            "sha256": findings.sha256 or _checksum(directory / ONNX_FILE),
            "labels": findings.labels or _checksum(directory / LABELS_FILE),
        }
    )


def _checksum(path: Path) -> str:
    """Checksum of an ordinary file that is not too large, else an empty text."""
    try:
        facts = path.lstat()
        ordinary = stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_ONNX_BYTES
        return sha256_of(path) if ordinary else ""
    except OSError:
        return ""


def _version() -> str:
    try:
        return importlib.metadata.version("cityeye")
    except importlib.metadata.PackageNotFoundError:
        return ""
