"""An admission report in words."""

from __future__ import annotations

from cityeye.commands.terminal_text import plain
from models import ModelPackage
from models.admission import AdmissionReport, Machine, is_admitted, read_report


def lines(report: AdmissionReport) -> list[str]:
    """The whole report: result, when it was found, every check, and what was measured."""
    made = f"{report.at:%Y-%m-%d %H:%M} UTC, cityeye {report.cityeye or 'unknown'}"
    width = max((len(check.name) for check in report.checks), default=0)
    checks = (
        f"  {check.name:{width}}  {check.result}  {plain(check.sentence)}".rstrip()
        for check in report.checks
    )
    return [result_line(report), f"  checked {made}", *checks, *measured(report)]


def result_line(report: AdmissionReport) -> str:
    """One line: admitted, or why not."""
    if report.passed:
        return f"{report.model} is admitted"
    return f"{report.model} is refused: {plain(report.reason)}"


def measured(report: AdmissionReport) -> list[str]:
    """Where it ran, what it took, and how fast each batch size was."""
    found = report.findings
    if not found.latency:
        return []
    threads = "1 thread" if report.threads == 1 else f"{report.threads} threads"
    return [
        f"  ran on {found.provider} (asked for {report.provider_asked}) with {threads}, "
        f"{_machine(found.machine)}",
        f"  loaded in {found.load_s:.2f} s, held {found.peak_memory_mb:.0f} MB at most, "
        f"{found.images_per_s:.1f} images per second at best",
        *(
            f"  batch of {one.images}: {one.median_ms:.2f} ms, p95 {one.p95_ms:.2f} ms"
            for one in found.latency
        ),
    ]


def state(package: ModelPackage) -> str:
    """One or two words on whether a usable version may serve."""
    if is_admitted(package):
        return "admitted"
    report = read_report(package.directory)
    current = report is not None and report.findings.sha256 == package.manifest.sha256
    return "refused" if current and report is not None and not report.passed else "not admitted"


def _machine(machine: Machine) -> str:
    parts = (
        machine.gpu,
        machine.processor,
        f"{machine.cores} cores",
        f"ONNX Runtime {machine.onnxruntime}",
    )
    return ", ".join(part for part in parts if part)
