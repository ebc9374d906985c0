"""`cityeye cameras`: stand-ins for cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Stand-ins for cameras.", no_args_is_help=True)


@app.callback()
def cameras() -> None:
    """Stand-ins for cameras."""


@app.command("serve")
def serve(
    clips: Annotated[list[Path], typer.Argument(help="H.264 or H.265 video files.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 0,
) -> None:
    """Serve video files over RTSP, endlessly, and print their addresses."""
    from simulation.rtsp_server.__main__ import main

    arguments = ["--host", host, "--port", str(port), *(str(clip) for clip in clips)]
    raise typer.Exit(main(arguments))
