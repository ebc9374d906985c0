"""`GroupCamera`: one camera of a group, from its reader to its rules."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from camera_adapters import CONNECTING as NOT_OPEN_YET
from camera_adapters import (
    FROZEN_IMAGE,
    CameraFault,
    CameraReader,
    CameraState,
    Frame,
    Mailbox,
    MainStream,
    MainStreamStatus,
    ReaderCounters,
    Size,
    StateChange,
)
from models.detections import Detections
from pipelines.adaptive_rate import AdaptiveRates
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.coverage import (
    CONNECTING,
    NO_COVERAGE,
    OFFLINE,
    STOPPED,
    UNAUTHORIZED,
    Coverage,
)
from pipelines.coverage_ledger import CameraCondition, CoverageLedger
from pipelines.event import CameraBeat, CameraData
from pipelines.evidence import EvidenceRecorder
from pipelines.evidence_clip import ClipRecorder
from pipelines.incident import EndReason
from pipelines.live_view import LiveAnswer, LiveOptions
from pipelines.metrics import StatisticsSnapshot
from pipelines.motion_gate import gate_of
from pipelines.place_check import PlaceCheck
from pipelines.place_memory import PlaceMemory
from pipelines.plan import CameraPlan, ModelRef, Priority, Routes
from pipelines.rules.rule import Moment
from pipelines.shadow.comparison import CameraShadow
from pipelines.signals.signal import NO_SIGNALS, Signals, ViewFault
from pipelines.signals.view_state import VIEW_REASONS

log = logging.getLogger(__name__)

STREAM_LOST_AFTER_S: Final = 20.0
REMEMBER_EVERY_S: Final = 60.0
READER_STOP_S: Final = 3.0
BLIND: Final = (CameraState.OFFLINE, CameraState.UNAUTHORIZED)
OUTAGES: Final = {CameraState.OFFLINE: OFFLINE, CameraState.UNAUTHORIZED: UNAUTHORIZED}
"""The reason of a gap by the camera's state."""


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """One camera at one moment, as shown by the API and written by the demo.

    Attributes:
        routes: The versions that inferred its newest frame, by task.
        serving: Every `name/version` that a frame of it may still be sent to or waits for.
        signals: What its images say beside boxes.
        coverage: What its tasks together could see, as far as that is settled.
        main: Its main stream, where a smaller one is inferred; None where it has one stream.
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
    signals: Signals = NO_SIGNALS
    coverage: Coverage = NO_COVERAGE
    main: MainStreamStatus | None = None


class GroupCamera:
    """What a camera group has of each of its cameras.

    Attributes:
        routes: Its routes.
        mailbox: Where its due frames arrive.
        shadow: Its comparisons.
        pipeline: What processes its frames.
    """

    def __init__(
        self,
        plan: CameraPlan,
        recorder: EvidenceRecorder,
        incarnation: str,
        comparisons: Path,
        on_arrival: Callable[[str], None],
        places: Path | None = None,
    ) -> None:
        """Prepares everything; nothing runs before `start`.

        Args:
            plan: The camera.
            recorder: Where transitions and state changes go.
            incarnation: Differs between worker starts.
            comparisons: Folder for what shadow versions would have done.
            on_arrival: Called with the camera's id when a due frame has arrived.
            places: Folder for what its places learn; None where that is not kept.
        """
        self._spec = plan.camera
        self._recorder = recorder
        self.routes = CameraRoutes(plan.routes)
        self.mailbox = Mailbox(on_arrival=partial(on_arrival, plan.camera.id))
        self.shadow = CameraShadow(plan, self.routes, incarnation, comparisons)
        memory = PlaceMemory(places, plan.camera.id) if places is not None else None
        main = plan.camera.main
        # Clips are of the main stream, so packets of another are not kept.
        read = plan.camera if main is None else replace(plan.camera, clip=None)
        self._reader = CameraReader(read, self.mailbox, on_state=self._note_state)
        self._main = MainStream(main, self._inferred_size) if main is not None else None
        packets = self._reader.packets if self._main is None else self._main.packets
        self._clips: ClipRecorder | None = None
        if packets is not None and plan.camera.clip is not None:
            self._clips = ClipRecorder(plan.camera.clip, packets, recorder)
        self.pipeline = CameraPipeline(
            plan,
            self.routes,
            self._clips or recorder,
            self.shadow,
            incarnation,
            self._note_view,
            memory,
            partial(recorder.ended_before, plan.camera.id),
        )
        self.pipeline.main = self._main
        self._gate = gate_of(plan)
        self._rates = AdaptiveRates(plan) if plan.is_adaptive else None
        self._remembered_s = time.monotonic()
        self._priorities = {task.task: task.priority for task in plan.tasks}
        self.ledger.asked = self._reader.asked
        self._reporting = threading.Lock()
        self._change: StateChange | None = None
        self._stopped = False
        self._lost = False

    def start(self) -> None:
        """Starts reading."""
        self._reader.start()
        if self._main is not None:
            self._main.start()

    def stop(self) -> None:
        """Stops reading."""
        if self._main is not None:
            self._main.stop(0.0)  # It is waited for below, beside the reader.
        if not self._reader.stop(READER_STOP_S):
            log.warning("reader_did_not_stop", extra={"camera": self._spec.id})
        if self._main is not None and not self._main.stop(READER_STOP_S):
            log.warning("main_stream_did_not_stop", extra={"camera": self._spec.id})

    def report_stopped(self, reason: str) -> None:
        """Publishes that the camera is not watched any more; nothing about its state follows."""
        with self._reporting:
            self._stopped = True
            self._recorder.publish_stopped(self._spec, reason)

    def hold(self, frame: Frame, routes: Routes) -> bool:
        """Processes a frame in which nothing has moved with what was found in an earlier one.

        Returns:
            Whether it did; not, where the frame has to be inferred.
        """
        if self._gate is None:
            return False
        try:
            held = self._gate.held(frame, {routes[task].model for task in frame.tasks})
        except CameraFault:
            return False  # Whoever converts it for inference rejects it.
        if held is None:
            return False
        self.pipeline.statistics.held()
        self.process(held.frame, routes, held.found, time.monotonic(), inferred=False)
        return True

    def process(
        self,
        frame: Frame,
        routes: Routes,
        found: Mapping[ModelRef, Detections],
        now_s: float,
        *,
        inferred: bool = True,
    ) -> None:
        """Processes a frame with what its models found; see `CameraPipeline.process_frame`."""
        if inferred and self._gate is not None:
            self._gate.note(frame, found)
        tracks = self.pipeline.process_frame(frame, routes, found, now_s)
        if self._rates is not None:
            before, rates = self._rates.rates, self._rates.note(frame, routes, tracks)
            if rates != before:
                self._reader.pace(rates)
                self.pipeline.statistics.paced(rates)

    def reject(self, fault: CameraFault) -> None:
        """See `CameraReader.reject`."""
        self._reader.reject(fault)

    def limit(self, shares: Mapping[Priority, float]) -> None:
        """Reduces the rates of tasks to the shares of their priorities; safe from any thread."""
        self._reader.limit({task: shares.get(one, 1.0) for task, one in self._priorities.items()})

    @property
    def asked(self) -> Mapping[str, int]:
        """How often each task was due at its full rate."""
        return self._reader.asked

    @property
    def ledger(self) -> CoverageLedger:
        """What it could see, by task."""
        return self.pipeline.ledger

    def close_ledger(self) -> None:
        """Publishes what it could see, saves what it learned; it is not watched any more."""
        self.pipeline.remember()
        for period in self.ledger.close(STOPPED):
            self._recorder.publish_coverage(period, self._spec)

    def check(self, failing: Collection[str]) -> None:
        """Ends incidents that the camera has been blind for too long to vouch for.

        Publishes besides what it could see in periods that are over.

        Args:
            failing: Every `name/version` that gives no results.
        """
        self.ledger.check(self._condition(failing))
        for period in self.ledger.finished():
            self._recorder.publish_coverage(period, self._spec)
        self.pipeline.live.forget()
        if self._clips is not None:
            self._clips.check()
        change, now_s = self._change, time.monotonic()
        if self.pipeline.is_memory_due or now_s - self._remembered_s >= REMEMBER_EVERY_S:
            self._remembered_s = now_s
            self.pipeline.remember()
        if change is None or change.state not in BLIND:
            self._lost = False
        elif not self._lost and now_s - change.at_mono_s > STREAM_LOST_AFTER_S:
            self._lost = True
            self.end_incidents(EndReason.STREAM_LOST)

    def end_incidents(self, reason: EndReason) -> None:
        """Ends every open incident now."""
        self.pipeline.close(reason, Moment(datetime.now(UTC), time.monotonic()))

    def finish_clips(self) -> None:
        """Publishes what there is of clips that are awaited; no incident begins any more."""
        if self._clips is not None:
            self._clips.finish()

    def snapshot(self, now_s: float, serving: frozenset[str]) -> CameraSnapshot:
        """The camera at monotonic time `now_s`; `serving` as in `CameraSnapshot`."""
        # Counted before what the reader has given, so that no frame is analysed and never was read.
        statistics = self.pipeline.statistics.snapshot(now_s)
        return CameraSnapshot(
            id=self._spec.id,
            name=self._spec.name,
            state=self._reader.state,
            reason=self._reader.reason,
            ended=self._reader.ended,
            reader=self._reader.counters,
            main=None if self._main is None else self._main.status,
            statistics=statistics,
            routes=self.routes.processed,
            serving=serving,
            signals=self.pipeline.signals,
            coverage=self.ledger.settled,
        )

    def live(self, options: LiveOptions) -> LiveAnswer:
        """The newest frame for whoever watches the camera now.

        Raises:
            EncodingError: See `LiveView.newest`.
        """
        state, reason, view = self._reader.state, self._reader.reason, self.pipeline.live
        if self._reader.ended:
            return LiveAnswer(CameraState.OFFLINE, "its recording has ended")
        if state in BLIND:
            return LiveAnswer(state, reason)
        frame = view.newest(options)
        wait_s = view.wait_s if frame is None else None
        if frame is None and wait_s is None:
            reason = reason or "none of its frames was analysed in the last seconds"
        return LiveAnswer(state, reason, frame, wait_s)

    def check_place(self, kind: str, place: str) -> PlaceCheck:
        """Whether incidents of a kind are still seen at a place."""
        state, reason = self._reader.state, self._reader.reason
        if state in BLIND:
            return PlaceCheck(None, reason=f"the camera is {state}: {reason}")
        return self.pipeline.check_place(kind, place, time.monotonic())

    def beat(self) -> CameraBeat:
        """The state now, for a heartbeat."""
        state = self._reader.state.value
        camera = CameraData.model_validate(self._spec)
        return CameraBeat(camera=camera, state=state, reason=self._reader.reason)

    def _condition(self, failing: Collection[str]) -> CameraCondition:
        state, reason = self._reader.state, self._reader.reason
        outage = OUTAGES.get(state, "")
        if state is CameraState.OFFLINE and reason == NOT_OPEN_YET:
            outage = CONNECTING
        fails = [task for task, one in self.routes.newest.items() if one.model.key in failing]
        return CameraCondition(outage, reason == FROZEN_IMAGE, fails)

    def _inferred_size(self) -> Size | None:
        return self._reader.counters.image

    def _note_view(self, fault: ViewFault | None) -> None:
        self._reader.note_view(fault or "", VIEW_REASONS[fault] if fault else "")

    def _note_state(self, change: StateChange) -> None:
        # Called from the reader's thread, and from any that reads the state. One that was overtaken
        # is left out: what is published last must be true.
        with self._reporting:
            overtaken = self._change is not None and change.at_mono_s < self._change.at_mono_s
            if self._stopped or overtaken:
                return
            self._change = change
            self._recorder.publish_state(change, self._spec)
