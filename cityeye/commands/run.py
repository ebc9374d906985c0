"""`cityeye run`: watch the cameras of a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.model_option import MeasuredOption


def run(
    config: Annotated[Path, typer.Argument(metavar="CITY.YAML", help="The configuration file.")],
    duration: Annotated[
        float | None, typer.Option(help="Seconds to run; until Ctrl-C without it.", min=1.0)
    ] = None,
    json: MeasuredOption = None,
) -> None:
    """Watch the cameras of a configuration file until stopped."""
    from rich.console import Console

    from cityeye.run import run_city

    raise typer.Exit(run_city(config, duration, json, Console()))
