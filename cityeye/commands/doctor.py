"""`cityeye doctor`: whether this machine has what a city needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CITY.YAML]", help="Also examine what this file names."),
    ] = None,
) -> None:
    """Examine this machine: a line for each part, ok, warn or fail, with what to do.

    Python, decoders, where models run, memory, clock, disk; with a file its ports, stores and
    sinks too. Cameras are opened by `cityeye check --connect`.
    """
    from cityeye.doctor import examine

    failed = False
    for finding in examine(config, os.environ):
        typer.echo(str(finding))
        failed = failed or finding.level == "fail"
    if failed:
        raise typer.Exit(1)
