"""Turns scenes into H.264 clips, once: a clip is kept under the hash of all that shapes its pixels.

A clip appears under its final name only when it and its truth are complete, so several processes
may ask for the same clip at the same time.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import fields, is_dataclass
from fractions import Fraction
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue
from typing import Final

import av
import cv2
import numpy as np

from simulation.drawing.view import Truth
from simulation.scenes.catalogue import scene_named
from simulation.scenes.scene import Scene
from simulation.scenes.truth import truth_of, write_truth

ClipProgress = Callable[[str, int, int], None]  # scene, images done, images in all
_Report = tuple[str, int, int]

_GOP_S: Final = 1.6
_REPORT_EVERY: Final = 10
_OPTIONS: Final = {
    "preset": "veryfast",
    "crf": "27",
    "bf": "0",
    "sc_threshold": "0",
    # A camera is encoded on one core; the other cores draw other scenes.
    "threads": "1",
}


def renderer_files() -> list[Path]:
    """Return the source files that turn a scene into a clip, this one among them."""
    folder = Path(__file__).parent
    scenes = [folder / "scenes" / name for name in ("motion.py", "scene.py", "truth.py")]
    return sorted([Path(__file__), *folder.glob("drawing/*.py"), *scenes])


def clip_path(scene: Scene, cache_dir: Path) -> Path:
    """Return where the clip of a scene is or will be; its truth lies beside it as ``.json``.

    The name has a hash of the renderer's code and of all that the scene consists of. Code that
    only writes scripts of scenes is not in it: what it changes is in the scenes that it changes.
    """
    digest = hashlib.sha256()
    for path in renderer_files():
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    _add(digest, scene)
    return cache_dir / f"{scene.name}-{digest.hexdigest()[:16]}.mp4"


def _add(digest: "hashlib._Hash", value: object) -> None:
    """Add a value and all that it consists of; equal values add the same, in any process."""
    digest.update(f"{type(value).__name__}:".encode())
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple | list):
        digest.update(str(len(value)).encode())
        for one in value:
            _add(digest, one)
    elif is_dataclass(value):
        for one in fields(value):
            _add(digest, getattr(value, one.name))
    elif hasattr(value, "__dict__"):
        for one in vars(value).items():
            _add(digest, one)
    else:
        digest.update(f"{value!r};".encode())


def truth_path(clip: Path) -> Path:
    """Return the path of the truth that belongs to a clip."""
    return clip.with_suffix(".json")


def encode_scene(
    scene: Scene, clip: Path, on_progress: ClipProgress, seconds: float | None = None
) -> None:
    """Draw and encode one loop of a scene into an MP4 file without B-frames, and its truth.

    Args:
        scene: The scene.
        clip: The file to write.
        on_progress: Called with scene, images done and images in all.
        seconds: Length of the clip, where less than the whole loop is wanted.

    Raises:
        av.error.FFmpegError: The encoder refused; PyAV needs to be built with libx264.
    """
    found: list[Truth] = []
    with av.open(str(clip), "w", format="mp4") as container:
        rate = Fraction(scene.fps).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
        stream.width, stream.height = scene.size_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = round(scene.fps * _GOP_S)
        count = scene.frame_count if seconds is None else round(seconds * scene.fps)
        for index, (image, boxes) in enumerate(islice(scene.frames(scene.view()), count)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
            found.append(boxes)
            if index % _REPORT_EVERY == 0:
                on_progress(scene.name, index, count)
        container.mux(stream.encode(None))
    write_truth(truth_path(clip), truth_of(scene, found))
    on_progress(scene.name, count, count)


def _produce(scene: Scene, target: Path, on_progress: ClipProgress) -> None:
    """Make a clip in a folder of its own and move it into place, truth first."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
        clip = Path(folder) / target.name
        encode_scene(scene, clip, on_progress)
        os.replace(truth_path(clip), truth_path(target))
        os.replace(clip, target)


def _produce_named(name: str, target: Path, reports: "Queue[_Report]") -> None:
    """Make a clip in a worker process."""
    cv2.setNumThreads(1)
    _produce(scene_named(name), target, lambda *report: reports.put(report))


def _drain(reports: "Queue[_Report]", on_progress: ClipProgress, wait_s: float) -> None:
    try:
        report = reports.get(timeout=wait_s)
        while True:
            on_progress(*report)
            report = reports.get_nowait()
    except Empty:
        return


def _produce_together(targets: dict[str, Path], on_progress: ClipProgress, workers: int) -> None:
    # Spawned, not forked: the caller may run threads.
    context = get_context("spawn")
    with context.Manager() as manager:
        reports: Queue[_Report] = manager.Queue()
        with ProcessPoolExecutor(min(workers, len(targets)), mp_context=context) as pool:
            jobs = {
                pool.submit(_produce_named, name, target, reports)
                for name, target in targets.items()
            }
            pending = jobs
            while pending:
                _drain(reports, on_progress, 0.25)
                pending = wait(pending, timeout=0).not_done
            _drain(reports, on_progress, 0.01)
            for job in jobs:
                job.result()


def scene_clip(scene: Scene, cache_dir: Path) -> Path:
    """Return the clip of a scene, which is made in this process if it is not in the cache.

    Raises:
        OSError: The cache directory cannot be written.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    clip = clip_path(scene, cache_dir)
    if not clip.exists():
        _produce(scene, clip, lambda scene, done, total: None)
    return clip


def ensure_clips(
    names: Sequence[str], cache_dir: Path, on_progress: ClipProgress | None = None, workers: int = 2
) -> dict[str, Path]:
    """Return the clips of scenes, making those that are not in the cache.

    Args:
        names: Scenes of the registry.
        cache_dir: Where clips are kept; created if missing.
        on_progress: Called in this process with scene, images done and images in all. A
            scene that is in the cache already is reported as done at once.
        workers: Processes to draw with; 1 draws in this process.

    Raises:
        KeyError: A name is not in the registry.
        OSError: The cache directory cannot be written.
    """
    report: ClipProgress = on_progress or (lambda scene, done, total: None)
    cache_dir.mkdir(parents=True, exist_ok=True)
    scenes = {name: scene_named(name) for name in names}
    clips = {name: clip_path(scene, cache_dir) for name, scene in scenes.items()}
    missing = {name: clip for name, clip in clips.items() if not clip.exists()}
    for name in clips.keys() - missing.keys():
        report(name, scenes[name].frame_count, scenes[name].frame_count)
    if len(missing) > 1 and workers > 1:
        _produce_together(missing, report, workers)
    else:
        for name, clip in missing.items():
            _produce(scenes[name], clip, report)
    return clips
