"""`cityeye bench gpu`: what a GPU gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.commands.bench_options import (
    ClipOption,
    JsonOption,
    ModelOption,
    PackageOption,
    RoundsOption,
    SecondsOption,
    outputs,
    progress,
    publish,
)

if TYPE_CHECKING:
    from benchmarks.result import BenchmarkResult


def gpu(
    model: ModelOption = "traffic",
    package: PackageOption = None,
    clip: ClipOption = None,
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 1.0,
    carry: Annotated[
        float, typer.Option(min=1, max=3600, help="Length of a run with cameras in seconds.")
    ] = 8.0,
    json: JsonOption = None,
) -> None:
    """Measure a GPU: inference, decoding, and how many cameras it carries. Fails without one."""
    from benchmarks.gpu import GpuBenchmark, run
    from benchmarks.subject import package_of

    where = outputs(json, None)
    benchmark = GpuBenchmark(
        package_of(model, package), clip, rounds=rounds, round_s=seconds, carry_s=carry
    )

    def keep(so_far: BenchmarkResult) -> None:
        if where.json is not None:
            so_far.write(where.json)

    publish(run(benchmark, progress(), keep), where)
