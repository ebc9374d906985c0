"""`cityeye models import`: a file on disk becomes the next version of a package."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cityeye.commands.terminal_text import thresholds_line
from cityeye.errors import CommandError
from cityeye.model_place import DEFAULT_HELP, models_folder
from model_tools.heads import HEAD_NAMES, known_head

if TYPE_CHECKING:
    from model_tools.importing import Imported, Triple

DEFAULT_REPOSITORY = Path("packages")
SHOWN_LABELS = 12


def _head(name: str) -> str:
    try:
        return known_head(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


LabelsOption = Annotated[
    str | None, typer.Option(metavar="FILE|coco", help="Class names, one per line.")
]
ScoresOption = Annotated[
    Literal["sigmoid", "softmax", "none"] | None,
    typer.Option(help="What makes scores of class columns; else read from the graph."),
]
PackageSizeOption = Annotated[
    str | None, typer.Option(metavar="WxH", help="Images that the package takes.")
]
ThresholdOption = Annotated[
    float | None, typer.Option(help="Confidence threshold of the package.", min=0, max=0.999)
]
TrainingDataOption = Annotated[str | None, typer.Option(help="What it was trained on.")]
HalfPrecisionOption = Annotated[bool, typer.Option("--fp16", help="Convert to half precision.")]
HeadOption = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(HEAD_NAMES), parser=_head, help="Family of the output; else recognised."
    ),
]
TasksOption = Annotated[
    str, typer.Option(help="Tasks it may serve, comma-separated; else chosen by its labels.")
]
LicenceOption = Annotated[str | None, typer.Option(help="Licence of the weights.")]


def import_file(  # noqa: PLR0913, PLR0917
    file: Annotated[Path, typer.Argument(help="An ONNX file, or a .pt with the export extra.")],
    name: Annotated[str, typer.Option(help="Name of the package.")],
    labels: LabelsOption = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="YAML lines `foreign: ours`; null or unnamed is dropped."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--repository", help=f"Folder of packages, made if missing. {DEFAULT_HELP}"),
    ] = None,
    head: HeadOption = None,
    scores: ScoresOption = None,
    size: PackageSizeOption = None,
    colour: Annotated[
        Literal["rgb", "bgr"] | None, typer.Option(help="Colour order of the network.")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Factor on the values 0 to 255.")] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Subtracted after that, per channel.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Divided by after that, per channel.")
    ] = None,
    fit: Annotated[
        Literal["letterbox", "stretch"] | None,
        typer.Option(help="How an image of another aspect is brought to the size."),
    ] = None,
    padding: Annotated[
        float | None, typer.Option(help="Grey beside letterboxed images.", min=0, max=255)
    ] = None,
    threshold: ThresholdOption = None,
    nms_iou: Annotated[
        float | None, typer.Option(help="IoU of non-maximum suppression.", min=0.01, max=1)
    ] = None,
    tasks: TasksOption = "",
    licence: LicenceOption = None,
    training_data: TrainingDataOption = None,
    max_batch: Annotated[int, typer.Option(help="Most images in one run.", min=1, max=256)] = 16,
    fp16: HalfPrecisionOption = False,
    int8: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Convert to int8, calibrated on images.")
    ] = None,
    golden: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Images to verify it on; else drawn ones.")
    ] = None,
    trust_pt: Annotated[
        bool, typer.Option("--trust-pt", help="Load a .pt, which runs the code in it.")
    ] = False,
) -> None:
    """Make the next version of a package from a network file."""
    repository = models_folder(into, os.environ)
    from cityeye.model_import import ImportSource, import_from, labels_from, mapping_from
    from model_tools.importing import ImportRequest
    from models import NAME_PATTERN

    if fp16 and int8 is not None:
        raise CommandError("--fp16 and --int8 exclude each other; import the file twice")
    request = ImportRequest(
        name=name,
        file=file.name,
        labels=None if labels is None else labels_from(labels),
        mapping=None if map_file is None else mapping_from(map_file),
        head=head,
        scores=scores,
        size=None if size is None else size_of(size),
        colour=colour,
        scale=scale,
        mean=_triple("--mean", mean),
        std=_triple("--std", std),
        fit=fit,
        padding=padding,
        threshold=threshold,
        nms_iou=nms_iou,
        tasks=tuple(one.strip() for one in tasks.split(",") if one.strip()),
        licence=licence,
        training_data=training_data,
        max_batch=max_batch,
        precision="fp16" if fp16 else "fp32" if int8 is None else "int8",
    )
    if not re.match(NAME_PATTERN, name):
        # What the manifest would refuse at the end is refused before anything is done.
        raise CommandError(
            f"{name} is no name for a package: lower-case letters, digits, - and _, "
            "beginning with a letter"
        )
    source = ImportSource(file, trust_pt, golden, int8)
    imported = import_from(source, request, repository, lambda step: typer.echo(f"  {step} …"))
    show_imported(imported, repository)


def show_imported(imported: Imported, repository: Path) -> None:
    """Prints what an import has made."""
    package, inspected, report = imported.package, imported.inspected, imported.report
    tensor = package.manifest.input
    labels = ", ".join(package.labels[:SHOWN_LABELS])
    more = len(package.labels) - SHOWN_LABELS
    batch = f"up to {tensor.max_batch}" if tensor.dynamic_batch else f"exactly {tensor.max_batch}"
    for notice in inspected.notices:
        typer.echo(f"note: {notice}")
    typer.echo(f"{package} is in {repository.absolute()}")
    typer.echo(f"  head           {inspected.head}")
    typer.echo(f"  scores         {inspected.scores}")
    typer.echo(f"  images         {tensor.width}x{tensor.height} {tensor.fit}, {batch} at a time")
    typer.echo(f"  preprocessing  {inspected.preprocessing}")
    typer.echo(f"  labels         {labels}{f' and {more} more' if more > 0 else ''}")
    typer.echo(f"  tasks          {', '.join(package.manifest.tasks)}")
    typer.echo(f"  thresholds     {thresholds_line(package.manifest.thresholds.model_dump())}")
    typer.echo(f"  precision      {package.manifest.precision}")
    for metric, value in package.manifest.measured.items():
        typer.echo(f"    {metric}: {value:g}")
    typer.echo(f"  admission      {'passed' if report.passed else report.reason}")
    typer.echo(f"Watch it with: cityeye models try {package} VIDEO --path {repository}")


def size_of(text: str) -> tuple[int, int]:
    """Width and height of `WxH`.

    Raises:
        CommandError: It is something else.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()) or not int(width) * int(height):
        raise CommandError(f"--size {text} is no size; write it like 640x384")
    return int(width), int(height)


def _triple(option: str, text: str | None) -> Triple | None:
    if text is None:
        return None
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError as error:
        raise CommandError(f"{option} {text} must be three numbers with commas") from error
    return first, second, third
