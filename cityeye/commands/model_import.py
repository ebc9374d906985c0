"""`cityeye models import`: a file on disk becomes the next version of a package."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.errors import CommandError

if TYPE_CHECKING:
    from model_tools.importing.importer import Imported
    from model_tools.importing.request import ImportRequest, Triple

DEFAULT_REPOSITORY = Path("packages")
SHOWN_LABELS = 12


class Head(StrEnum):
    """Families of output."""

    CITYEYE = "cityeye"
    YOLO = "yolo"
    YOLO_E2E = "yolo-e2e"
    YOLOX = "yolox"
    YOLOX_DECODED = "yolox-decoded"
    DETR = "detr"
    DETR_LOGITS = "detr-logits"
    RTDETR = "rtdetr"
    PACKAGED = "packaged"


class Colour(StrEnum):
    """Colour orders."""

    RGB = "rgb"
    BGR = "bgr"


class Fit(StrEnum):
    """How an image of another size is brought to the network's."""

    LETTERBOX = "letterbox"
    STRETCH = "stretch"


def import_file(  # noqa: PLR0913, PLR0917
    file: Annotated[Path, typer.Argument(help="An ONNX file, or a .pt with the export extra.")],
    name: Annotated[str, typer.Option(help="Name of the package.")],
    labels: Annotated[
        str | None, typer.Option(metavar="FILE|coco", help="Class names, one per line.")
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="YAML lines `foreign: ours`; null or unnamed is dropped."),
    ] = None,
    repository: Annotated[
        Path, typer.Option(help="Folder of packages, made if missing.")
    ] = DEFAULT_REPOSITORY,
    head: Annotated[
        Head | None, typer.Option(help="Family of the output; else recognised.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Images that the package takes.")
    ] = None,
    colour: Annotated[Colour | None, typer.Option(help="Colour order of the network.")] = None,
    scale: Annotated[float | None, typer.Option(help="Factor on the values 0 to 255.")] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Subtracted after that, per channel.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Divided by after that, per channel.")
    ] = None,
    fit: Annotated[
        Fit | None, typer.Option(help="How an image of another aspect is brought to the size.")
    ] = None,
    padding: Annotated[
        float | None, typer.Option(help="Grey beside letterboxed images.", min=0, max=255)
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Score up to which a detection is noise.", min=0, max=0.999)
    ] = None,
    overlap: Annotated[
        float | None, typer.Option(help="IoU above which the weaker box goes.", min=0.01, max=1)
    ] = None,
    tasks: Annotated[
        str, typer.Option(help="What it is for, comma-separated; its labels tell otherwise.")
    ] = "",
    licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
    training_data: Annotated[str | None, typer.Option(help="What it was trained on.")] = None,
    max_batch: Annotated[int, typer.Option(help="Most images in one run.", min=1, max=256)] = 16,
    fp16: Annotated[bool, typer.Option("--fp16", help="Convert to half precision.")] = False,
    int8: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Convert to int8, calibrated on images.")
    ] = None,
    golden: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Images to prove it on; else drawn ones.")
    ] = None,
    trust_pt: Annotated[
        bool, typer.Option("--trust-pt", help="Load a .pt, which runs the code in it.")
    ] = False,
) -> None:
    """Make the next version of a package from a network file."""
    from cityeye.model_import import Source, import_from, labels_from, mapping_from
    from model_tools.importing.request import ImportRequest

    if fp16 and int8 is not None:
        raise CommandError("--fp16 and --int8 exclude each other; import the file twice")
    request = ImportRequest(
        name=name,
        file=file.name,
        labels=None if labels is None else labels_from(labels),
        mapping=None if map_file is None else mapping_from(map_file),
        head=None if head is None else head.value,
        size=None if size is None else _size(size),
        colour=None if colour is None else colour.value,
        scale=scale,
        mean=_triple("--mean", mean),
        std=_triple("--std", std),
        fit=None if fit is None else fit.value,
        padding=padding,
        threshold=threshold,
        overlap=overlap,
        tasks=tuple(one.strip() for one in tasks.split(",") if one.strip()),
        licence=licence,
        training_data=training_data,
        max_batch=max_batch,
        precision="fp16" if fp16 else "fp32" if int8 is None else "int8",
    )
    _check(request)
    source = Source(file, trust_pt, golden, int8)
    imported = import_from(source, request, repository, lambda step: typer.echo(f"  {step} …"))
    _tell(imported, repository)


def _check(request: ImportRequest) -> None:
    """What the manifest would refuse at the end is refused before anything is done."""
    import re

    from models.package import NAME_PATTERN

    if not re.match(NAME_PATTERN, request.name):
        raise CommandError(
            f"{request.name} is no name for a package: lower-case letters, digits, - and _, "
            "beginning with a letter"
        )


def _tell(imported: Imported, repository: Path) -> None:
    package, inspected, report = imported.package, imported.inspected, imported.report
    tensor = package.manifest.input
    labels = ", ".join(package.labels[:SHOWN_LABELS])
    more = len(package.labels) - SHOWN_LABELS
    batch = f"up to {tensor.max_batch}" if tensor.dynamic_batch else f"exactly {tensor.max_batch}"
    for notice in inspected.notices:
        typer.echo(f"note: {notice}")
    typer.echo(f"{package} is in {repository.absolute()}")
    typer.echo(f"  head           {inspected.head}")
    typer.echo(f"  images         {tensor.width}x{tensor.height} {tensor.fit}, {batch} at a time")
    typer.echo(f"  preprocessing  {inspected.preprocessing}")
    typer.echo(f"  labels         {labels}{f' and {more} more' if more > 0 else ''}")
    typer.echo(f"  tasks          {', '.join(package.manifest.tasks)}")
    typer.echo(f"  precision      {package.manifest.precision}")
    for figure, value in package.manifest.measured.items():
        typer.echo(f"    {figure}: {value:g}")
    typer.echo(f"  admission      {'passed' if report.passed else report.reason}")
    typer.echo(f"Look at it with: cityeye models try {package} VIDEO --path {repository}")


def _size(text: str) -> tuple[int, int]:
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
