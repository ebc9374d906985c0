"""`ShadowRunner`: the second consumer of frames with a result; it runs shadows on them.

Guarantees that nobody waits for a shadow: a frame goes to shadows after it was processed, a thread
of low priority runs them, a few sets of frames at most wait for it, and what comes meanwhile is
counted as missed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from camera_adapters import Frame
from models.detections import Detections
from pipelines.detector import (
    RESULT_TIMEOUT_S,
    DetectorPort,
    InFlightBatch,
    MicroBatch,
    ModelRows,
)
from pipelines.plan import ModelRef, Routes, model_keys
from pipelines.shadow.comparison import CameraShadow

log = logging.getLogger(__name__)

MAX_WAITING: Final = 2
NICENESS: Final = 10
"""Of the thread; what runs in this process gives way to the slots of the camera group."""

Submitted = Sequence[tuple[MicroBatch, InFlightBatch]]
"""Batches of frames that were taken together."""
FoundByCamera = Mapping[str, Mapping[ModelRef, Detections]]


@dataclass(frozen=True, slots=True, eq=False)
class _Shadowed:
    """Frames that were taken together.

    Attributes:
        frames: The frames with their routes, by camera.
        cameras: The cameras of each shadow, by its version: with other thresholds it is another.
        found: What the versions in service found.
    """

    frames: Mapping[str, tuple[Frame, Routes]]
    cameras: Mapping[str, Mapping[ModelRef, Set[str]]]
    found: FoundByCamera
    submitted: Submitted


class ShadowRunner:
    """Runs the shadows of a camera group. Safe for use from several threads."""

    def __init__(
        self,
        detector: DetectorPort,
        cameras: Mapping[str, CameraShadow],
        timeout_s: float = RESULT_TIMEOUT_S,
    ) -> None:
        self._detector = detector
        self._cameras = dict(cameras)
        self._timeout_s = timeout_s
        # The oldest first; what is being run stays until it was compared.
        self._waiting: deque[_Shadowed] = deque()
        self._arrival = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)

    def start(self) -> None:
        """Starts the thread that runs shadows."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; what waits for it is not compared."""
        with self._arrival:
            self._stopping = True
            self._arrival.notify_all()
        if self._thread.ident is not None:
            self._thread.join(self._timeout_s)

    def add(self, camera: str, shadow: CameraShadow) -> None:
        """Takes a camera from now on, instead of an earlier one with the same id."""
        self._cameras[camera] = shadow

    def remove(self, camera: str) -> None:
        """Lets go of a camera; frames of it that wait are not compared."""
        self._cameras.pop(camera, None)

    def observe(self, submitted: Submitted, found: FoundByCamera) -> None:
        """Leaves frames for the shadows of their cameras.

        Args:
            submitted: Batches whose results were processed.
            found: What the versions in service found; cameras without a result are left out.
        """
        frames: dict[str, tuple[Frame, Routes]] = {}
        cameras: dict[str, dict[ModelRef, set[str]]] = {}
        for batch, _ in submitted:
            for frame, routes in zip(batch.frames, batch.routes, strict=True):
                for task in frame.tasks if frame.camera in found else ():
                    shadow = routes[task].shadow
                    if shadow is not None:
                        frames[frame.camera] = (frame, routes)
                        own = cameras.setdefault(shadow.key, {})
                        own.setdefault(shadow, set()).add(frame.camera)
        if not frames:
            return
        shadowed = _Shadowed(frames, cameras, found, submitted)
        with self._arrival:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(shadowed)
                self._arrival.notify()
                return
        self._compare(shadowed, [])  # All of them are missed.

    def run_next(self, timeout_s: float | None = None) -> bool:
        """Runs and compares the frames that have waited longest; whether there were any.

        Waits up to `timeout_s` seconds for them, by default until `stop`.
        """
        with self._arrival:
            if not self._waiting and not self._stopping:
                self._arrival.wait(timeout_s)
            if not self._waiting:
                return False
            oldest = self._waiting[0]
        try:
            shadows = oldest.cameras.values()
            self._compare(oldest, [self._submit(oldest, cameras) for cameras in shadows])
        finally:
            with self._arrival:
                self._waiting.popleft()
        return True

    def models(self, camera: str) -> frozenset[str]:
        """Every `name/version` of the routes of a camera's frames that wait or run here."""
        with self._arrival:
            routes = [one.frames[camera][1] for one in self._waiting if camera in one.frames]
        return frozenset[str]().union(*map(model_keys, routes))

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._stopping:
            try:
                self.run_next()
            except Exception:
                # A shadow never costs the version in service anything.
                log.exception("shadow_comparison_failed")

    def _submit(
        self, one: _Shadowed, cameras: Mapping[ModelRef, Set[str]]
    ) -> tuple[MicroBatch, InFlightBatch]:
        """Runs one version, for all thresholds that it has on some cameras."""
        view, names = next(iter(cameras)).view, frozenset[str]().union(*cameras.values())
        for batch, pending in one.submitted:
            there = {frame.camera for frame in batch.frames}
            if batch.view == view and names <= there:
                # The detector has these images already.
                rows = _rows(batch.frames, cameras)
                return replace(batch, rows=rows), pending.rerun(rows)
        members, routes = zip(*(one.frames[name] for name in sorted(names)), strict=True)
        images = np.stack([frame.views[view].image for frame in members])
        own = MicroBatch(images, members, routes, _rows(members, cameras))
        return own, self._detector.submit(own)

    def _compare(self, shadowed: _Shadowed, batches: Submitted) -> None:
        found: dict[str, dict[ModelRef, Detections]] = {}
        fault = ""
        for batch, pending in batches:
            result = pending.result(self._timeout_s)
            fault = next((str(error) for error in result.failures.values()), fault)
            for row, model, detections in batch.unpacked(result):
                found.setdefault(batch.frames[row].camera, {})[model] = detections
        for camera, (frame, routes) in shadowed.frames.items():
            shadow = self._cameras.get(camera)
            if shadow is not None:
                shadow.compare(frame, routes, shadowed.found[camera], found.get(camera, {}), fault)


def _rows(frames: Sequence[Frame], cameras: Mapping[ModelRef, Set[str]]) -> ModelRows:
    """For each model the rows of its cameras among some frames."""
    return {
        model: tuple(row for row, frame in enumerate(frames) if frame.camera in own)
        for model, own in cameras.items()
    }
