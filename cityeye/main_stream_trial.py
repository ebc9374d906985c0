"""`try_main_stream`: whether keyframes of a camera with two streams can be of its main one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from camera_adapters import CONNECTING, CameraSpec, MainStream, Size

POLL_S: Final = 0.05
STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class MainStreamTrial:
    """What came of it.

    Attributes:
        good: Whether keyframes can be of it.
        sentence: What was seen, or what is wrong and what to do.
        image: Size of its images; None where none was decoded.
    """

    good: bool
    sentence: str
    image: Size | None = None


def try_main_stream(main: CameraSpec, inferred: Size, limit_s: float) -> MainStreamTrial:
    """Opens the main stream of a camera until its first image.

    Args:
        main: See `CameraSpec.main`.
        inferred: Size of the images of the smaller stream.
        limit_s: How long that may take, seconds.
    """
    stream, began_s = MainStream(main, lambda: inferred), time.monotonic()
    stream.start()
    try:
        while (status := stream.status).fault == CONNECTING:
            if time.monotonic() - began_s > limit_s:
                return MainStreamTrial(False, "main stream (`source`): no image came in time")
            time.sleep(POLL_S)
    finally:
        stream.stop(STOP_S)
    if status.fault:
        wrong = "; ".join(filter(None, (status.fault, status.remedy)))
        return MainStreamTrial(False, f"main stream (`source`): {wrong}", status.image)
    took_s = time.monotonic() - began_s
    return MainStreamTrial(True, f"main stream {status.image} after {took_s:.1f} s", status.image)
