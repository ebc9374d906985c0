"""How many cameras a kind of GPU carries, by stored results of `cityeye bench gpu`.

Every number is one that was measured on such a GPU, scaled by pixels per second for decoding and by
images per second for inference; a GPU, codec or model that nobody measured is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.result import BenchmarkResult, Metric, read_result
from benchmarks.results_page import RESULTS

NAMES: Final = {"h264": "H.264", "h265": "H.265"}
USABLE: Final = 0.95
"""Of the images per second of a detector alone; beside other work it is never given all of it."""

MEASURED_FPS: Final = 30.0
ROUNDING: Final = 1e-9
_SIZE: Final = re.compile(r"^(\d+)x(\d+) ")
_DETECTOR: Final = "images_per_s[path=detector,"


@dataclass(frozen=True, slots=True)
class GpuDemand:
    """What a camera asks of a GPU.

    Attributes:
        codec: `h264` or `h265`.
        megapixels_per_s: Of its video.
        inferences: Inferences per second by `name/version`.
    """

    codec: str
    megapixels_per_s: float
    inferences: dict[str, float]


@dataclass(frozen=True, slots=True)
class GpuCapacity:
    """What one GPU of a kind carries.

    Attributes:
        gpu: Its name.
        cameras: Cameras of the kind that was asked for.
        limit: What limits it: `decoding` or `inference`.
        host: The processor and cores beside it.
        measured: What was measured, in words.
        source: The file of the result.
    """

    gpu: str
    cameras: int
    limit: str
    host: str
    measured: str
    source: str


def stored_gpu_results() -> list[Path]:
    """Result files of GPUs that are kept with the program."""
    return sorted(RESULTS.rglob("gpu-*.json"))


def gpu_capacities(demand: GpuDemand, files: Iterable[Path]) -> list[GpuCapacity]:
    """What each measured kind of GPU carries.

    Raises:
        BenchmarkError: A file cannot be read.
    """
    found = (_capacity(demand, read_result(path), path) for path in files)
    return [one for one in found if one is not None]


def _capacity(demand: GpuDemand, result: BenchmarkResult, path: Path) -> GpuCapacity | None:
    machine, codec = result.machine, NAMES.get(demand.codec, "")
    metrics = {one.name: one for one in result.metrics}
    carried = metrics.get(f"streams.cameras[codec={codec}]")
    size = _SIZE.match(str(result.settings.get("recordings", "")))
    if result.benchmark != "gpu" or not machine.gpus or carried is None or size is None:
        return None
    if set(demand.inferences) != {result.settings.get("model")}:
        return None
    pixels = int(size[1]) * int(size[2]) / 1e6
    decoded = carried.median * MEASURED_FPS * pixels
    images = max((one.median for one in _detector(result.metrics)), default=0.0)
    rate = sum(demand.inferences.values())
    limits = {
        "decoding": decoded / demand.megapixels_per_s,
        "inference": USABLE * images / rate,
    }
    limit = min(limits, key=lambda name: limits[name])
    text = (
        f"{carried.median:.0f} cameras of {size[0].strip()} at {MEASURED_FPS:g} images/s in "
        f"{codec} in real time, {images:.0f} images/s of {result.settings['model']}"
    )
    host = f"{machine.cpu}, {machine.cores:g} cores"
    return GpuCapacity(
        machine.gpus[0].name, int(limits[limit] + ROUNDING), limit, host, text, path.name
    )


def _detector(metrics: Sequence[Metric]) -> Iterator[Metric]:
    return (one for one in metrics if one.name.startswith(_DETECTOR))
