"""`cityeye demo`: the whole product on rendered cameras, nothing to prepare."""

from __future__ import annotations

from typing import Annotated

import typer

from cityeye.commands.model_option import MeasuredOption

MAX_CAMERAS = 64


def demo(
    duration: Annotated[
        float | None, typer.Option(help="Seconds to run; until Ctrl-C without it.", min=1.0)
    ] = None,
    cameras: Annotated[
        int, typer.Option(help="Number of rendered cameras.", min=1, max=MAX_CAMERAS)
    ] = 4,
    json: MeasuredOption = None,
) -> None:
    """Run everything on rendered cameras: streams, detection, incidents, hub and console."""
    from rich.console import Console

    from cityeye.demo import run_demo

    raise typer.Exit(run_demo(duration, cameras, json, Console()))
