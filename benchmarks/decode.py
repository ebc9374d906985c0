"""What decoding costs: frames per second and processor time per frame, with one stream or many.

The camera adapter's decoder and `cv2.VideoCapture` read the same recordings in turns, both with one
thread per stream: decoding alone, and up to an image as a model takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from pydantic import JsonValue

from benchmarks.errors import BenchmarkError
from benchmarks.machine import whole_cores
from benchmarks.result import (
    BenchmarkResult,
    Cell,
    Metric,
    PlotLine,
    Quantity,
    ResultPlot,
    ResultTable,
    RunStart,
    metrics_of,
)
from benchmarks.rounds import Quantities, Rounds, Spread, interleave
from benchmarks.subject import Say, camera_of
from benchmarks.timed import repeat_each
from camera_adapters import PADDING_VALUE, Size, StreamSignal, ViewSpec, open_source

DecodedFrames = Generator[None, None, None]
"""Decodes one frame with every step; never ends."""

ADAPTER: Final = "adapter"
OPENCV: Final = "cv2.VideoCapture"
CONVERTED: Final = " and conversion"
QUANTITIES: Final = (
    Quantity("frames_per_s", "frames/s", "higher"),
    Quantity("cpu_ms", "ms", "lower"),
)
COLUMNS: Final = (
    "clip", "streams", "up to", "adapter frames/s", "cv2 frames/s", "adapter CPU ms", "cv2 CPU ms",
    "adapter frames/s per core", "adapter over cv2",
)  # fmt: skip


def stream_counts() -> tuple[int, ...]:
    """One stream, as many as cores, and twice as many."""
    cores = whole_cores()
    return tuple(sorted({1, cores, 2 * cores}))


@dataclass(frozen=True, slots=True)
class DecodeBenchmark:
    """What to measure.

    Attributes:
        clips: Recordings by name.
        view: The image that a model takes.
        streams: Numbers of streams that are decoded at once, each by a thread of its own.
        rounds: How often each contestant is measured, in turns.
        round_s: Length of one measurement in seconds.
    """

    clips: Mapping[str, Path]
    view: ViewSpec
    streams: tuple[int, ...]
    rounds: int = 5
    round_s: float = 0.4


def run(benchmark: DecodeBenchmark, say: Say) -> BenchmarkResult:
    """Measures every clip with every number of streams.

    Raises:
        CameraFault: A recording cannot be decoded.
        BenchmarkError: OpenCV cannot read a recording.
    """
    start = RunStart()
    metrics: list[Metric] = []
    rows: list[tuple[Cell, ...]] = []
    lines: list[PlotLine] = []
    for clip, path in benchmark.clips.items():
        by_streams: dict[int, Rounds] = {}
        for streams in benchmark.streams:
            say(f"{clip} ({_format_of(path)}): {streams} at once")
            by_streams[streams] = _measure(benchmark, path, streams)
            labels = _labels(by_streams[streams], clip, streams)
            metrics += metrics_of(by_streams[streams], QUANTITIES, labels)
            rows += _rows(by_streams[streams], clip, streams)
        lines += [_line(by_streams, name, clip) for name in (ADAPTER, ADAPTER + CONVERTED)]
    size = benchmark.view.size
    title = f"Decoding with one thread per stream, and conversion to {size.width}x{size.height} RGB"
    plot = ResultPlot(title=title, x_label="streams", y_label="frames/s", lines=tuple(lines))
    table = ResultTable(title=title, columns=COLUMNS, rows=tuple(rows))
    return start.result("decode", _settings(benchmark), metrics, [table], plot)


def _measure(benchmark: DecodeBenchmark, clip: Path, streams: int) -> Rounds:
    """All contestants, for one clip and one number of streams."""
    with ExitStack() as stack:
        stack.enter_context(_one_opencv_thread())
        contestants = {}
        for name, frames in _contestants(benchmark.view).items():
            opened = [stack.enter_context(closing(frames(clip))) for _ in range(streams)]
            _decode(opened, 0.0)
            contestants[name] = partial(_decode, opened, benchmark.round_s)
        return interleave(contestants, benchmark.rounds)


def _decode(opened: list[DecodedFrames], seconds: float) -> Quantities:
    """Decodes all streams for a while, each in a thread of its own."""

    def step(frames: DecodedFrames) -> int:
        next(frames)
        return 1

    timed = repeat_each([partial(step, frames) for frames in opened], seconds)
    return {"frames_per_s": timed.per_s, "cpu_ms": timed.cpu_ms}


def _contestants(view: ViewSpec) -> dict[str, Callable[[Path], DecodedFrames]]:
    return {
        ADAPTER: partial(_adapter_frames, view=None),
        OPENCV: partial(_opencv_frames, view=None),
        ADAPTER + CONVERTED: partial(_adapter_frames, view=view),
        OPENCV + CONVERTED: partial(_opencv_frames, view=view),
    }


def _adapter_frames(clip: Path, view: ViewSpec | None) -> DecodedFrames:
    source = open_source(camera_of(clip))
    try:
        for arrival in source.arrivals():
            if not isinstance(arrival, StreamSignal):
                if view is not None:
                    arrival.views([view])
                yield
    finally:
        source.close()


def _opencv_frames(clip: Path, view: ViewSpec | None) -> DecodedFrames:
    """What a loop written by hand does; it opens the file again at its end, as the adapter does."""
    while True:
        capture = _open(clip)
        try:
            while capture.grab():
                if view is not None:
                    _letterboxed(capture.retrieve()[1], view)
                yield
        finally:
            capture.release()


def _open(clip: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise BenchmarkError(f"OpenCV cannot read {clip}; give --clip an MP4 file with H.264")
    return capture


def _letterboxed(bgr: cv2.typing.MatLike, view: ViewSpec) -> cv2.typing.MatLike:
    """A full image, (H, W, 3) uint8 BGR, as the model takes it: RGB, padded."""
    place = view.place(Size(bgr.shape[1], bgr.shape[0]))
    content = place.content
    image = np.full((view.size.height, view.size.width, 3), PADDING_VALUE, np.uint8)
    scaled = cv2.resize(bgr, (content.width, content.height), interpolation=cv2.INTER_LINEAR)
    rows = slice(place.top, place.top + content.height)
    image[rows, place.left : place.left + content.width] = cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB)
    return image


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """OpenCV's own threads would work for one stream on the cores of another."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _labels(rounds: Rounds, clip: str, streams: int) -> dict[str, str]:
    return {name: f"clip={clip},decoder={name},streams={streams}" for name in rounds.contestants}


def _rows(rounds: Rounds, clip: str, streams: int) -> list[tuple[Cell, ...]]:
    """A row for decoding alone and one with conversion; CPU time is per frame."""
    rows: list[tuple[Cell, ...]] = []
    for end, how in (("decoded", ""), ("converted", CONVERTED)):
        names = (ADAPTER + how, OPENCV + how)
        speeds = [rounds.spread(name, "frames_per_s").median for name in names]
        cpu_ms = [rounds.spread(name, "cpu_ms").median for name in names]
        ratios = Spread.of(rounds.ratios(*names, "frames_per_s"))
        per_core = 1000 / max(cpu_ms[0], 1e-9)
        rows.append((clip, streams, end, *speeds, *cpu_ms, per_core, ratios.text()))
    return rows


def _line(by_streams: Mapping[int, Rounds], name: str, clip: str) -> PlotLine:
    points = {
        float(streams): rounds.samples(name, "frames_per_s")
        for streams, rounds in by_streams.items()
    }
    return PlotLine.of(f"{clip}: {name}", points)


def _format_of(clip: Path) -> str:
    """Width, height and codec of a recording."""
    capture = _open(clip)
    try:
        width, height, codec = (
            int(capture.get(one))
            for one in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FOURCC)
        )
    finally:
        capture.release()
    return f"{width}x{height} {codec.to_bytes(4, 'little').decode('ascii', 'replace')}"


def _settings(benchmark: DecodeBenchmark) -> dict[str, JsonValue]:
    size = benchmark.view.size
    return {
        "clips": {name: _format_of(path) for name, path in benchmark.clips.items()},
        "input": f"{size.width}x{size.height}",
        "fit": benchmark.view.fit,
        "streams": list(benchmark.streams),
        "rounds": benchmark.rounds,
        "round_s": benchmark.round_s,
    }
