"""Recordings on disk: their frames one by one, and clips of them that a camera can send."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from camera_adapters import CameraFault, CameraSpec, Frame, Image, Playback
from cityeye.errors import CommandError

SUFFIXES: Final = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"}
)
CLIP_FPS: Final = 15.0
CLIP_S: Final = 60.0
TASK: Final = "trial"
_VERSION: Final = "1"
"""Of the way clips are made: another one makes them anew."""


def recordings_in(folder: Path) -> list[Path]:
    """The video files of a folder, by name.

    Raises:
        CommandError: There is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise CommandError(f"there is no folder {folder}; name one with recordings")
    found = sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
    if not found:
        known = ", ".join(sorted(SUFFIXES))
        raise CommandError(f"{folder} holds no recording; its files must end in one of {known}")
    return found


def frames_of(recording: Path, fps: float) -> Iterator[Frame]:
    """The frames of a recording that are due at a rate, in order; none is left out.

    Raises:
        CommandError: It cannot be read.
    """
    spec = CameraSpec(TASK, str(recording), rates={TASK: fps})
    try:
        with closing(Playback(spec, recording)) as playback:
            yield from playback.frames()
    except CameraFault as fault:
        raise CommandError(f"{recording} cannot be read: {fault.reason}") from None


def camera_clip(recording: Path, cache: Path, on_seconds: Callable[[float], object]) -> Path:
    """The first minute of a recording as a clip that an RTSP camera can send; made at first use.

    Args:
        recording: A video file.
        cache: Where clips are kept.
        on_seconds: Is told how much of it is done.

    Raises:
        CommandError: It cannot be read, or has no image.
    """
    from simulation import write_clip

    state = recording.stat()
    facts = (_VERSION, str(recording.absolute()), state.st_size, state.st_mtime_ns)
    clip = cache / f"{recording.stem}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.mp4"
    if clip.exists():
        return clip

    def images() -> Iterator[tuple[float, Image]]:
        begin_s: float | None = None
        for frame in frames_of(recording, CLIP_FPS):
            begin_s = frame.captured_mono_s if begin_s is None else begin_s
            seconds = frame.captured_mono_s - begin_s
            if seconds > CLIP_S:
                return
            on_seconds(seconds)
            yield seconds, frame.full.rgb()

    if not write_clip(clip, images()):
        raise CommandError(f"{recording} has no image")
    return clip
