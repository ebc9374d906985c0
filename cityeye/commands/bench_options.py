"""Options that the commands of `cityeye bench` share, and what they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from benchmarks.output import Outputs
    from benchmarks.result import BenchmarkResult
    from benchmarks.subject import Say

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result to this file.")
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw a plot, .png or .svg; needs cityeye[bench]."),
]
ModelOption = Annotated[str, typer.Option("--model", metavar="NAME", help="A built-in model.")]
PackageOption = Annotated[
    Path | None,
    typer.Option("--package", metavar="DIR", help="An own model package instead of --model."),
]
ClipOption = Annotated[
    Path | None,
    typer.Option("--clip", metavar="FILE", help="An own recording instead of the drawn ones."),
]
RoundsOption = Annotated[
    int, typer.Option(help="How often each contestant is measured, in turns.", min=1, max=1000)
]
SecondsOption = Annotated[
    float, typer.Option(help="Length of one measurement in seconds.", min=0.05, max=3600)
]


def outputs(json: Path | None, plot: Path | None) -> Outputs:
    """Where the result goes.

    Raises:
        BenchmarkError: A file cannot be written there.
    """
    from benchmarks.output import Outputs

    wanted = Outputs(json, plot)
    wanted.check()
    return wanted


def progress() -> Say:
    """Prints a line on stderr."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print


def publish(result: BenchmarkResult, where: Outputs) -> None:
    """Prints a result and writes its files."""
    from benchmarks.output import publish as publish_result

    publish_result(result, where)
