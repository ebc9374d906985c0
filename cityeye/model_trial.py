"""Tries a model on a recording: annotated images that a person can check by eye."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from camera_adapters import CONNECTING, CameraReader, CameraSpec, Frame, Mailbox, ViewSpec
from cityeye.errors import CommandError
from models import Detector, ModelPackage
from pipelines import Overlay, annotated
from serving import model_ref

TASK: Final = "trial"
WAIT_S: Final = 0.1
STOP_S: Final = 5.0
JPEG_QUALITY: Final = 90


def try_model(package: ModelPackage, recording: Path, fps: float, out: Path) -> int:
    """Runs a model over a video file and writes annotated images, `fps` per second of it.

    Returns:
        How many images were written to `out`, which is created if missing.

    Raises:
        CommandError: The recording cannot be read.
        ModelError: The model cannot be run.
    """
    wanted = model_ref(package).view
    detector = Detector(package, provider="auto")
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for frame in _frames(recording, wanted, fps):
        view = frame.views[wanted]
        (found,) = detector.detect(view.image[np.newaxis])
        image = annotated(frame.full.rgb(), [Overlay(found, view.letterbox, package.labels)])
        path = out / f"{package.name}-{frame.index:06d}.jpg"
        cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        count += 1
    return count


def _frames(recording: Path, wanted: ViewSpec, fps: float) -> Iterator[Frame]:
    """The frames of a recording that are due, in order; none is left out."""
    arrival = threading.Event()
    mailbox = Mailbox(on_arrival=arrival.set)
    spec = CameraSpec(TASK, str(recording), rates={TASK: fps})
    reader = CameraReader(spec, mailbox)
    reader.start()
    try:
        while True:
            ended = reader.ended
            frame = mailbox.take()
            if frame is not None:
                yield frame.converted(frozenset((wanted,)))
            elif ended:
                return
            elif not reader.counters.decoded and reader.reason not in ("", CONNECTING):
                raise CommandError(f"{recording} cannot be read: {reader.reason}")
            else:
                arrival.wait(WAIT_S)
                arrival.clear()
    finally:
        reader.stop(STOP_S)
