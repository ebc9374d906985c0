"""Tries a model on a recording: annotated pictures that a person can judge at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from camera_adapters.frame import AnalysisPicture, Frame, Picture
from camera_adapters.geometry import Size
from camera_adapters.mailbox import Mailbox
from camera_adapters.reader import CameraReader
from camera_adapters.spec import CameraSpec
from camera_adapters.state import CONNECTING
from cityeye.errors import CommandError
from models.detections import Detections
from models.detector import Detector
from models.package import ModelPackage
from pipelines.batcher import Bell

TASK: Final = "trial"
WAIT_S: Final = 0.1
STOP_S: Final = 5.0
BOX_COLOUR: Final = (64, 224, 64)
TEXT_COLOUR: Final = (16, 16, 16)
JPEG_QUALITY: Final = 90


def try_model(package: ModelPackage, recording: Path, fps: float, out: Path) -> int:
    """Judges a recording from its beginning to its end and writes annotated pictures.

    Args:
        package: The model.
        recording: A video file.
        fps: Pictures per second of the recording to judge.
        out: Folder for the pictures, created if missing.

    Returns:
        How many pictures were written.

    Raises:
        CommandError: The recording cannot be read.
        ModelError: The model cannot be run.
    """
    tensor = package.manifest.input
    size = Size(tensor.width, tensor.height)
    detector = Detector(package, provider="auto")
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for frame in _frames(recording, size, fps):
        view = frame.views[size]
        (found,) = detector.detect(view.picture[np.newaxis])
        picture = annotated(frame.full.rgb(), view, found, package.labels)
        path = out / f"{package.name}-{frame.index:06d}.jpg"
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        count += 1
    return count


def annotated(
    full: Picture, view: AnalysisPicture, found: Detections, labels: tuple[str, ...]
) -> Picture:
    """A copy of the full picture (H, W, 3) RGB with boxes, class names and scores drawn in."""
    picture = full.copy()
    height, width = picture.shape[:2]
    boxes = view.letterbox.to_normalised(found.boxes) * (width, height, width, height)
    for box, score, class_id in zip(boxes, found.scores, found.class_ids, strict=True):
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), BOX_COLOUR, 2)
        _write(picture, f"{labels[int(class_id)]} {score:.2f}", x1, y1)
    return picture


def _write(picture: Picture, text: str, x: int, y: int) -> None:
    """Text on a plate above a box, or inside it at the upper edge of the picture."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    y = max(y, height + base)
    cv2.rectangle(picture, (x, y - height - base), (x + width, y), BOX_COLOUR, cv2.FILLED)
    cv2.putText(
        picture,
        text,
        (x, y - base),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.45,
        TEXT_COLOUR,
        1,
        cv2.LINE_AA,
    )


def _frames(recording: Path, size: Size, fps: float) -> Iterator[Frame]:
    """The frames of a recording that are due, in order; none is left out."""
    bell = Bell()
    mailbox = Mailbox(on_arrival=bell.ring)
    spec = CameraSpec(TASK, str(recording), rates={TASK: fps})
    reader = CameraReader(spec, {TASK: size}, mailbox)
    reader.start()
    try:
        while True:
            ended = reader.ended
            frame = mailbox.take()
            if frame is not None:
                yield frame
            elif ended:
                return
            elif not reader.counters.decoded and reader.reason not in ("", CONNECTING):
                raise CommandError(f"{recording} cannot be read: {reader.reason}")
            else:
                bell.wait(WAIT_S)
    finally:
        reader.stop(STOP_S)
