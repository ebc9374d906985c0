"""How confident the models of a camera are of the people and vehicles that they find in a frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from camera_adapters import Frame
from models.detections import Detections, plain_label
from pipelines.plan import ModelRef
from pipelines.signals.sight import NO_BOXES, Certainty
from pipelines.track import CYCLES, PERSONS, VEHICLES

COVERING: Final = PERSONS | VEHICLES | CYCLES
"""What stands before the place for a while and belongs to it no more than its shadow does."""


def certainty_of(frame: Frame, found: Mapping[ModelRef, Detections]) -> Certainty:
    """What is confident, and what is not.

    Args:
        frame: The frame, with the analysis image of each model.
        found: What each model found in it.
    """
    confident = 0
    doubtful: list[npt.NDArray[np.floating]] = [NO_BOXES]
    for model, detections in found.items():
        wanted = _covering(model.labels)[detections.class_ids]
        is_confident = detections.scores > model.thresholds[detections.class_ids]
        confident += int(np.count_nonzero(wanted & is_confident))
        boxes = detections.boxes[wanted & ~is_confident]
        if len(boxes):
            doubtful.append(frame.views[model.view].letterbox.to_normalised(boxes))
    return Certainty(confident, np.concatenate(doubtful))


@lru_cache(maxsize=64)
def _covering(labels: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """(C,) whether each class is one of `COVERING`."""
    return np.array([plain_label(label) in COVERING for label in labels], np.bool_)
