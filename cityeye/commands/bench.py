"""`cityeye bench`: measure this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from cityeye.commands.model_option import MeasuredOption

app = typer.Typer(help="Measure what this machine carries.", no_args_is_help=True)


@app.command("serve")
def serve(json: MeasuredOption = None) -> None:
    """Measure detection through Ray Serve against detection in the same process."""
    from benchmarks.serve import main

    raise typer.Exit(main(json))


@app.command("precision")
def precision(
    model: Annotated[str, typer.Option(help="A built-in model.")] = "traffic",
    images: Annotated[
        int, typer.Option(help="Images to measure accuracy on.", min=16, max=480)
    ] = 96,
    json: MeasuredOption = None,
) -> None:
    """Measure accuracy and throughput of int8 and fp16 of a built-in model against fp32."""
    from benchmarks.precision import PrecisionBenchmark, main

    raise typer.Exit(main(json, PrecisionBenchmark(model=model, images=images)))


@app.command("trace")
def show_trace() -> None:
    """Record which functions one analysed frame passes through, from the camera to a sink."""
    from benchmarks.trace import describe, trace

    typer.echo(describe(trace()))
