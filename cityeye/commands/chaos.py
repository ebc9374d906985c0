"""`cityeye chaos`: random faults on a real city, and what it lost, invented or claimed falsely."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.bench_options import JsonOption, PlotOption, outputs, progress, publish
from cityeye.model_place import cache_folder


def chaos(  # noqa: PLR0913, PLR0917 - options, which people name
    minutes: Annotated[
        float | None,
        typer.Option(help="Begin no fault after so many minutes; as long as it takes if absent."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the schedule of faults.")] = 1,
    least: Annotated[int, typer.Option(help="How often every kind of fault comes.", min=1)] = 5,
    rare: Annotated[
        int, typer.Option(help="How often those come that take all of Ray along.", min=1)
    ] = 3,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of fault; repeatable.")
    ] = None,
    first: Annotated[
        int, typer.Option(help="Index of the first fault of the schedule to run.", min=0)
    ] = 0,
    faults: Annotated[
        int | None, typer.Option(help="How many faults from there; all if absent.", min=1)
    ] = None,
    soak: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Hit no process for so long after a warm-up, and say what grows in each.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the folder with all that the city wrote.")
    ] = False,
    combine: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Instead, add up the --json files of earlier runs; repeatable."
        ),
    ] = None,
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Hit a city on drawn cameras with faults, and compare what arrived with what had to.

    Processes are killed and stopped, cameras, receivers and the keyframe store fail. The exit
    status is 1 if an event was lost, invented or out of order, an incident did not end, a keyframe
    is not what its event says, or a surface called a camera watched for too long without a frame.
    """
    if combine:
        if json or plot:
            raise typer.BadParameter("--combine prints what earlier runs gave, and writes no file")
        _add_up(combine)
        return
    from benchmarks.chaos.campaign import ChaosOptions, run

    where = outputs(json, plot)
    # So that nothing that was started is left behind.
    signal.signal(signal.SIGTERM, _interrupt)
    options = ChaosOptions(
        seed=seed,
        least=least,
        rare=rare,
        minutes=minutes,
        first=first,
        faults=faults,
        kinds=tuple(kind or ()),
        keep=keep,
        soak=soak,
    )
    outcome = run(options, os.environ, cache_folder("clips", os.environ), progress())
    publish(outcome.result, where)
    if outcome.broken:
        raise typer.Exit(1)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _add_up(files: list[Path]) -> None:
    """Prints several runs as one; ends with status 1 if a promise was broken in one of them."""
    from benchmarks.chaos.combined import combined, keeps_all
    from benchmarks.output import show_table, terminal
    from benchmarks.result import read_result

    tables = combined([read_result(file) for file in files])
    for table in tables:
        show_table(table, terminal())
    if not keeps_all(tables):
        raise typer.Exit(1)
