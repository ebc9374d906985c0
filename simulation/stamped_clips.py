"""Clips whose frames carry their own number: any recording, encoded once more with stamps drawn on.

A stamped clip is kept under the hash of all that shapes it, and appears under its final name only
when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.stream import VideoStream

from simulation.stamp import MAX_NUMBER, draw_stamp

_GOP_S: Final = 1.6
_DEFAULT_FPS: Final = Fraction(25, 2)
_OPTIONS: Final = {"preset": "veryfast", "crf": "25", "bf": "0", "sc_threshold": "0"}
_SOURCES: Final = (Path(__file__), Path(__file__).with_name("stamp.py"))


def ensure_stamped_clip(recording: Path, cache_dir: Path, max_frames: int = 3000) -> Path:
    """Returns the stamped copy of a recording; frame i of it, from 0, carries the stamp i.

    The copy is H.264 without B-frames, with a key frame every 1.6 s, in the recording's own size
    and rate.

    Args:
        recording: A video file.
        cache_dir: Where stamped clips are kept; created if missing.
        max_frames: What is beyond this many frames is left out.

    Raises:
        ValueError: The recording has no frame, its images are too small, or `max_frames` exceeds
            what stamps can carry.
        av.error.FFmpegError: It cannot be decoded, or PyAV has no libx264.
    """
    if max_frames > MAX_NUMBER:
        raise ValueError(f"stamps carry {MAX_NUMBER} frames at most, not {max_frames}")
    cache_dir.mkdir(parents=True, exist_ok=True)
    target = cache_dir / f"{recording.stem}-stamped-{_digest(recording, max_frames)}.mp4"
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix=".making-", dir=cache_dir) as folder:
            made = Path(folder) / target.name
            _encode(recording, made, max_frames)
            os.replace(made, target)
    return target


def _digest(recording: Path, max_frames: int) -> str:
    state = recording.stat()
    digest = hashlib.sha256()
    digest.update(repr((str(recording), state.st_size, state.st_mtime_ns, max_frames)).encode())
    for source in _SOURCES:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _encode(recording: Path, made: Path, max_frames: int) -> None:
    with av.open(str(recording)) as source, av.open(str(made), "w", format="mp4") as container:
        stream: VideoStream | None = None
        for number, frame in enumerate(islice(source.decode(video=0), max_frames)):
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            height, width = (side // 2 * 2 for side in image.shape[:2])
            if stream is None:
                rate = source.streams.video[0].average_rate or _DEFAULT_FPS
                stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.gop_size = max(1, round(float(rate) * _GOP_S))
            image = image[:height, :width].copy()
            draw_stamp(image, number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        if stream is None:
            raise ValueError(f"{recording} has no frame")
        container.mux(stream.encode(None))
