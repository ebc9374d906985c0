"""`cityeye run` and `demo`: watch the cameras of a configuration file, or rendered ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.model_option import MeasuredOption

MAX_DEMO_CAMERAS = 64


def run(
    config: Annotated[Path, typer.Argument(metavar="CITY.YAML", help="The configuration file.")],
    duration: Annotated[
        float | None, typer.Option(help="Seconds to run; until Ctrl-C without it.", min=1.0)
    ] = None,
    json: MeasuredOption = None,
) -> None:
    """Watch the cameras of a configuration file until stopped."""
    from cityeye.city_child import CityChild

    # It imports Ray while this process reads the configuration.
    child = CityChild()
    from rich.console import Console

    from cityeye.run import run_city

    raise typer.Exit(run_city(config, duration, json, Console(), child))


def demo(
    duration: Annotated[
        float | None, typer.Option(help="Seconds to run; until Ctrl-C without it.", min=1.0)
    ] = None,
    cameras: Annotated[
        int, typer.Option(help="Number of rendered cameras.", min=1, max=MAX_DEMO_CAMERAS)
    ] = 4,
    json: MeasuredOption = None,
) -> None:
    """Run everything on rendered cameras: streams, detection, incidents, hub and console."""
    from rich.console import Console

    from cityeye.demo import run_demo

    raise typer.Exit(run_demo(duration, cameras, json, Console()))
