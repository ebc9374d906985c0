"""`cityeye bench`: measure this machine."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands import (
    bench_city,
    bench_gpu,
    bench_hub,
    bench_incidents,
    bench_outbox,
    bench_street,
)
from cityeye.commands.bench_options import (
    ClipOption,
    JsonOption,
    ModelOption,
    PackageOption,
    PlotOption,
    RoundsOption,
    SecondsOption,
    outputs,
    progress,
    publish,
)
from cityeye.commands.bench_report import report
from cityeye.commands.bench_results import compare_results, show_results
from cityeye.model_place import cache_folder

app = typer.Typer(help="Measure what this machine carries.", no_args_is_help=True)
app.command("compare")(compare_results)
app.command("results")(show_results)
app.command("report")(report)

BUILT_IN = "traffic"
SCENES = ("crossroad-jam",)
"""What models are measured on where no recording is given; what they see costs next to nothing."""


PIPELINE_SCENES = ("crossroad-jam", "arterial-night")
"""Two streets, one with a jam and one without."""


class BenchDetector(StrEnum):
    """What runs the models of a city."""

    RAY_SERVE = "ray_serve"
    IN_PROCESS = "in_process"


class BenchProvider(StrEnum):
    """An execution provider of ONNX Runtime."""

    CPU = "cpu"
    CUDA = "cuda"


class BenchPrecision(StrEnum):
    """A precision of a model package."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


@app.command("decode")
def decode(
    model: ModelOption = BUILT_IN,
    package: PackageOption = None,
    clip: ClipOption = None,
    streams: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Streams at once; repeatable. 1, cores and 2 x cores if absent."),
    ] = None,
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 0.4,
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Measure decoding and conversion of recordings against cv2.VideoCapture."""
    from benchmarks.decode import DecodeBenchmark, run, stream_counts
    from benchmarks.subject import clips_of, package_of
    from serving import model_ref

    where, say = outputs(json, plot), progress()
    view = model_ref(package_of(model, package)).view
    clips = clips_of(clip, cache_folder("clips", os.environ), say)
    counts = tuple(streams) if streams else stream_counts()
    publish(run(DecodeBenchmark(clips, view, counts, rounds, seconds), say), where)


@app.command("detect")
def detect(  # noqa: PLR0913, PLR0917 - options, which people name
    model: ModelOption = BUILT_IN,
    package: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="An own model package instead of --model; one per precision."
        ),
    ] = None,
    clip: ClipOption = None,
    precision: Annotated[
        list[BenchPrecision] | None,
        typer.Option(help="Repeatable; made from fp32 where no package has it."),
    ] = None,
    provider: Annotated[
        list[BenchProvider] | None, typer.Option(help="Repeatable; all that work if absent.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, max=256, help="Images per run; repeatable.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, max=256, help="Threads per run; repeatable.")
    ] = None,
    callers: Annotated[
        list[int] | None,
        typer.Option(min=1, max=256, help="Runs of a session at once; repeatable."),
    ] = None,
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 0.5,
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Measure a session by batch, threads, callers, precision and provider."""
    from benchmarks.detect import DetectBenchmark, run
    from benchmarks.subject import clips_of, package_of

    where, say = outputs(json, plot), progress()
    packages = [package_of(model, one) for one in package] if package else [package_of(model)]
    clips = clips_of(clip, cache_folder("clips", os.environ), say, SCENES)
    benchmark = DetectBenchmark(
        packages,
        next(iter(clips.values())),
        precisions=tuple(one.value for one in precision or ()),
        providers=tuple(one.value for one in provider or ()),
        batches=tuple(batch or (1, 4, 8, 16)),
        threads=tuple(threads or ()),
        callers=tuple(callers or ()),
        rounds=rounds,
        round_s=seconds,
    )
    publish(run(benchmark, say), where)


@app.command("serve")
def serve(  # noqa: PLR0913, PLR0917 - options, which people name
    model: ModelOption = BUILT_IN,
    package: PackageOption = None,
    clip: ClipOption = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, max=256, help="Images per batch; repeatable. 1, 8 and 16 if absent."),
    ] = None,
    callers: Annotated[
        list[int] | None,
        typer.Option(min=1, max=64, help="Callers at once; repeatable. 1 and 2 if absent."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads per run.")] = 1,
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 2.0,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for Ray Serve.")] = 8599,
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Measure inference through Ray Serve against inference in the same process."""
    from benchmarks.serve import ServeBenchmark, run
    from benchmarks.subject import clips_of, images_of, package_of
    from serving import model_ref

    where, say = outputs(json, plot), progress()
    chosen = package_of(model, package)
    clips = clips_of(clip, cache_folder("clips", os.environ), say, SCENES)
    batches = tuple(batch or (1, 8, 16))
    images = images_of(next(iter(clips.values())), model_ref(chosen).view, max(batches))
    benchmark = ServeBenchmark(
        chosen, images, batches, tuple(callers or (1, 2)), threads, rounds, seconds, port
    )
    publish(run(benchmark, say), where)


@app.command("pipeline")
def pipeline(  # noqa: PLR0913, PLR0917 - options, which people name
    model: ModelOption = BUILT_IN,
    package: PackageOption = None,
    clip: ClipOption = None,
    detector: Annotated[
        list[BenchDetector] | None,
        typer.Option(help="What runs the model; repeatable. Both, one after the other, if absent."),
    ] = None,
    cameras: Annotated[int, typer.Option(min=1, max=256, help="Rendered cameras.")] = 8,
    fps: Annotated[
        float, typer.Option(min=0.1, max=25, help="Frames per second to infer of each camera.")
    ] = 5.0,
    hub: Annotated[bool, typer.Option("--hub", help="Run the embedded hub too.")] = False,
    signals: Annotated[
        bool, typer.Option(help="Whether each camera asks for all signals of its images.")
    ] = True,
    rounds: RoundsOption = 3,
    seconds: SecondsOption = 8.0,
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Profile the path of a frame of a running city: CPU and waiting by process and function."""
    from benchmarks.pipeline import PipelineBenchmark, run
    from benchmarks.subject import clips_of, package_of

    where, say = outputs(json, plot), progress()
    clips = clips_of(clip, cache_folder("clips", os.environ), say, PIPELINE_SCENES)
    detectors = tuple(one.value for one in detector or BenchDetector)
    benchmark = PipelineBenchmark(
        package_of(model, package), clips, detectors, cameras, fps, hub, signals, rounds, seconds
    )
    publish(run(benchmark, say), where)


@app.command("tracker")
def tracker(
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Scenes of each kind.")] = 5,
    seconds: Annotated[float, typer.Option(min=2, max=64, help="Length of each scene.")] = 40.0,
    fps: Annotated[
        list[float] | None,
        typer.Option(
            min=0.5, max=25, help="Frames per second; repeatable. 2, 5, 10, 25 if absent."
        ),
    ] = None,
    rounds: RoundsOption = 5,
    json: JsonOption = None,
) -> None:
    """Measure how well drawn crowds are followed, against ByteTrack of the library trackers."""
    from benchmarks.tracker import RATES, TrackerBenchmark, run

    where = outputs(json, None)
    benchmark = TrackerBenchmark(seeds, seconds, tuple(fps or RATES), rounds)
    publish(run(benchmark, progress()), where)


@app.command("signals")
def signals(
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Scenes of each place.")] = 5,
    seconds: Annotated[float, typer.Option(min=30, max=240, help="Length of each.")] = 240.0,
    first_seed: Annotated[int, typer.Option(min=1, help="Seed of the first scene.")] = 1,
    condition: Annotated[
        list[str] | None, typer.Option(help="Light or weather; repeatable. All if absent.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Measure what static change and view state find and invent, on drawn places."""
    from benchmarks.signals import SignalsBenchmark, run

    where = outputs(json, None)
    benchmark = SignalsBenchmark(seeds, seconds, tuple(condition or ()), first_seed)
    publish(run(benchmark, progress()), where)


@app.command("precision")
def precision(
    model: ModelOption = BUILT_IN,
    images: Annotated[
        int, typer.Option(help="Images to measure accuracy on.", min=16, max=480)
    ] = 96,
    rounds: RoundsOption = 9,
    seconds: SecondsOption = 1.0,
    json: JsonOption = None,
) -> None:
    """Measure accuracy and throughput of int8 and fp16 of a built-in model against fp32."""
    from benchmarks.precision import PrecisionBenchmark, run

    where = outputs(json, None)
    benchmark = PrecisionBenchmark(model=model, images=images, rounds=rounds, round_s=seconds)
    publish(run(benchmark, progress()), where)


@app.command("trace")
def show_trace() -> None:
    """Record which functions one analysed frame passes through, from the camera to a sink."""
    from benchmarks.trace import describe, trace

    typer.echo(describe(trace()))


app.command("city")(bench_city.city)
app.command("gpu")(bench_gpu.gpu)
app.command("incidents")(bench_incidents.incidents)
app.command("streams")(bench_street.streams)
app.command("overload")(bench_street.overload)
app.command("hub")(bench_hub.hub)
app.command("outbox")(bench_outbox.outbox)
app.command("scale")(bench_street.scale)
