"""What a benchmark runs on: a model package and clips, built-in ones or one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.errors import BenchmarkError
from camera_adapters import CameraSpec, Image, Size, StreamSignal, ViewSpec, open_source
from models import BUILTIN_ROOT, ModelPackage, ModelRepository
from simulation import ensure_clips
from simulation.scenes import DEMO_SCENES

Say = Callable[[str], object]
"""Is given a line about how it goes."""


def package_of(model: str, folder: Path | None = None) -> ModelPackage:
    """The package to measure.

    Args:
        model: Name of a built-in model, `NAME` or `NAME/VERSION`; unused with `folder`.
        folder: Directory of an own package, the one that holds `model.yaml`.

    Raises:
        ModelError: There is no such package, or it is damaged.
    """
    if folder is not None:
        return ModelPackage.load(folder)
    name, _, version = model.partition("/")
    return ModelRepository(BUILTIN_ROOT).find(name, version or None)


def clips_of(
    clip: Path | None, cache: Path, say: Say, scenes: Sequence[str] = DEMO_SCENES
) -> dict[str, Path]:
    """The recordings to measure by name: an own one, or drawn ones, which are made when missing.

    Raises:
        BenchmarkError: There is no such file.
    """
    if clip is not None:
        if not clip.is_file():
            raise BenchmarkError(f"there is no recording {clip}; give --clip a video file")
        return {clip.stem: clip}
    say(f"clips: {', '.join(scenes)}; those that are not in {cache} are drawn")
    return ensure_clips(tuple(scenes), cache)


def camera_of(clip: Path, *, name: str = "bench", realtime: bool = False) -> CameraSpec:
    """A camera that plays a recording for ever, as fast as it is read or in real time."""
    switches = f"loop=1&realtime={int(realtime)}"
    return CameraSpec(id=name, name=name, source=f"{clip.absolute().as_uri()}?{switches}")


def size_of(clip: Path) -> Size:
    """The size of a recording's images."""
    source = open_source(camera_of(clip))
    try:
        return next(one.size for one in source.arrivals() if not isinstance(one, StreamSignal))
    finally:
        source.close()


def images_of(clip: Path, view: ViewSpec, count: int) -> Image:
    """Images of a recording as a model takes them, (count, H, W, 3) uint8 RGB."""
    source = open_source(camera_of(clip))
    try:
        decoded = (one for one in source.arrivals() if not isinstance(one, StreamSignal))
        images = [one.views([view])[view].image for one in islice(decoded, count)]
    finally:
        source.close()
    return np.stack(images)
