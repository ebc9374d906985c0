"""`cityeye bench`: measure this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure what this machine carries.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure what this machine carries."""


@app.command("serve")
def serve(
    json: Annotated[Path | None, typer.Option(help="Write what was measured to this file.")] = None,
) -> None:
    """Measure detection through Ray Serve against detection in the same process."""
    from benchmarks.serve import main

    raise typer.Exit(main(json))
