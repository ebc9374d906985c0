"""Tries a model on a recording: annotated images that a person can check by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from cityeye.recordings import frames_of
from models import Detector, ModelPackage
from pipelines import Overlay, annotated
from serving import model_ref

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
    for due in frames_of(recording, fps):
        frame = due.converted(frozenset((wanted,)))
        view = frame.views[wanted]
        (found,) = detector.detect(view.image[np.newaxis])
        image = annotated(frame.full.rgb(), [Overlay(found, view.letterbox, package.labels)])
        path = out / f"{package.name}-{frame.index:06d}.jpg"
        cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        count += 1
    return count
