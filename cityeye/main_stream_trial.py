"""`try_main_stream`: whether keyframes of a camera with two streams can be of its main one."""

from __future__ import annotations

import time
from typing import Final

from camera_adapters import CONNECTING, CameraSpec, MainStream, Size

POLL_S: Final = 0.05
STOP_S: Final = 5.0


def try_main_stream(main: CameraSpec, inferred: Size, limit_s: float) -> tuple[bool, str]:
    """Opens the main stream of a camera until its first image.

    Args:
        main: See `CameraSpec.main`.
        inferred: Size of the images of the smaller stream.
        limit_s: How long that may take, seconds.

    Returns:
        Whether it can be used, and what was seen, or what is wrong and what to do.
    """
    stream, began_s = MainStream(main, lambda: inferred), time.monotonic()
    stream.start()
    try:
        while (status := stream.status).fault == CONNECTING:
            if time.monotonic() - began_s > limit_s:
                return False, "main stream (`source`): it does not answer in time"
            time.sleep(POLL_S)
    finally:
        stream.stop(STOP_S)
    if status.fault:
        wrong = "; ".join(filter(None, (status.fault, status.remedy)))
        return False, f"main stream (`source`): {wrong}"
    return True, f"main stream {status.image} after {time.monotonic() - began_s:.1f} s"
