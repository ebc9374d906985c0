"""`cityeye bench outbox`: how many events a worker stores and delivers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.bench_options import (
    JsonOption,
    PlotOption,
    RoundsOption,
    SecondsOption,
    outputs,
    progress,
    publish,
)


class BenchSink(StrEnum):
    """A kind of sink."""

    HTTP = "http"
    KAFKA = "kafka"
    MQTT = "mqtt"


def outbox(
    sink: Annotated[
        list[BenchSink] | None, typer.Option(help="Repeatable; all that can run here if absent.")
    ] = None,
    cameras: Annotated[int, typer.Option(min=1, max=1000, help="Cameras of the worker.")] = 8,
    folder: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where the outbox lies; its disk decides."),
    ] = None,
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 2.0,
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Measure events per second that are stored durably, and delivered to each kind of sink."""
    from benchmarks.outbox import OutboxBenchmark, run

    where, say = outputs(json, plot), progress()
    kinds = tuple(one.value for one in sink or BenchSink)
    publish(run(OutboxBenchmark(kinds, cameras, rounds, seconds, folder), say), where)
