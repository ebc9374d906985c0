"""The camera group: a few cameras in one process, from mailbox to outbox.

The loop reads like the hop table: take what is ready, have it judged, follow each frame to the
outbox. At most two turns are in flight, and results are handled in the order of submission, so
every camera's frames reach its tracker in order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from camera_adapters.frame import Frame
from camera_adapters.mailbox import Mailbox
from camera_adapters.reader import CameraReader, ReaderCounters
from camera_adapters.state import CameraState, StateChange
from models.detections import Detections
from pipelines.batcher import Bell, MicroBatcher
from pipelines.camera_pipeline import CameraPipeline
from pipelines.detector import DetectorError, DetectorPort, MicroBatch, PendingDetections
from pipelines.evidence import EvidenceDesk
from pipelines.incident import EndReason
from pipelines.plan import CameraPlan, ModelRef
from pipelines.rules.rule import Moment
from pipelines.statistics import StatisticsSnapshot

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 2
IDLE_WAIT_S = 0.25
RESULT_TIMEOUT_S = 15.0
STREAM_LOST_AFTER_S = 20.0
READER_STOP_S = 3.0
DETECTOR_RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """One camera at one moment, as shown by the API and written by the demo."""

    id: str
    name: str
    state: CameraState
    reason: str
    ended: bool
    reader: ReaderCounters
    statistics: StatisticsSnapshot


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A camera group at one moment.

    Attributes:
        beat_s: Seconds since the loop last came round; the director judges liveness by it.
        detector_fault: Why the detector does not answer, empty while it does.
    """

    cameras: tuple[CameraSnapshot, ...]
    beat_s: float
    detector_fault: str


@dataclass(frozen=True, slots=True)
class _Turn:
    """What was taken together and is being judged."""

    under_way: tuple[tuple[MicroBatch, PendingDetections], ...]


class CameraGroup:
    """Runs the frame path of a few cameras until stopped."""

    def __init__(
        self, plans: Sequence[CameraPlan], detector: DetectorPort, desk: EvidenceDesk, epoch: str
    ) -> None:
        """Prepares readers and pipelines; nothing runs before `run`.

        Args:
            plans: The cameras, ids unique.
            detector: Where micro-batches are judged.
            desk: Where transitions and state changes go.
            epoch: Differs between worker starts; part of incident ids.
        """
        bell = Bell()
        self._detector = detector
        self._desk = desk
        self._specs = {plan.camera.id: plan.camera for plan in plans}
        self._pipelines = {plan.camera.id: CameraPipeline(plan, desk, epoch) for plan in plans}
        self._mailboxes = {plan.camera.id: Mailbox(on_arrival=bell.ring) for plan in plans}
        self._readers = {
            plan.camera.id: CameraReader(
                plan.camera,
                {task.task: task.model.size for task in plan.tasks},
                self._mailboxes[plan.camera.id],
                on_state=self._note_state,
            )
            for plan in plans
        }
        self._batcher = MicroBatcher(plans, self._mailboxes, bell)
        self._in_flight: deque[_Turn] = deque()
        self._stopping = threading.Event()
        self._changes: dict[str, StateChange] = {}
        self._lost: set[str] = set()
        self._detector_fault = ""
        self._beat_s = time.monotonic()

    def run(self) -> None:
        """The loop; returns after `stop`, with every incident ended and every reader stopped."""
        for reader in self._readers.values():
            reader.start()
        try:
            while not self._stopping.is_set():
                self._beat_s = time.monotonic()
                self._submit_ready()
                if self._in_flight:
                    self._finish(self._in_flight.popleft())
                self._end_lost_cameras()
        finally:
            self._close()

    def stop(self) -> None:
        """Asks the loop to end; safe from any thread."""
        self._stopping.set()

    def snapshot(self) -> GroupSnapshot:
        """The group now; safe from any thread."""
        now_s = time.monotonic()
        return GroupSnapshot(
            cameras=tuple(self._camera_snapshot(camera, now_s) for camera in self._specs),
            beat_s=round(now_s - self._beat_s, 3),
            detector_fault=self._detector_fault,
        )

    def _submit_ready(self) -> None:
        while len(self._in_flight) < MAX_IN_FLIGHT:
            batches = self._batcher.take(0.0 if self._in_flight else IDLE_WAIT_S)
            if not batches:
                return
            try:
                under_way = tuple((batch, self._detector.submit(batch)) for batch in batches)
            except DetectorError as error:
                self._note_detector_fault(error, batches)
                return
            self._in_flight.append(_Turn(under_way))

    def _finish(self, turn: _Turn) -> None:
        seen: dict[str, dict[ModelRef, Detections]] = {}
        frames: dict[str, Frame] = {}
        for batch, pending in turn.under_way:
            try:
                results = pending.result(RESULT_TIMEOUT_S)
            except DetectorError as error:
                self._note_detector_fault(error, [batch])
                continue
            self._clear_detector_fault()
            for model, rows in batch.rows.items():
                for row, detections in zip(rows, results[model], strict=True):
                    frame = batch.frames[row]
                    frames[frame.camera] = frame
                    seen.setdefault(frame.camera, {})[model] = detections
        now_s = time.monotonic()
        for camera, frame in frames.items():
            self._pipelines[camera].judge(frame, seen[camera], now_s)

    def _note_state(self, change: StateChange) -> None:
        # Called from reader threads: the desk is thread-safe, the dictionary write is atomic.
        self._changes[change.camera] = change
        self._desk.publish_state(change, self._specs[change.camera])

    def _end_lost_cameras(self) -> None:
        """Ends the incidents of cameras that have been blind for too long to vouch for them."""
        now_s = time.monotonic()
        for camera, change in tuple(self._changes.items()):
            blind = change.state in (CameraState.OFFLINE, CameraState.UNAUTHORIZED)
            if not blind:
                self._lost.discard(camera)
            elif camera not in self._lost and now_s - change.at_mono_s > STREAM_LOST_AFTER_S:
                self._lost.add(camera)
                self._pipelines[camera].close(EndReason.STREAM_LOST, _moment())

    def _note_detector_fault(self, error: DetectorError, batches: Sequence[MicroBatch]) -> None:
        if str(error) != self._detector_fault:
            self._detector_fault = str(error)
            log.error("detector_fault", extra={"model": error.model, "reason": str(error)})
        for batch in batches:
            for frame in batch.frames:
                self._pipelines[frame.camera].statistics.failed()
        # A detector that refuses at once must not turn the loop into a busy one.
        self._stopping.wait(DETECTOR_RETRY_S)

    def _clear_detector_fault(self) -> None:
        if self._detector_fault:
            self._detector_fault = ""
            log.info("detector_back")

    def _camera_snapshot(self, camera: str, now_s: float) -> CameraSnapshot:
        reader = self._readers[camera]
        return CameraSnapshot(
            id=camera,
            name=self._specs[camera].name,
            state=reader.state,
            reason=reader.reason,
            ended=reader.ended,
            reader=reader.counters,
            statistics=self._pipelines[camera].statistics.snapshot(now_s),
        )

    def _close(self) -> None:
        stopped: Mapping[str, bool] = {
            camera: reader.stop(READER_STOP_S) for camera, reader in self._readers.items()
        }
        for camera, clean in stopped.items():
            if not clean:
                log.warning("reader_did_not_stop", extra={"camera": camera})
        for pipeline in self._pipelines.values():
            pipeline.close(EndReason.SHUTDOWN, _moment())


def _moment() -> Moment:
    return Moment(datetime.now(UTC), time.monotonic())
