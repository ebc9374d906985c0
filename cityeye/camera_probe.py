"""Opens a camera for some seconds in a process of its own, and says what comes.

What a camera sends is read by foreign code, so it must not run in a process that has to live. Run
as a program it reads a pickled `ProbeOrder` of its parent and writes a `ProbeReport` as JSON.
"""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from pydantic import TypeAdapter

from camera_adapters import (
    CameraFault,
    CameraSpec,
    ClipWindow,
    Image,
    PacketRing,
    Size,
    StreamSignal,
    open_source,
)
from cityeye.main_stream_trial import try_main_stream

WATCH_S: Final = 2.0
MARGIN_S: Final = 6.0
IMAGE_WIDTH: Final = 640
FEW_IMAGES: Final = 2
WINDOW: Final = ClipWindow(0.0, 0.0, 1_000_000, 0.0)


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """What to open.

    Attributes:
        camera: The camera, with its login.
        with_image: Whether an image is wanted; it is not masked.
    """

    camera: CameraSpec
    with_image: bool


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What came of it.

    Attributes:
        good: Whether images came.
        sentence: What came, or what is wrong and what to do; without address and login.
        codec: FFmpeg's name, empty where it is not known.
        width: Pixels of the upright image, 0 without one.
        height: Pixels.
        fps: Images per second over some seconds; 0 where too few came.
        first_s: Seconds until the first image.
        main_width: Pixels of the main stream, where another is inferred; else 0.
        main_height: Pixels.
        jpeg: An image as base64, empty where none was wanted or came.
    """

    good: bool
    sentence: str
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    first_s: float = 0.0
    main_width: int = 0
    main_height: int = 0
    jpeg: str = field(default="", repr=False)


_REPORT: Final = TypeAdapter(ProbeReport)


def probe_camera(camera: CameraSpec, *, with_image: bool) -> ProbeReport:
    """Opens a camera in a process that is ended after some seconds, whatever it does.

    Of one with two streams, first the smaller one and then the main one.
    """
    streams = 2 if camera.main_source else 1
    limit_s = streams * _stream_limit_s(camera) + WATCH_S + MARGIN_S
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "cityeye.camera_probe"],
            input=pickle.dumps(ProbeOrder(camera, with_image)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limit_s,
            check=False,
        )
        return _REPORT.validate_json(ended.stdout)
    except subprocess.TimeoutExpired:
        return ProbeReport(False, "does not answer in time; check address and network")
    except ValueError:
        return ProbeReport(
            False, "what it sends ends the decoder; check the camera's video settings"
        )


def _probed(order: ProbeOrder) -> ProbeReport:
    try:
        return _watched(order)
    except CameraFault as fault:
        return ProbeReport(False, f"{fault.reason}; {fault.remedy}")


def _watched(order: ProbeOrder) -> ProbeReport:
    began_s = time.monotonic()
    source = open_source(order.camera)
    ring = PacketRing(WINDOW)
    times: list[float] = []
    image: Image | None = None
    wait_s = order.camera.read_timeout_s + WATCH_S
    try:
        source.keep_packets(ring)
        for arrival in source.arrivals():
            now_s = time.monotonic()
            if not isinstance(arrival, StreamSignal):
                if image is None:
                    image, size = arrival.rgb(), arrival.size
                times.append(now_s)
            until_s = times[0] + WATCH_S if times else began_s + wait_s
            if now_s >= until_s:
                break
    finally:
        source.close()
    if image is None:
        what = "sends data but no image; check the camera's video settings"
        return ProbeReport(False, what, ring.codec)
    first_s = round(times[0] - began_s, 2)
    span_s = times[-1] - times[0]
    fps = round((len(times) - 1) / span_s, 1) if len(times) > FEW_IMAGES and span_s > 0 else 0.0
    what = f"{ring.codec or 'video'}, {size}, first image after {first_s:.1f} s"
    facts = (ring.codec, size.width, size.height, fps, first_s)
    return _with_main_stream(ProbeReport(True, what, *facts, jpeg=_encoded(order, image)), order)


def _with_main_stream(report: ProbeReport, order: ProbeOrder) -> ProbeReport:
    """What came of a smaller stream, with what comes of the main one where there is one."""
    main = order.camera.main
    if main is None:
        return report
    seen = try_main_stream(main, Size(report.width, report.height), _stream_limit_s(main))
    report = replace(report, good=seen.good, sentence=f"{report.sentence}; {seen.sentence}")
    if seen.image is None:
        return report
    return replace(report, main_width=seen.image.width, main_height=seen.image.height)


def _stream_limit_s(camera: CameraSpec) -> float:
    return camera.open_timeout_s + camera.read_timeout_s


def _encoded(order: ProbeOrder, image: Image) -> str:
    if not order.with_image:
        return ""
    height, width = image.shape[:2]
    if width > IMAGE_WIDTH:
        size = (IMAGE_WIDTH, max(1, round(height * IMAGE_WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return base64.b64encode(jpeg.tobytes()).decode()


if __name__ == "__main__":
    report = _probed(pickle.loads(sys.stdin.buffer.read()))  # noqa: S301 - of our own parent
    sys.stdout.buffer.write(_REPORT.dump_json(report))
