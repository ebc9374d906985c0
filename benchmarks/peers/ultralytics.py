"""Ultralytics' own prediction on many streams: one call that reads all cameras and infers batches.

Runs in an environment of its own, with this repository on its path: `ultralytics` is no part of
this project. It infers every nth frame of all cameras together, so that the rate is a whole
fraction of the cameras' own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from itertools import cycle
from pathlib import Path

from benchmarks.street_log import result_log
from benchmarks.street_spec import ContestantSpec, given_spec
from camera_adapters import Letterbox, Size
from simulation import read_stamp


def run(spec: ContestantSpec) -> None:
    """Infers every camera until the process is ended."""
    from ultralytics import YOLO

    threading.Thread(target=_end_with_input, daemon=True).start()
    streams = Path(spec.folder) / "cameras.streams"
    streams.write_text("\n".join(spec.cameras) + "\n", encoding="utf-8")
    log = result_log(spec.results)
    height, width = (int(side) for side in spec.options["imgsz"].split("x"))
    found = YOLO(spec.options["model"], task="detect").predict(
        source=str(streams),
        stream=True,
        vid_stride=int(spec.options["stride"]),
        imgsz=(height, width),
        device="cpu",
        verbose=False,
    )
    # Every batch has one frame of each camera, in the order of the file.
    for camera, result in zip(cycle(range(len(spec.cameras))), found):
        there_s = time.monotonic()
        image = result.orig_img
        size = Size(image.shape[1], image.shape[0])
        number = read_stamp(image, Letterbox(size, size, size, 0, 0))
        log.note(camera, number, there_s)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    run(given_spec())
