"""`cityeye models eval`: average precision per class on labelled images."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.commands.model_option import (
    PackageArgument,
    PathOption,
    ProviderOption,
    ReportOption,
    ThreadsOption,
    WantedDevice,
    name_and_version,
)
from cityeye.errors import CommandError
from cityeye.model_place import models_repository

if TYPE_CHECKING:
    from rich.console import Console

    from model_tools.evaluation import EvaluationReport
    from models import ModelPackage

PROGRESS_EVERY_S = 5.0


def evaluate(  # noqa: PLR0913, PLR0917
    model: PackageArgument,
    data: Annotated[
        Path, typer.Option(help="A COCO file, or a YOLO folder with data.yaml or classes.txt.")
    ],
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the images are, if not where the format says."),
    ] = None,
    path: PathOption = None,
    provider: ProviderOption = WantedDevice.AUTO,
    threads: ThreadsOption = 1,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="YAML lines `class of the data: class of the model`; null or unnamed is left out.",
        ),
    ] = None,
    json_file: ReportOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the report with the version.")] = False,
    suggest: Annotated[
        bool,
        typer.Option(
            "--suggest-thresholds",
            help="Say which threshold each class should have, and how certain that is.",
        ),
    ] = False,
    precision: Annotated[
        float | None,
        typer.Option(
            help="With that: the least threshold with this precision, instead of that of the best "
            "F1.",
            min=0.01,
            max=1,
        ),
    ] = None,
    new_version: Annotated[
        bool,
        typer.Option(
            "--new-version",
            help="With that: make the next version, with the suggested thresholds, and examine it.",
        ),
    ] = False,
) -> None:
    """Evaluate a model on labelled images: COCO's metrics, through the graph that serves."""
    from rich.console import Console

    from cityeye.commands.evaluation_report import show, show_suggestions
    from cityeye.model_evaluation import ThresholdWish, evaluate_model
    from cityeye.model_import import mapping_from
    from model_tools.evaluation import read_dataset
    from models import Detector, ModelRepository

    if not suggest and (new_version or precision is not None):
        raise CommandError("--precision and --new-version go with --suggest-thresholds")
    repository = models_repository(path, os.environ)
    folder = repository.root if isinstance(repository, ModelRepository) else None
    if folder is None and (keep or new_version):
        raise CommandError(
            f"{repository} holds published packages; `cityeye models pull` brings one into a "
            f"folder, where --{'keep' if keep else 'new-version'} can write, and `cityeye models "
            "push` publishes what is there"
        )
    package = repository.find(*name_and_version(model))
    mapping = None if map_file is None else mapping_from(map_file)
    dataset = read_dataset(data, package.labels, mapping, images)
    detector = Detector(package, threads=threads, provider=provider.value)
    report = evaluate_model(
        detector,
        threads,
        dataset,
        _progress(Console(stderr=True), len(dataset.images)),
        ThresholdWish(precision) if suggest else None,
    )
    show(report, Console())
    if suggest:
        show_suggestions(report, package, Console())
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if keep:
        typer.echo(f"kept in {report.save(package)}")
    if new_version and folder is not None:
        _make_version(report, package, folder)


def _make_version(report: EvaluationReport, package: ModelPackage, folder: Path) -> None:
    """Makes the version with the suggested thresholds, and says how it comes into service."""
    from cityeye.suggested_thresholds import source_of_thresholds, suggested_thresholds
    from model_tools.importing import with_thresholds

    thresholds = suggested_thresholds(report, package)
    if thresholds == package.manifest.thresholds:
        raise CommandError("no other threshold is suggested, so there is no new version")
    made = with_thresholds(package, folder, thresholds, source_of_thresholds(report))
    typer.echo(
        f"{made} is in {folder.absolute()}, admitted; it comes into service by "
        f"`cityeye models rollout {made.name} --canary {made.version} --cameras 10%`"
    )


def _progress(console: Console, count: int) -> Callable[[int], None]:
    """Says now and then how far it is."""
    shown_s = time.monotonic()

    def show(count_so_far: int) -> None:
        nonlocal shown_s
        if time.monotonic() - shown_s >= PROGRESS_EVERY_S:
            shown_s = time.monotonic()
            console.print(f"{count_so_far} of {count} images", style="dim")

    return show
