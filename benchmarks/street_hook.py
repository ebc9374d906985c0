"""Notes every result of a running city, without any change to the product.

`record_results` is what a `CityPlan` may name as `log_to`: it is called first in every process of
the city, by its import path.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.frame_stamp import shown_number
from benchmarks.street_log import result_log
from camera_adapters import Frame
from models.detections import Detections
from pipelines import CameraPipeline, ModelRef, Routes, Track
from simulation import read_stamp

_PREFIX: Final = "camera-"
_UNCHANGED: Final = CameraPipeline.process_frame


def camera_id(number: int) -> str:
    """The id of a camera of the street."""
    return f"{_PREFIX}{number}"


def record_results(log_file: Path) -> None:
    """Notes the results of this process from now on, in a file beside the given one.

    A result counts as there when the pipeline gets it, which is after NMS and before tracking.
    """
    log = result_log(log_file.parent)
    inferred: dict[str, int | None] = {}

    def process_frame(
        self: CameraPipeline,
        frame: Frame,
        routes: Routes,
        found: Mapping[ModelRef, Detections],
        now_s: float,
    ) -> Mapping[ModelRef, tuple[Track, ...]]:
        there_s = time.monotonic()
        for model in found:
            view = frame.views[model.view]
            number = read_stamp(view.image, view.letterbox)
            is_held = number == inferred.get(frame.camera)
            inferred[frame.camera] = number
            if is_held:
                # Nothing has moved: its analysis image is that of an earlier frame.
                number = shown_number(frame)
            log.note(int(frame.camera.removeprefix(_PREFIX)), number, there_s)
        return _UNCHANGED(self, frame, routes, found, now_s)

    CameraPipeline.process_frame = process_frame  # type: ignore[method-assign]
