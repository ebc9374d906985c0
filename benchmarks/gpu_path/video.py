"""Decoding on a GPU: the camera adapter against the bare library on the same engines, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.gpu_path.inference import PartResult
from benchmarks.gpu_path.recordings import BareStream
from benchmarks.gpu_path.watch import GpuWatch
from benchmarks.result import Cell, Metric, Quantity, ResultTable, metrics_of
from benchmarks.rounds import Quantities, Spread, interleave
from benchmarks.subject import Say
from benchmarks.timed import repeat_each
from camera_adapters import CameraSpec, DecoderPlace, StreamSignal, gpu_streams, open_source

BARE: Final = "bare library"
ADAPTER: Final = "adapter"
QUANTITIES: Final = (
    Quantity("frames_per_s", "frames/s", "higher"),
    Quantity("cpu_ms", "ms", "lower"),
    Quantity("engines", "share", "higher"),
)
COLUMNS: Final = (
    "codec", "streams", "bare library, frames/s", "adapter, frames/s", "adapter over bare",
    "engines busy", "adapter CPU ms per frame", "streams at 30 frames/s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VideoBenchmark:
    """What to measure.

    Attributes:
        recordings: Recordings by codec.
        streams: Numbers of streams that are decoded at once, each by a thread of its own.
        place: What decodes.
        rounds: How often each contestant is measured, in turns.
        round_s: Length of one measurement in seconds.
    """

    recordings: Mapping[str, Path]
    streams: tuple[int, ...]
    place: DecoderPlace
    rounds: int
    round_s: float


def camera(recording: Path, place: DecoderPlace, number: int = 0) -> CameraSpec:
    """A camera that plays a recording as fast as it is read, for ever."""
    source = f"{recording.absolute().as_uri()}?loop=1"
    return CameraSpec(id=f"bench-{number}", source=source, decoder=place)


def measure(benchmark: VideoBenchmark, say: Say) -> PartResult:
    """Measures every codec with every number of streams.

    Raises:
        CameraFault: A recording cannot be decoded there.
    """
    metrics: list[Metric] = []
    rows: list[tuple[Cell, ...]] = []
    for codec, recording in benchmark.recordings.items():
        for streams in benchmark.streams:
            with ExitStack() as stack:
                ours = [
                    stack.enter_context(_adapter(camera(recording, benchmark.place)))
                    for _ in range(streams)
                ]
                bare = [BareStream(recording, benchmark.place).images() for _ in range(streams)]
                contestants = {
                    BARE: partial(_decode, [partial(_next, one) for one in bare], benchmark),
                    ADAPTER: partial(_decode, [partial(_next, one) for one in ours], benchmark),
                }
                for one in (*bare, *ours):
                    next(one)
                counted = gpu_streams()
                rounds = interleave(contestants, benchmark.rounds)
            where = f"codec={codec},streams={streams}"
            metrics += metrics_of(
                rounds, QUANTITIES, {name: f"path={name},{where}" for name in contestants}
            )
            ratios = rounds.ratios(ADAPTER, BARE, "frames_per_s")
            metrics.append(
                Metric(name=f"decode.ratio[{where}]", unit="", better="higher", samples=ratios)
            )
            speeds = [rounds.spread(name, "frames_per_s").median for name in contestants]
            busy = rounds.spread(ADAPTER, "engines").median
            cpu_ms = rounds.spread(ADAPTER, "cpu_ms").median
            carried = int(speeds[1] / 30)
            ratio = Spread.of(ratios).text()
            rows.append((codec, streams, *speeds, ratio, f"{busy:.0%}", cpu_ms, carried))
            say(f"{codec}, {streams} streams ({counted} on a GPU): {speeds[1]:.0f} frames/s")
    return PartResult(metrics, ResultTable(title="Decoding", columns=COLUMNS, rows=tuple(rows)))


@contextmanager
def _adapter(spec: CameraSpec) -> Iterator[Iterator[object]]:
    """The images of an open camera, which is closed at the end."""
    with closing(open_source(spec)) as source:
        yield (one for one in source.arrivals() if not isinstance(one, StreamSignal))


def _next(images: Iterator[object]) -> int:
    next(images)
    return 1


def _decode(steps: list[Callable[[], int]], benchmark: VideoBenchmark) -> Quantities:
    with GpuWatch() as watch:
        timed = repeat_each(steps, benchmark.round_s)
    return {
        "frames_per_s": timed.per_s,
        "cpu_ms": timed.cpu_ms,
        "engines": watch.load.decoder,
    }
