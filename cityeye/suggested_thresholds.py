"""What an evaluation suggests, as the thresholds of a package."""

from __future__ import annotations

from model_tools.evaluation import EvaluationReport
from models import ModelPackage, Thresholds
from models.detections import plain_label


def suggested_thresholds(report: EvaluationReport, package: ModelPackage) -> Thresholds:
    """The thresholds of a package after what a report suggests; all others as they are."""
    present = package.manifest.thresholds
    named = {plain_label(one.label) for one in report.suggested if not one.reason}
    kept = {k: at for k, at in present.classes.items() if plain_label(k) not in named}
    new = {one.label: one.suggested.threshold for one in report.suggested if not one.reason}
    return Thresholds(default=present.default, classes={**kept, **new})


def source_of_thresholds(report: EvaluationReport) -> str:
    """Where suggested thresholds come from, for a card."""
    told = ", ".join(
        f"{one.label} {one.suggested.threshold:g} ({one.objects} objects; {one.least:g} to "
        f"{one.greatest:g} in eight of ten resamples; F1 {one.present.f1:.3f} before, "
        f"{one.suggested.f1:.3f} now)"
        for one in report.suggested
        if not one.reason
    )
    images = f"{report.images} labelled images of {report.data}"
    return f"Suggested by {images}, {report.at:%Y-%m-%d}: {told}."
