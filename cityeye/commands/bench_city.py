"""`cityeye bench city`: how many cameras director, outboxes and hub carry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.bench_options import JsonOption, SecondsOption, outputs, progress, publish


def city(
    cameras: Annotated[
        list[int] | None,
        typer.Option(min=1, max=100_000, help="Repeatable; 1 to 10,000 in tens if absent."),
    ] = None,
    recorded: Annotated[
        float, typer.Option(min=10, max=600, help="Seconds of the street that is recorded.")
    ] = 75.0,
    folder: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where the files lie; its disk decides."),
    ] = None,
    seconds: SecondsOption = 4.0,
    json: JsonOption = None,
) -> None:
    """Measure director, outboxes and hub with the recorded results of up to 10,000 cameras.

    Decoders and models are left out: `streams` and `gpu` measure these.
    """
    from benchmarks.city_path.simulated_city import COUNTS, CityBenchmark, run

    where, say = outputs(json, None), progress()
    counts = tuple(sorted(set(cameras or COUNTS)))
    publish(run(CityBenchmark(counts, seconds, recorded, folder), say), where)
