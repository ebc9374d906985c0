"""`MotionGate`: spares the inference of an image in which nothing has moved since the one before.

Every due frame is compared with the last one that was inferred, so that what moves slowly adds up.
Where no part of it differs, it has the same objects: the frame goes on with what the models found
there, and rules see time pass as they do else. Something is inferred at least every few seconds,
whatever the comparison says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import AnalysisImage, Frame, Luma, Size
from models.detections import Detections
from pipelines.plan import CameraPlan, ModelRef
from pipelines.rules.zone import Zone
from pipelines.signals.motion import moved_pixels

LUMA_SIZE: Final = Size(320, 180)
"""The whole image, stretched. Smaller, a person far away would be less than a pixel wide."""

LEAST_CHANGE: Final = 8.0
"""Change of brightness that counts, in levels; more where the image is noisy."""

NOISE_FACTOR: Final = 6.0

SAMPLED: Final = 5
"""Rows and columns so far apart are enough to know what most pixels do."""

LIGHT_CHANGE: Final = 16.0
"""When all of it has become so much brighter or darker, models may find something else."""

LEAST_PIXELS: Final = 3
"""So many pixels that belong together have moved where something has: noise makes single ones."""

EARLY_S: Final = 0.05
"""A frame that comes so much early counts as due: frames do not keep time to the millisecond."""


MaskedPixels = npt.NDArray[np.bool_]
"""(H, W): true where nothing counts."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldFrame:
    """A frame that need not be inferred.

    Attributes:
        frame: With the analysis images of the frames that were inferred.
        found: What was found in those, by model.
    """

    frame: Frame
    found: Mapping[ModelRef, Detections]


@dataclass(frozen=True, slots=True, eq=False)
class _Inferred:
    """What one model found, and in what; the full image takes ten times as much memory."""

    at_s: float
    stream_restarts: int
    luma: Luma
    view: AnalysisImage
    found: Detections


class MotionGate:
    """The gate of one camera. Not thread-safe."""

    def __init__(self, longest_s: float, masks: Iterable[Zone] = ()) -> None:
        """Starts with nothing.

        Args:
            longest_s: The longest time between two inferences of a model, seconds.
            masks: What moves in them counts as little as what is found in them.
        """
        self._longest_s = longest_s
        self._masked = masked_pixels(masks)
        self._inferred: dict[ModelRef, _Inferred] = {}
        self._luma: Luma | None = None

    def held(self, frame: Frame, models: Iterable[ModelRef]) -> HeldFrame | None:
        """The frame with what was found before; None where it must be inferred.

        Args:
            frame: Not converted.
            models: All that are due on it.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        self._luma = frame.full.luma(LUMA_SIZE)
        before = {model: self._inferred.get(model) for model in models}
        known = {model: one for model, one in before.items() if one is not None}
        if len(known) < len(before) or not all(self._lasts(one, frame) for one in known.values()):
            return None
        # Models that were due together have one image.
        images = {id(one.luma): one.luma for one in known.values()}.values()
        if any(has_moved(image, self._luma, self._masked) for image in images):
            return None
        views = {model.view: one.view for model, one in known.items()}
        found = {model: one.found for model, one in known.items()}
        return HeldFrame(replace(frame, views={**frame.views, **views}), found)

    def note(self, frame: Frame, found: Mapping[ModelRef, Detections]) -> None:
        """What models found in the frame that `held` was asked about last."""
        if self._luma is None:
            return
        at_s, restarts = frame.captured_mono_s, frame.stream_restarts
        kept = {m: one for m, one in self._inferred.items() if at_s - one.at_s < self._longest_s}
        self._inferred = kept | {
            model: _Inferred(at_s, restarts, self._luma, frame.views[model.view], one)
            for model, one in found.items()
        }

    def _lasts(self, before: _Inferred, frame: Frame) -> bool:
        """Whether an inference is of the same stream and not too long ago."""
        passed_s = frame.captured_mono_s - before.at_s
        is_new = 0 <= passed_s < self._longest_s - EARLY_S
        return is_new and before.stream_restarts == frame.stream_restarts


def gate_of(plan: CameraPlan) -> MotionGate | None:
    """The gate of a camera; None where every due frame is inferred."""
    return None if plan.motion_gate_s is None else MotionGate(plan.motion_gate_s, plan.masks)


def masked_pixels(masks: Iterable[Zone]) -> MaskedPixels | None:
    """Where masks lie in an image of `LUMA_SIZE`; None without any."""
    size = np.array((LUMA_SIZE.width, LUMA_SIZE.height))
    polygons = [np.round(np.array(mask.polygon) * size).astype(np.int32) for mask in masks]
    if not polygons:
        return None
    drawn = np.zeros((LUMA_SIZE.height, LUMA_SIZE.width), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(drawn, [polygon], (1,))
    return drawn.astype(np.bool_)


def has_moved(before: Luma, now: Luma, masked: MaskedPixels | None = None) -> bool:
    """Whether any part of an image differs from another one.

    Brightness that changes a little and everywhere by the same amount is light, and no motion.

    Args:
        before: (H, W) uint8.
        now: The same.
        masked: Pixels that do not count; None where all do.
    """
    moved, light = moved_pixels(before, now, LEAST_CHANGE, NOISE_FACTOR, SAMPLED)
    if abs(light) >= LIGHT_CHANGE:
        return True
    if masked is not None:
        moved &= ~masked
    differs = moved.view(np.uint8)
    if cv2.countNonZero(differs) < LEAST_PIXELS:
        return False
    _, _, sizes, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    return bool(sizes[1:, cv2.CC_STAT_AREA].max() >= LEAST_PIXELS)
