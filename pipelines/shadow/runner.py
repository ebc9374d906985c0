"""`ShadowRunner`: the second consumer of frames with a result; it runs shadows on them.

Guarantees that nobody waits for a shadow: a frame goes to shadows after it was processed, a few
batches at most are in flight, and frames that come meanwhile are counted as missed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from camera_adapters import Frame
from models.detections import Detections
from pipelines.detector import RESULT_TIMEOUT_S, DetectorPort, InFlightBatch, MicroBatch
from pipelines.plan import ModelRef, Routes, model_keys
from pipelines.shadow.comparison import CameraShadow

MAX_SHADOWS_IN_FLIGHT: Final = 2

Submitted = Sequence[tuple[MicroBatch, InFlightBatch]]
"""Batches of frames that were taken together."""
FoundByCamera = Mapping[str, Mapping[ModelRef, Detections]]


@dataclass(frozen=True, slots=True, eq=False)
class _Shadowed:
    """Frames that were taken together, and the batches in which shadows infer them.

    Attributes:
        frames: The frames with their routes, by camera.
        found: What the versions in service found.
    """

    frames: Mapping[str, tuple[Frame, Routes]]
    found: FoundByCamera
    batches: Submitted
    since_s: float


class ShadowRunner:
    """Runs the shadows of a camera group. The worker's loop owns it.

    Attributes:
        in_flight: Frames that shadows are inferring, oldest first.
    """

    def __init__(
        self,
        detector: DetectorPort,
        cameras: Mapping[str, CameraShadow],
        timeout_s: float = RESULT_TIMEOUT_S,
    ) -> None:
        self._detector = detector
        self._cameras = cameras
        self._timeout_s = timeout_s
        self.in_flight: deque[_Shadowed] = deque()

    def observe(self, submitted: Submitted, found: FoundByCamera) -> None:
        """Sends frames to the shadows of their cameras.

        Args:
            submitted: Batches whose results were processed.
            found: What the versions in service found; cameras without a result are left out.
        """
        frames: dict[str, tuple[Frame, Routes]] = {}
        cameras: dict[ModelRef, list[str]] = {}
        for batch, _ in submitted:
            for frame, routes in zip(batch.frames, batch.routes, strict=True):
                for task in frame.tasks if frame.camera in found else ():
                    shadow = routes[task].shadow
                    if shadow is not None:
                        frames[frame.camera] = (frame, routes)
                        cameras.setdefault(shadow, []).append(frame.camera)
        batches = []
        if len(self.in_flight) < MAX_SHADOWS_IN_FLIGHT:
            for model, own in cameras.items():
                batches.append(self._submit(model, {name: frames[name] for name in own}, submitted))
        shadowed = _Shadowed(frames, found, batches, time.monotonic())
        if batches:
            self.in_flight.append(shadowed)
        else:
            self._compare(shadowed)  # All of them are missed.

    def poll(self) -> None:
        """Compares what shadows have found by now, in order; never waits for them."""
        while self.in_flight:
            oldest = self.in_flight[0]
            late = time.monotonic() - oldest.since_s > self._timeout_s
            if not late and not all(pending.done() for _, pending in oldest.batches):
                return
            self._compare(oldest)
            self.in_flight.popleft()

    def models(self, camera: str) -> frozenset[str]:
        """Every `name/version` of the routes of a camera's frames that are in flight here."""
        routes = (one.frames[camera][1] for one in tuple(self.in_flight) if camera in one.frames)
        return frozenset[str]().union(*map(model_keys, routes))

    def _submit(
        self, model: ModelRef, frames: Mapping[str, tuple[Frame, Routes]], submitted: Submitted
    ) -> tuple[MicroBatch, InFlightBatch]:
        for batch, pending in submitted:
            rows = tuple(row for row, one in enumerate(batch.frames) if one.camera in frames)
            if batch.view == model.view and len(rows) == len(frames):
                # The detector has these images already.
                return replace(batch, rows={model: rows}), pending.rerun({model: rows})
        members, routes = zip(*frames.values(), strict=True)
        images = np.stack([frame.views[model.view].image for frame in members])
        own = MicroBatch(images, members, routes, {model: tuple(range(len(members)))})
        return own, self._detector.submit(own)

    def _compare(self, shadowed: _Shadowed) -> None:
        found: dict[str, dict[ModelRef, Detections]] = {}
        fault = ""
        for batch, pending in shadowed.batches:
            result = pending.result(0.0)
            fault = next((str(error) for error in result.failures.values()), fault)
            for row, model, detections in batch.unpacked(result):
                found.setdefault(batch.frames[row].camera, {})[model] = detections
        for camera, (frame, routes) in shadowed.frames.items():
            self._cameras[camera].compare(
                frame, routes, shadowed.found[camera], found.get(camera, {}), fault
            )
