"""`cityeye bench hub`: events that a hub takes, and answers with very many of them stored."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.bench_options import JsonOption, outputs, progress, publish


class BenchDatabase(StrEnum):
    """A kind of database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def hub(
    database: Annotated[
        list[BenchDatabase] | None,
        typer.Option(help="Repeatable; all that can run here if absent."),
    ] = None,
    incidents: Annotated[int, typer.Option(min=1, help="Incidents that are stored.")] = 100_000,
    measurements: Annotated[
        int, typer.Option(min=0, help="Measurements that are stored.")
    ] = 1_000_000,
    requests: Annotated[
        int, typer.Option(min=1, max=10_000, help="How often everything is asked.")
    ] = 60,
    seconds: Annotated[
        float,
        typer.Option(min=0.1, max=3600, help="Seconds of a round in which single events are sent."),
    ] = 2.0,
    folder: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where the files lie; its disk decides."),
    ] = None,
    json: JsonOption = None,
) -> None:
    """Measure events per second that a hub takes, and its answers with all of them stored.

    The defaults take some minutes for each database.
    """
    from benchmarks.hub import HubBenchmark, run

    where, say = outputs(json, None), progress()
    kinds = tuple(one.value for one in database or BenchDatabase)
    benchmark = HubBenchmark(kinds, incidents, measurements, requests, seconds, folder)
    publish(run(benchmark, say), where)
