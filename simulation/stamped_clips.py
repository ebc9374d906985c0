"""Clips whose frames carry their own number: any recording, encoded once more with stamps drawn on.

A stamped clip is kept under the hash of all that shapes it, and appears under its final name only
when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from camera_adapters import Image
from simulation.stamp import MAX_NUMBER, draw_stamp

_DEFAULT_FPS: Final = Fraction(25, 2)
_OPTIONS: Final = {"preset": "veryfast", "crf": "25", "bf": "0", "sc_threshold": "0"}
_NOISE: Final = 1.5
"""Of a sensor, in levels of brightness: no image of a real camera equals the one before."""

_SOURCES: Final = (Path(__file__), Path(__file__).with_name("stamp.py"))


@dataclass(frozen=True, slots=True)
class ClipShow:
    """How a stamped clip shows its recording.

    Attributes:
        key_frame_s: Seconds from key frame to key frame.
        still_s: After so many seconds it stands still for as many, with a sensor's noise, and then
            goes on; 0 for never.
    """

    key_frame_s: float = 1.6
    still_s: float = 0.0


AS_RECORDED: Final = ClipShow()


def ensure_stamped_clip(
    recording: Path, cache_dir: Path, show: ClipShow = AS_RECORDED, max_frames: int = 3000
) -> Path:
    """Returns the stamped copy of a recording; frame i of it, from 0, carries the stamp i.

    The copy is H.264 without B-frames, in the recording's own size and rate.

    Args:
        recording: A video file.
        cache_dir: Where stamped clips are kept; created if missing.
        show: How it is shown.
        max_frames: What is beyond this many frames is left out.

    Raises:
        ValueError: The recording has no frame, its images are too small, or `max_frames` exceeds
            what stamps can carry.
        av.error.FFmpegError: It cannot be decoded, or PyAV has no libx264.
    """
    if max_frames > MAX_NUMBER:
        raise ValueError(f"stamps carry {MAX_NUMBER} frames at most, not {max_frames}")
    cache_dir.mkdir(parents=True, exist_ok=True)
    target = cache_dir / f"{recording.stem}-stamped-{_digest(recording, show, max_frames)}.mp4"
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix=".making-", dir=cache_dir) as folder:
            made = Path(folder) / target.name
            _encode(recording, made, show, max_frames)
            os.replace(made, target)
    return target


def _digest(recording: Path, show: ClipShow, max_frames: int) -> str:
    state = recording.stat()
    digest = hashlib.sha256()
    facts = (str(recording), state.st_size, state.st_mtime_ns, show, max_frames)
    digest.update(repr(facts).encode())
    for source in _SOURCES:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _encode(recording: Path, made: Path, show: ClipShow, max_frames: int) -> None:
    with av.open(str(recording)) as source, av.open(str(made), "w", format="mp4") as container:
        rate = source.streams.video[0].average_rate or _DEFAULT_FPS
        stream: VideoStream | None = None
        for number, image in enumerate(islice(_shown(source, rate, show), max_frames)):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.gop_size = max(1, round(float(rate) * show.key_frame_s))
            stamped = image.copy()
            draw_stamp(stamped, number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stamped, format="rgb24")))
        if stream is None:
            raise ValueError(f"{recording} has no frame")
        container.mux(stream.encode(None))


def _shown(source: InputContainer, rate: Fraction, show: ClipShow) -> Iterator[Image]:
    """The images of a recording of even size, in the order in which they are shown."""
    until_still = round(float(rate) * show.still_s)
    noise = np.random.default_rng(1)
    for number, frame in enumerate(source.decode(video=0), start=1):
        image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        height, width = (side // 2 * 2 for side in image.shape[:2])
        image = image[:height, :width]
        yield image
        if until_still and number % until_still == 0:
            for _ in range(until_still):
                grain = noise.normal(0, _NOISE, (height, width, 1)).astype(np.float32)
                yield np.clip(image + grain, 0, 255).astype(np.uint8)
