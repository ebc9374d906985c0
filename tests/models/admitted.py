"""Packages that count as admitted without an examination, for tests of what comes after it."""

from __future__ import annotations

from datetime import UTC, datetime

from models.admission import AdmissionReport
from models.admission.report import Findings
from models.package import LABELS_FILE, ModelPackage, sha256_of


def as_if_admitted(package: ModelPackage) -> ModelPackage:
    """The package with a report for exactly its files."""
    findings = Findings(
        sha256=package.manifest.sha256,
        labels=sha256_of(package.directory / LABELS_FILE),
        golden=package.manifest.golden,
        max_batch=package.manifest.input.max_batch,
        provider="cpu",
    )
    report = AdmissionReport(
        model=str(package),
        passed=True,
        reason="",
        checks=(),
        provider_asked="cpu",
        threads=1,
        findings=findings,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        cityeye="tests",
    )
    report.save(package.directory)
    return package
