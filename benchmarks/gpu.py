"""`cityeye bench gpu`: inference, decoding and cameras of one GPU in one result.

Everything is drawn and converted here, so that a bare machine needs nothing but the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.gpu_path import inference, streams, video
from benchmarks.gpu_path.carrier import CarrierSetup
from benchmarks.gpu_path.recordings import RecordingSpec, write_recordings
from benchmarks.machine import whole_cores
from benchmarks.result import BenchmarkResult, Metric, ResultTable, RunStart
from benchmarks.subject import Say, images_of
from camera_adapters import CameraFault, DecoderPlace, Size, ViewSpec
from model_tools.importing import lowered
from models import ModelPackage, Precision, Provider, has_cuda
from simulation import encode_scene
from simulation.scenes import scene_named

SCENE = "crossroad-jam"
DRAWN_S = 20.0
CORES_PER_PROCESS = 4
"""As camera workers share them. With 16 cores and 96 streams of H.265, 1, 2, 4 and 8 processes gave
3037, 5618, 6927 and 6732 frames per second."""


@dataclass(frozen=True, slots=True)
class GpuBenchmark:
    """What to measure.

    Attributes:
        package: The model, in fp32.
        clip: A recording whose images are taken; a drawn street if None.
        batches: Images per run.
        streams: Numbers of streams that are decoded at once.
        carried: Streams of the runs that find out how fast decoding and inference go together.
        recordings: What the recordings are like.
        rounds: How often each contestant is measured, in turns.
        round_s: Length of one measurement in seconds.
        carry_s: Length of a run with cameras.
        provider: Where it is inferred; `cpu` stands in for a GPU in tests.
        place: Where it is decoded, likewise.
    """

    package: ModelPackage
    clip: Path | None = None
    batches: tuple[int, ...] = (1, 4, 16)
    streams: tuple[int, ...] = (1, 14, 28)
    carried: int = 96
    recordings: RecordingSpec = RecordingSpec()  # noqa: RUF009 - immutable
    rounds: int = 5
    round_s: float = 1.0
    carry_s: float = 8.0
    provider: Provider = "cuda"
    place: DecoderPlace = "cuda"


def run(
    benchmark: GpuBenchmark, say: Say, keep: Callable[[BenchmarkResult], object] = lambda _: None
) -> BenchmarkResult:
    """Measures; where the GPU cannot decode, the result says why and has inference alone.

    Args:
        benchmark: What.
        say: Is given lines about how it goes.
        keep: Is given the result so far after each part, as a machine may be lent for minutes.

    Raises:
        BenchmarkError: There is no GPU that can infer, or a process fails.
        ModelError: The model does not run on the GPU as a whole.
        CameraFault: The given recording cannot be decoded.
    """
    start = RunStart()
    _check(benchmark, start)
    notes: dict[str, JsonValue] = {}
    metrics: list[Metric] = []
    tables: list[ResultTable] = []
    with TemporaryDirectory(prefix="cityeye-gpu-") as name:
        folder = Path(name)
        say("making recordings of both codecs")
        source = benchmark.clip or _drawn(folder, say)
        recordings = write_recordings(source, folder, benchmark.recordings)
        for part in _parts(benchmark, recordings, source, folder, say, notes):
            metrics += part.metrics
            tables.append(part.table)
            keep(start.result("gpu", {**_settings(benchmark), **notes}, metrics, tables))
    return start.result("gpu", {**_settings(benchmark), **notes}, metrics, tables)


def _check(benchmark: GpuBenchmark, start: RunStart) -> None:
    if benchmark.provider != "cuda":
        return
    if not start.machine.gpus:
        raise BenchmarkError(
            "there is no NVIDIA GPU here: nvidia-smi shows none; run this on a machine with one "
            "(`cityeye bench detect` and `cityeye bench decode` measure a processor)"
        )
    if not has_cuda():
        raise BenchmarkError(
            "there is a GPU, but the installed ONNX Runtime cannot use it; install the gpu extra"
        )


def _parts(
    benchmark: GpuBenchmark,
    recordings: Mapping[str, Path],
    source: Path,
    folder: Path,
    say: Say,
    notes: dict[str, JsonValue],
) -> Iterator[inference.PartResult]:
    wanted = benchmark.package.manifest.input
    view = ViewSpec(Size(wanted.width, wanted.height), wanted.fit)
    images = images_of(source, view, max(benchmark.batches))
    half = lowered(benchmark.package, "fp16", images, folder)
    packages: dict[Precision, ModelPackage] = {"fp32": benchmark.package, "fp16": half}
    yield inference.measure(
        inference.InferenceBenchmark(
            packages,
            images,
            benchmark.batches,
            benchmark.provider,
            benchmark.rounds,
            benchmark.round_s,
        ),
        say,
    )
    try:
        yield video.measure(
            video.VideoBenchmark(
                recordings, benchmark.streams, benchmark.place, benchmark.rounds, benchmark.round_s
            ),
            say,
        )
    except CameraFault as fault:
        say(f"decoding is not measured: {fault}")
        notes["not_measured"] = str(fault)
        return
    setup = CarrierSetup(half.directory, benchmark.provider, benchmark.place)
    processes = max(1, whole_cores() // CORES_PER_PROCESS)
    notes["processes"] = processes
    yield streams.measure(
        streams.StreamBenchmark(recordings, setup, benchmark.carried, processes, benchmark.carry_s),
        say,
    )


def _drawn(folder: Path, say: Say) -> Path:
    """A drawn street."""
    say(f"drawing {SCENE}")
    clip = folder / f"{SCENE}.mp4"
    encode_scene(scene_named(SCENE), clip, lambda *_: None, DRAWN_S)
    return clip


def _settings(benchmark: GpuBenchmark) -> dict[str, JsonValue]:
    made = benchmark.recordings
    return {
        "model": str(benchmark.package),
        "sha256": benchmark.package.manifest.sha256,
        "provider": benchmark.provider,
        "decoder": benchmark.place,
        "recordings": f"{made.size} at 30 frames/s, {made.bits_per_s / 1e6:g} Mbit/s, with noise",
        "batches": list(benchmark.batches),
        "streams": list(benchmark.streams),
        "carried": benchmark.carried,
        "rounds": benchmark.rounds,
        "round_s": benchmark.round_s,
        "carry_s": benchmark.carry_s,
    }
