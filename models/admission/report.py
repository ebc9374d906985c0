"""`AdmissionReport`: what was found out about a version, kept beside it as `admission.json`.

A report counts only for the very bytes that were examined: whoever changes graph, labels, golden
images or thresholds afterwards has a version that is not admitted. Other thresholds for a running
city are a rollout, or a matter of its configuration.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from models.object_store import write_whole
from models.package import ADMISSION_FILE, LABELS_FILE, ModelPackage, Thresholds, sha256_of

MAX_REPORT_BYTES = 1024 * 1024

CheckResult = Literal["passed", "refused"]

# What reports of earlier versions call it counts too: a version that was admitted stays so.
_IMAGES = AliasChoices("images", "pictures")
_IMAGES_PER_S = AliasChoices("images_per_s", "pictures_per_s")
_RESULT = AliasChoices("result", "verdict")


class _ReportPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_ReportPart):
    """One check: its name, how it ended, and what it found."""

    name: str
    result: CheckResult = Field(validation_alias=_RESULT)
    sentence: str = ""
    seconds: float = Field(ge=0.0)


class BatchLatency(_ReportPart):
    """Time of one run with so many images, in milliseconds, over `runs` runs after warming up."""

    images: int = Field(gt=0, validation_alias=_IMAGES)
    runs: int = Field(gt=0)
    median_ms: float = Field(ge=0.0)
    p95_ms: float = Field(ge=0.0)


class Machine(_ReportPart):
    """Where it was measured; `cores` are those that the process may use."""

    processor: str = ""
    cores: int = 0
    gpu: str = ""
    platform: str = ""
    onnxruntime: str = ""


class Findings(_ReportPart):
    """What an examination measures; what was not reached keeps its empty value.

    Attributes:
        sha256: Checksum of the graph that was examined.
        labels: Checksum of `labels.txt`.
        golden: Checksum of the golden images.
        thresholds: Those of the manifest; None in reports of earlier versions.
        max_batch: Largest batch that was warmed.
        provider: Where it really ran: `cpu` or `cuda`.
        placement: Nodes per execution provider, as ONNX Runtime placed them.
        machine: Where it was measured.
        latency: Per batch size, ascending.
        images_per_s: Best throughput of one session over all batch sizes.
        peak_memory_mb: Most memory that the process held at once.
        load_s: Time to open the session and run it once.
    """

    sha256: str = ""
    labels: str = ""
    golden: str = ""
    thresholds: Thresholds | None = None
    max_batch: int = 0
    provider: str = ""
    placement: dict[str, int] = Field(default_factory=dict)
    machine: Machine = Machine()
    latency: tuple[BatchLatency, ...] = ()
    images_per_s: float = Field(default=0.0, validation_alias=_IMAGES_PER_S)
    peak_memory_mb: float = 0.0
    load_s: float = 0.0


class Examined(_ReportPart):
    """What an examination answers; `reason` is empty if every check passed."""

    checks: tuple[Check, ...]
    reason: str
    findings: Findings


class AdmissionReport(_ReportPart):
    """The content of `admission.json`; unknown keys are errors.

    Attributes:
        model: `name/version`.
        passed: Whether the version may serve.
        reason: Why not, in one sentence; empty if it passed.
        checks: In the order in which they were made; the last one is the one that was refused.
        provider_asked: `cpu`, `cuda` or `auto`.
        threads: Threads inside one run.
        findings: What was measured.
        at: When, in UTC.
        cityeye: Version of the project that examined it.
    """

    model: str
    passed: bool
    reason: str
    checks: tuple[Check, ...]
    provider_asked: str
    threads: int
    findings: Findings
    at: datetime
    cityeye: str

    def save(self, directory: Path) -> None:
        """Writes it into the version's folder; a reader sees the old report or the new one."""
        text = self.model_dump_json(indent=2) + "\n"
        write_whole(directory / ADMISSION_FILE, text.encode())


def read_report(directory: Path) -> AdmissionReport | None:
    """The report kept with a version; None where there is none, or none that can be read."""
    path = Path(directory) / ADMISSION_FILE
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            return None
        return AdmissionReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def is_admitted(package: ModelPackage) -> bool:
    """Whether the version passed with exactly the files that it has now."""
    return not why_not_admitted(package)


def why_not_admitted(package: ModelPackage) -> str:
    """One sentence on why the version may not serve; empty if it may."""
    remedy = f"run `cityeye models check {package}`"
    report = read_report(package.directory)
    if report is None:
        there = (package.directory / ADMISSION_FILE).exists()
        return f"its {ADMISSION_FILE} cannot be read; {remedy}" if there else f"unchecked; {remedy}"
    found = report.findings
    if report.model != str(package) or found.sha256 != package.manifest.sha256:
        return f"its admission report is about another model; {remedy}"
    if not report.passed:
        return f"refused: {report.reason}"
    changed = _changed(package, found)
    return f"{changed} since it was admitted; {remedy}" if changed else ""


def _changed(package: ModelPackage, found: Findings) -> str:
    """What else, besides the graph, is not what was examined."""
    if found.labels != sha256_of(package.directory / LABELS_FILE):
        return "its labels have changed"
    if found.golden != package.manifest.golden:
        return "its golden images have changed"
    if found.thresholds not in (None, package.manifest.thresholds):
        return "its thresholds have changed"
    most = package.manifest.input.max_batch
    return f"its largest batch has grown to {most}" if found.max_batch < most else ""
