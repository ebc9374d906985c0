"""An evaluation in words and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cityeye.commands.terminal_text import plain
from cityeye.suggested_thresholds import suggested_thresholds
from model_tools.evaluation import EvaluationReport, read_evaluations
from models import ModelPackage

SHOWN = 12
CAVEATS = (
    "80% between: what was chosen on images drawn anew with replacement; elsewhere: F1 gained on "
    "those that were not drawn.",
    "Frames of one recording are alike: then the truth is wider than the spread.",
)


def show(report: EvaluationReport, console: Console) -> None:
    """Prints the whole report."""
    # Not wrapped, so that a line can be found and copied as a whole.
    for line in head(report):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(_classes(report))
    console.print(_sizes(report))


def head(report: EvaluationReport) -> list[str]:
    """What was evaluated, on what, and what was not."""
    threads = "1 thread" if report.threads == 1 else f"{report.threads} threads"
    lines = [
        f"{report.model} (sha256 {report.sha256[:12]}, {report.precision}) on {report.provider} "
        f"with {threads}: {report.images} images of {report.data} ({report.form}), "
        f"{report.objects} objects"
    ]
    if report.left_out:
        lines.append(f"classes of the data that are left out: {_some(report.left_out)}")
    if report.unlabelled:
        lines.append(f"classes of the model that are not evaluated: {_some(report.unlabelled)}")
    return [plain(line) for line in lines]


def accuracy_words(package: ModelPackage) -> str:
    """AP50 in a few words: of the newest evaluation, else of the manifest; empty without one."""
    found = [
        one for one in read_evaluations(package.directory) if one.sha256 == package.manifest.sha256
    ]
    if not found:
        built = package.manifest.measured.get("map50")
        return "" if built is None else f"AP50 {_share(built)} when it was built"
    newest = max(found, key=lambda one: one.at)
    return plain(f"AP50 {_share(newest.means.ap50)} on {newest.data}, {newest.images} images")


def kept_line(report: EvaluationReport, package: ModelPackage) -> str:
    """The means in one line."""
    means = report.means
    stale = "" if report.sha256 == package.manifest.sha256 else ", of another graph"
    return plain(
        f"on {report.data}: AP {_share(means.ap)}, AP50 {_share(means.ap50)}, "
        f"AP75 {_share(means.ap75)}, AR100 {_share(means.ar100)} over {report.images} images "
        f"and {len(report.classes)} classes, evaluated {report.at:%Y-%m-%d} on {report.provider}"
        f"{stale}"
    )


def show_suggestions(report: EvaluationReport, package: ModelPackage, console: Console) -> None:
    """Prints what labelled images say about thresholds, and how that is written down."""
    titles = ("objects", "images", "now", "F1", "suggested", "80% between", "precision", "recall")
    table = _table("threshold of", *titles, "F1 then", "elsewhere")
    labelled = [one for one in report.suggested if one.objects]
    for one in labelled:
        new = one.suggested
        spread = "-" if math.isnan(one.least) else f"{one.least:.2f} to {one.greatest:.2f}"
        table.add_row(
            Text(plain(one.label)),
            f"{one.objects}",
            f"{one.images}",
            f"{one.present.threshold:g}",
            _share(one.present.f1),
            "-" if one.reason else f"{new.threshold:g}",
            spread,
            *map(_share, (new.precision, new.recall, new.f1)),
            "-" if math.isnan(one.gain) else f"{one.gain:+.3f}",
        )
    console.print(table)
    thresholds = suggested_thresholds(report, package).model_dump()
    text = yaml.safe_dump({"thresholds": thresholds}, sort_keys=False, allow_unicode=True)
    kept = [f"{one.label} keeps its threshold: {one.reason}" for one in labelled if one.reason]
    # Not wrapped, so that it can be copied.
    for line in (*kept, *CAVEATS, *text.splitlines()):
        console.print(plain(line), soft_wrap=True, markup=False, highlight=False)


def _classes(report: EvaluationReport) -> Table:
    points = "threshold", "precision", "recall", "F1", "best F1 at"
    table = _table("class", "objects", "AP", "AP50", "AP75", "AR100", *points)
    for one in report.classes:
        metrics, point = one.metrics, one.at_threshold
        table.add_row(
            Text(plain(one.label)),
            str(one.objects),
            *map(_share, (metrics.ap, metrics.ap50, metrics.ap75, metrics.ar100)),
            f"{point.threshold:g}",
            *map(_share, (point.precision, point.recall, point.f1, one.best.threshold)),
        )
    means = report.means
    table.add_row(
        "mean", str(report.objects), *map(_share, (means.ap, means.ap50, means.ap75, means.ar100))
    )
    return table


def _sizes(report: EvaluationReport) -> Table:
    table = _table("objects in pixels", "AP", "AR100")
    means = report.means
    table.add_row("small, below 32x32", _share(means.ap_small), _share(means.ar_small))
    table.add_row("medium", _share(means.ap_medium), _share(means.ar_medium))
    table.add_row("large, above 96x96", _share(means.ap_large), _share(means.ar_large))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(first, box=None)
    for title in others:
        table.add_column(title, justify="right")
    return table


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
