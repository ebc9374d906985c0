"""The camera group: a few cameras in one process, from mailbox to outbox.

The loop reads like the hop table: take what is ready, have it inferred, follow each frame to the
outbox. Frames that were taken together stay together; two such sets are in flight at most, and
results are handled in the order of submission, so every camera's frames reach its tracker in order.
A model that fails or is late costs the frames that it should have inferred, and no others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from camera_adapters import Frame
from models.detections import Detections
from pipelines.batcher import MicroBatcher
from pipelines.detector import RESULT_TIMEOUT_S, DetectorPort, MicroBatch
from pipelines.evidence import EvidenceRecorder
from pipelines.group_camera import CameraSnapshot, GroupCamera
from pipelines.incident import EndReason
from pipelines.model_faults import ModelFaults
from pipelines.plan import CameraPlan, ModelRef, Routes, model_keys
from pipelines.shadow.runner import ShadowRunner, Submitted

MAX_IN_FLIGHT = 2
IDLE_WAIT_S = 0.25
CHECK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A camera group at one moment.

    Attributes:
        beat_s: Seconds since the loop last came round; liveness is decided by it.
        detector_faults: Why a `name/version` gives no results, for those that fail.
    """

    cameras: tuple[CameraSnapshot, ...]
    beat_s: float
    detector_faults: Mapping[str, str]

    @property
    def detector_fault(self) -> str:
        """All detector faults in one line, empty while there is none."""
        return "; ".join(self.detector_faults.values())


class CameraGroup:
    """Runs the frame path of a few cameras until stopped."""

    def __init__(
        self,
        plans: Sequence[CameraPlan],
        detector: DetectorPort,
        recorder: EvidenceRecorder,
        incarnation: str,
        comparisons: Path,
    ) -> None:
        """Prepares readers and pipelines; nothing runs before `run`.

        The `incarnation` differs between worker starts and is part of incident ids; `comparisons`
        is the folder for what shadow versions would have done.
        """
        arrival = threading.Event()
        self._detector = detector
        self._cameras = {
            plan.camera.id: GroupCamera(plan, recorder, incarnation, comparisons, arrival.set)
            for plan in plans
        }
        self._batcher = MicroBatcher(
            {name: camera.routes for name, camera in self._cameras.items()},
            {name: camera.mailbox for name, camera in self._cameras.items()},
            arrival,
        )
        self._in_flight: deque[Submitted] = deque()
        self._shadows = ShadowRunner(
            detector, {name: camera.shadow for name, camera in self._cameras.items()}
        )
        self._faults = ModelFaults()
        self._stopping = threading.Event()
        self._beat_s = self._checked_s = time.monotonic()

    def run(self) -> None:
        """The loop; returns after `stop`, with every incident ended and every reader stopped."""
        for camera in self._cameras.values():
            camera.start()
        try:
            while not self._stopping.is_set():
                self._beat_s = time.monotonic()
                self._submit_ready()
                if self._in_flight:
                    # It stays in flight until its shadows are, so that no version is let go early.
                    self._finish(self._in_flight[0])
                    self._in_flight.popleft()
                if self._shadows.in_flight:
                    self._shadows.poll()
                if self._beat_s - self._checked_s >= CHECK_EVERY_S:
                    self._checked_s = self._beat_s
                    self._check_cameras()
        finally:
            self._close()

    def reroute(self, routes: Mapping[str, Routes]) -> None:
        """Changes the routes of all tasks of the cameras that are named; safe from any thread.

        A change takes effect between two frames of a camera; no frame is lost by it. `serving` of a
        camera's snapshot says when the old version is out of use.
        """
        for name, own in routes.items():
            if name in self._cameras:
                self._cameras[name].reroute(own)

    def stop(self) -> None:
        """Asks the loop to end; safe from any thread."""
        self._stopping.set()

    def snapshot(self) -> GroupSnapshot:
        """The group now; safe from any thread."""
        now_s = time.monotonic()
        return GroupSnapshot(
            cameras=tuple(
                camera.snapshot(now_s, self._serving(name))
                for name, camera in self._cameras.items()
            ),
            beat_s=round(now_s - self._beat_s, 3),
            detector_faults=self._faults.reasons,
        )

    def _submit_ready(self) -> None:
        while len(self._in_flight) < MAX_IN_FLIGHT:
            batches = self._batcher.take(0.0 if self._in_flight else IDLE_WAIT_S)
            if not batches:
                return
            if self._faults.reasons:
                batches = [self._without_resting(batch) for batch in batches]
            submitted = [(batch, self._detector.submit(batch)) for batch in batches if batch.rows]
            if submitted:
                self._in_flight.append(submitted)

    def _without_resting(self, batch: MicroBatch) -> MicroBatch:
        """A batch without the models that failed a moment ago; their frames count as failed."""
        resting = [model for model in batch.rows if self._faults.rests(model)]
        for model in resting:
            self._count_failed(batch, model)
        return replace(
            batch, rows={model: rows for model, rows in batch.rows.items() if model not in resting}
        )

    def _finish(self, submitted: Submitted) -> None:
        """Waits for the results of frames that were taken together, and processes the frames."""
        found: dict[str, dict[ModelRef, Detections]] = {}
        frames: dict[str, tuple[Frame, Routes]] = {}
        deadline_s = time.monotonic() + RESULT_TIMEOUT_S
        for batch, pending in submitted:
            result = pending.result(max(0.0, deadline_s - time.monotonic()))
            for model, error in result.failures.items():
                self._faults.note(model, error)
                self._count_failed(batch, model)
            for model in result.found if self._faults.reasons else ():
                self._faults.clear(model)
            for row, model, detections in batch.unpacked(result):
                frame = batch.frames[row]
                frames[frame.camera] = (frame, batch.routes[row])
                found.setdefault(frame.camera, {})[model] = detections
        now_s = time.monotonic()
        has_shadows = False
        for name, (frame, routes) in frames.items():
            camera = self._cameras[name]
            camera.pipeline.process_frame(frame, routes, found[name], now_s)
            has_shadows |= bool(camera.shadow.comparisons)
        if has_shadows:
            self._shadows.observe(submitted, found)

    def _count_failed(self, batch: MicroBatch, model: ModelRef) -> None:
        for row in batch.rows[model]:
            self._cameras[batch.frames[row].camera].pipeline.statistics.failed()

    def _serving(self, name: str) -> frozenset[str]:
        """Every version that the camera's frames need; read in the order in which frames move."""
        keys = self._cameras[name].routes.models
        for submitted in tuple(self._in_flight):
            for batch, _ in submitted:
                for frame, routes in zip(batch.frames, batch.routes, strict=True):
                    if frame.camera == name:
                        keys |= model_keys(routes)
        return keys | self._shadows.models(name)

    def _check_cameras(self) -> None:
        """Ends what cameras cannot vouch for any more, and lets old versions go."""
        settled = [camera.check() for camera in self._cameras.values()]
        if any(settled):
            serving = frozenset[str]().union(*map(self._serving, self._cameras))
            self._detector.retain(serving)
            self._faults.retain(serving)

    def _close(self) -> None:
        for camera in self._cameras.values():
            camera.stop()
        for camera in self._cameras.values():
            camera.end_incidents(EndReason.SHUTDOWN)
