"""Options and arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cityeye.model_place import DEFAULT_HELP, HELP


class WantedDevice(StrEnum):
    """Where a model must run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


PathOption = Annotated[str | None, typer.Option("--path", help=f"{HELP} {DEFAULT_HELP}")]
PackageArgument = Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="The package.")]
ProviderOption = Annotated[
    WantedDevice, typer.Option(help="Where it must run; auto means the GPU where there is one.")
]
ThreadsOption = Annotated[int, typer.Option(help="Threads inside one inference.", min=1, max=256)]
ReportOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the report there.")
]
MeasuredOption = Annotated[Path | None, typer.Option(help="Write what was measured to this file.")]


def name_and_version(model: str) -> tuple[str, str | None]:
    """`NAME/VERSION` or `NAME@VERSION` in two parts; None where no version is named."""
    name, _, version = model.replace("@", "/", 1).partition("/")
    return name, version or None
