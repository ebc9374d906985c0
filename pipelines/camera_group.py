"""The camera group: a few cameras in one process, from mailbox to outbox.

The loop reads like the hop table: take what is ready, have it judged, follow each frame to the
outbox. At most two turns are in flight, and results are handled in the order of submission, so
every camera's frames reach its tracker in order. A model that fails or is late costs the frames
that it should have judged, and no others; shadows cost none at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from camera_adapters.frame import Frame
from camera_adapters.geometry import ViewSpec
from camera_adapters.mailbox import Mailbox
from camera_adapters.reader import CameraReader, ReaderCounters
from camera_adapters.state import CameraState, StateChange
from models.detections import Detections
from pipelines.batcher import Bell, MicroBatcher
from pipelines.camera_pipeline import CameraPipeline
from pipelines.detector import DetectorError, DetectorPort, MicroBatch
from pipelines.evidence import EvidenceRecorder
from pipelines.incident import EndReason
from pipelines.plan import CameraPlan, ModelRef, Routes
from pipelines.rules.rule import Moment
from pipelines.statistics import StatisticsSnapshot
from pipelines.turn import ShadowTurn, Turn

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 2
MAX_SHADOWS_IN_FLIGHT = 2
IDLE_WAIT_S = 0.25
RESULT_TIMEOUT_S = 15.0
STREAM_LOST_AFTER_S = 20.0
READER_STOP_S = 3.0
REST_S = 0.5
"""How long a model that failed is left alone; one that did not answer in time rests longer."""
LONG_REST_S = 5.0
SETTLE_S = 5.0
"""After this long no frame can come any more that was scaled before a change of versions."""


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """One camera at one moment, as shown by the API and written by the demo.

    Attributes:
        routes: The versions that judged its newest frame, by task.
        serving: Every `name/version` that a frame of it may still be sent to or is judged by.
    """

    id: str
    name: str
    state: CameraState
    reason: str
    ended: bool
    reader: ReaderCounters
    statistics: StatisticsSnapshot
    routes: Routes
    serving: frozenset[str]


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A camera group at one moment.

    Attributes:
        beat_s: Seconds since the loop last came round; the director judges liveness by it.
        detector_fault: Why a model does not answer, empty while all do.
    """

    cameras: tuple[CameraSnapshot, ...]
    beat_s: float
    detector_fault: str


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

        Args:
            plans: The cameras, ids unique.
            detector: Where micro-batches are judged.
            recorder: Where transitions and state changes go.
            incarnation: Differs between worker starts; part of incident ids.
            comparisons: Folder for what shadow versions would have said.
        """
        bell = Bell()
        self._detector = detector
        self._recorder = recorder
        self._specs = {plan.camera.id: plan.camera for plan in plans}
        self._pipelines = {
            plan.camera.id: CameraPipeline(plan, recorder, incarnation, comparisons)
            for plan in plans
        }
        self._mailboxes = {plan.camera.id: Mailbox(on_arrival=bell.ring) for plan in plans}
        self._readers = {
            plan.camera.id: CameraReader(
                plan.camera,
                _views(plan.routes),
                self._mailboxes[plan.camera.id],
                on_state=self._note_state,
            )
            for plan in plans
        }
        self._batcher = MicroBatcher(plans, self._mailboxes, bell)
        self._in_flight: deque[Turn] = deque()
        self._shadows: deque[ShadowTurn] = deque()
        self._stopping = threading.Event()
        self._changes: dict[str, StateChange] = {}
        self._lost: set[str] = set()
        self._targets = {plan.camera.id: plan.routes for plan in plans}
        self._wanted: Mapping[str, Routes] = dict(self._targets)
        self._rerouted_s: dict[str, float] = {}
        self._faults: dict[str, str] = {}
        self._resting: dict[str, float] = {}
        self._serving: Mapping[str, frozenset[str]] = {}
        self._note_serving()
        self._beat_s = time.monotonic()

    def run(self) -> None:
        """The loop; returns after `stop`, with every incident ended and every reader stopped."""
        for reader in self._readers.values():
            reader.start()
        try:
            while not self._stopping.is_set():
                self._beat_s = time.monotonic()
                self._follow_routes()
                self._submit_ready()
                if self._in_flight:
                    self._finish(self._in_flight.popleft())
                self._finish_shadows()
                self._note_serving()
                self._end_lost_cameras()
        finally:
            self._close()

    def reroute(self, routes: Mapping[str, Routes]) -> None:
        """Changes the versions that look, camera by camera; safe from any thread.

        A change takes effect between two frames of a camera; no frame is lost by it. `serving` of a
        camera's snapshot tells when the old version is out of use.

        Args:
            routes: Routes of all tasks by camera id; cameras that are left out keep theirs.
        """
        self._wanted = {**self._wanted, **routes}

    def stop(self) -> None:
        """Asks the loop to end; safe from any thread."""
        self._stopping.set()

    def snapshot(self) -> GroupSnapshot:
        """The group now; safe from any thread."""
        now_s = time.monotonic()
        return GroupSnapshot(
            cameras=tuple(self._camera_snapshot(camera, now_s) for camera in self._specs),
            beat_s=round(now_s - self._beat_s, 3),
            detector_fault="; ".join(tuple(self._faults.values())),
        )

    def _follow_routes(self) -> None:
        now_s = time.monotonic()
        for camera, routes in self._wanted.items():
            if camera in self._targets and routes != self._targets[camera]:
                self._targets[camera] = routes
                self._rerouted_s[camera] = now_s
                # The reader first: frames with the new views are what the change waits for.
                self._readers[camera].rescale(_views(routes))
                self._batcher.reroute(camera, routes)
        for camera, since_s in tuple(self._rerouted_s.items()):
            if now_s - since_s > SETTLE_S:
                del self._rerouted_s[camera]
                self._batcher.settle(camera)
                self._detector.retain(frozenset[str]().union(*self._serving.values()))

    def _submit_ready(self) -> None:
        while len(self._in_flight) < MAX_IN_FLIGHT:
            batches = self._batcher.take(0.0 if self._in_flight else IDLE_WAIT_S)
            if not batches:
                return
            ready = [self._without_resting(batch) for batch in batches]
            if len(self._shadows) >= MAX_SHADOWS_IN_FLIGHT:
                ready = [replace(batch, shadows={}) for batch in ready]
            under_way = tuple(
                (batch, self._detector.submit(batch))
                for batch in ready
                if batch.rows or batch.shadows
            )
            cameras = {frame.camera for batch in batches for frame in batch.frames}
            routes = {camera: self._batcher.routes(camera) for camera in cameras}
            if under_way:
                self._in_flight.append(Turn(under_way, routes))

    def _without_resting(self, batch: MicroBatch) -> MicroBatch:
        """A batch without the models that failed a moment ago; their frames count as failed."""
        now_s = time.monotonic()
        resting = [model for model in batch.rows if self._resting.get(model.key, 0.0) > now_s]
        for model in resting:
            self._note_failed(batch, model)
        if not resting:
            return batch
        rows = {model: rows for model, rows in batch.rows.items() if model not in resting}
        return replace(batch, rows=rows)

    def _finish(self, turn: Turn) -> None:
        seen: dict[str, dict[ModelRef, Detections]] = {}
        frames: dict[str, Frame] = {}
        deadline_s = time.monotonic() + RESULT_TIMEOUT_S
        for batch, pending in turn.under_way:
            verdict = pending.result(max(0.0, deadline_s - time.monotonic()))
            for model, error in verdict.failures.items():
                self._note_fault(model, error)
                self._note_failed(batch, model)
            for model, found in verdict.found.items():
                self._clear_fault(model)
                for row, detections in zip(batch.rows[model], found, strict=True):
                    frame = batch.frames[row]
                    frames[frame.camera] = frame
                    seen.setdefault(frame.camera, {})[model] = detections
        now_s = time.monotonic()
        for camera, frame in frames.items():
            self._pipelines[camera].process_frame(frame, turn.routes[camera], seen[camera], now_s)
        if turn.has_shadows:
            self._shadows.append(ShadowTurn(turn, frames, seen, now_s))
        else:
            self._compare(ShadowTurn(turn, frames, seen, now_s), {}, "")

    def _finish_shadows(self) -> None:
        """Compares what shadows have answered by now, in order; never waits for them."""
        while self._shadows:
            turn = self._shadows[0]
            late = time.monotonic() - turn.since_s > RESULT_TIMEOUT_S
            answer = turn.abandon() if late else turn.answer()
            if answer is None:
                return
            self._shadows.popleft()
            self._compare(turn, answer.found, answer.fault)

    def _compare(
        self, turn: ShadowTurn, found: Mapping[str, Mapping[ModelRef, Detections]], fault: str
    ) -> None:
        for camera, frame in turn.frames.items():
            routes = turn.turn.routes[camera]
            shadows = found.get(camera, {})
            self._pipelines[camera].compare(frame, routes, turn.seen[camera], shadows, fault)

    def _note_serving(self) -> None:
        serving = {camera: self._batcher.wanted(camera) for camera in self._specs}
        for turn in (*self._in_flight, *(one.turn for one in self._shadows)):
            for camera, routes in turn.routes.items():
                models = (model.key for route in routes.values() for model in route.models)
                serving[camera] = serving[camera].union(models)
        self._serving = serving

    def _note_state(self, change: StateChange) -> None:
        # Called from reader threads: the recorder is thread-safe, the dictionary write is atomic.
        self._changes[change.camera] = change
        self._recorder.publish_state(change, self._specs[change.camera])

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

    def _note_failed(self, batch: MicroBatch, model: ModelRef) -> None:
        for row in batch.rows[model]:
            self._pipelines[batch.frames[row].camera].statistics.failed()

    def _note_fault(self, model: ModelRef, error: DetectorError) -> None:
        rest_s = LONG_REST_S if error.timed_out else REST_S
        self._resting[model.key] = time.monotonic() + rest_s
        if self._faults.get(model.key) != str(error):
            self._faults[model.key] = str(error)
            log.error("detector_fault", extra={"model": model.key, "reason": str(error)})

    def _clear_fault(self, model: ModelRef) -> None:
        if self._faults.pop(model.key, None) is not None:
            log.info("detector_back", extra={"model": model.key})

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
            routes=self._pipelines[camera].routes,
            serving=self._serving[camera],
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


def _views(routes: Routes) -> dict[str, frozenset[ViewSpec]]:
    """The analysis images that the models of each task need."""
    return {task: frozenset(one.view for one in route.models) for task, route in routes.items()}


def _moment() -> Moment:
    return Moment(datetime.now(UTC), time.monotonic())
