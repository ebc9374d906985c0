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
from cityeye.model_place import repository_at

if TYPE_CHECKING:
    from rich.console import Console

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
) -> None:
    """Evaluate a model on labelled images: COCO's metrics, through the graph that serves."""
    from rich.console import Console

    from cityeye.commands.evaluation_report import show
    from cityeye.model_evaluation import evaluate_model
    from cityeye.model_import import mapping_from
    from model_tools.evaluation import read_dataset
    from models import Detector, ModelRepository

    repository = repository_at(path, os.environ)
    if keep and not isinstance(repository, ModelRepository):
        raise CommandError(
            f"{repository} holds published packages; `cityeye models pull` brings one into a "
            "folder, where --keep can write, and `cityeye models push` publishes what is kept"
        )
    package = repository.find(*name_and_version(model))
    mapping = None if map_file is None else mapping_from(map_file)
    dataset = read_dataset(data, package.labels, mapping, images)
    detector = Detector(package, threads=threads, provider=provider.value)
    report = evaluate_model(
        detector, threads, dataset, _progress(Console(stderr=True), len(dataset.images))
    )
    show(report, Console())
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if keep:
        typer.echo(f"kept in {report.save(package)}")


def _progress(console: Console, count: int) -> Callable[[int], None]:
    """Says now and then how far it is."""
    shown_s = time.monotonic()

    def show(count_so_far: int) -> None:
        nonlocal shown_s
        if time.monotonic() - shown_s >= PROGRESS_EVERY_S:
            shown_s = time.monotonic()
            console.print(f"{count_so_far} of {count} images", style="dim")

    return show
