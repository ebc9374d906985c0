"""The camera group: a few cameras in one process, from mailbox to outbox.

Its slots are threads that each do the whole path of some frames: take what goes first, convert it,
have it inferred, and follow each frame to the outbox. There are as many as inferences shall run at
once. A camera is in one slot at a time, so its frames reach its tracker in order. A model that
fails or is late costs the frames that it should have inferred, and no others.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from camera_adapters import CameraState, Frame
from models.detections import Detections
from pipelines.batcher import MicroBatcher, TakenFrames, assemble
from pipelines.detector import RESULT_TIMEOUT_S, BatchResult, DetectorPort, MicroBatch
from pipelines.event import CameraBeat
from pipelines.evidence import EvidenceRecorder
from pipelines.group_camera import CameraSnapshot, GroupCamera
from pipelines.incident import EndReason
from pipelines.live_view import LiveAnswer, LiveOptions
from pipelines.load import LoadMeter, PriorityLoad
from pipelines.model_faults import ModelFaults
from pipelines.place_check import PlaceCheck
from pipelines.plan import CameraPlan, ModelRef, Priority, Routes
from pipelines.publication import REMOVED
from pipelines.shadow.runner import ShadowRunner
from pipelines.tracing.tracing import Tracing

IDLE_WAIT_S: Final = 0.25
CHECK_EVERY_S: Final = 1.0
SAVE_EVERY_S: Final = 10.0
"""So much of what was watched counts as not watched where this process is killed."""
SLOT_STOP_S: Final = RESULT_TIMEOUT_S + 5.0
"""A slot that has not come round for longer hangs."""

LOOP_ENDED: Final = "the frame loop of its worker ended"
LOOP_HANGS: Final = "the frame loop of its worker hangs"


@dataclass(frozen=True, slots=True)
class Slots:
    """How a camera group shares the detector with itself.

    Attributes:
        count: How many threads take frames: inferences that run or wait at once.
        frames: How many frames of different cameras one of them takes together at most.
    """

    count: int = 2
    frames: int = 16


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A camera group at one moment.

    Attributes:
        beat_s: Seconds since the slowest slot last came round; liveness is decided by it.
        detector_faults: Why a `name/version` gives no results, for those that fail.
        loads: What was asked for and given lately, by priority.
    """

    cameras: tuple[CameraSnapshot, ...]
    beat_s: float
    detector_faults: Mapping[str, str]
    loads: Mapping[Priority, PriorityLoad]

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
        slots: Slots = Slots(),
        places: Path | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Prepares readers and pipelines; nothing runs before `run`.

        The `incarnation` differs between worker starts and is part of incident ids; `comparisons`
        is the folder for what shadow versions would have done, `places` that for what places learn.
        """
        self._detector = detector
        self._recorder = recorder
        self._incarnation = incarnation
        self._comparisons = comparisons
        self._places = places
        self._tracing = tracing
        self._batcher = MicroBatcher(slots.frames)
        self._shadows = ShadowRunner(detector, {})
        self._load = LoadMeter(())
        # Replaced as a whole by one change at a time, as other threads walk through it.
        self._cameras: Mapping[str, GroupCamera] = {}
        self._changing = threading.Lock()
        self._changes = itertools.count(1)
        self._shares: Mapping[Priority, float] = {}
        self._running = False
        for plan in plans:
            self._enter(plan, incarnation)
        self._faults = ModelFaults()
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._beats_s = [time.monotonic()] * slots.count
        self._threads = [
            threading.Thread(target=self._run_slot, args=(slot,), name=f"slot-{slot}", daemon=True)
            for slot in range(slots.count)
        ]
        self._serving = frozenset[str]()
        self._save_due_s = time.monotonic()

    def run(self) -> None:
        """Runs until `stop`, and returns with every incident ended and every reader stopped.

        Raises:
            Exception: What ended a slot.
        """
        with self._changing:
            self._running = True
            for camera in self._cameras.values():
                camera.start()
        for thread in self._threads:
            thread.start()
        self._shadows.start()
        try:
            while not self._stopping.wait(CHECK_EVERY_S):
                self._check_cameras()
        finally:
            self._close()
        if self._failure is not None:
            raise self._failure

    def reroute(self, routes: Mapping[str, Routes]) -> None:
        """Changes the routes of all tasks of the cameras that are named; safe from any thread.

        A change takes effect between two frames of a camera; no frame is lost by it. `serving` of a
        camera's snapshot says when the old version is out of use.
        """
        for name, own in routes.items():
            if name in self._cameras:
                self._cameras[name].routes.newest = own

    def limit(self, shares: Mapping[Priority, float]) -> None:
        """Reduces all rates of a priority to a share, 0 to 1; safe from any thread."""
        self._shares = shares
        for camera in self._cameras.values():
            camera.limit(shares)

    def add(self, plan: CameraPlan) -> None:
        """Adds a camera while the others go on; safe from any thread."""
        with self._changing:
            self._add(plan)

    def remove(self, name: str) -> None:
        """Removes a camera while the others go on; safe from any thread.

        Its frames that are being inferred still count; then its incidents end, as `removed`.

        Raises:
            TimeoutError: A slot does not give its frame back. It hangs, and with it the group.
        """
        with self._changing:
            self._remove(name, EndReason.REMOVED)

    def change(self, plan: CameraPlan) -> None:
        """Replaces a camera by one that is configured otherwise; see `remove` and `add`.

        Its incidents end as `reconfigured`, and it is opened anew at once, whatever it had to wait
        for before.

        Raises:
            TimeoutError: As `remove`.
        """
        with self._changing:
            self._remove(plan.camera.id, EndReason.RECONFIGURED)
            self._add(plan)

    def stop(self) -> None:
        """Asks the group to end; safe from any thread."""
        self._stopping.set()

    def snapshot(self) -> GroupSnapshot:
        """The group now; safe from any thread."""
        now_s = time.monotonic()
        return GroupSnapshot(
            cameras=tuple(
                camera.snapshot(now_s, self._models_of(name))
                for name, camera in self._cameras.items()
            ),
            beat_s=round(max(0.0, now_s - min(self._beats_s)), 3),
            detector_faults=self._faults.reasons,
            loads=self._load.loads,
        )

    def _enter(self, plan: CameraPlan, incarnation: str) -> GroupCamera:
        """Makes a camera known to everything that will meet frames of it."""
        name = plan.camera.id
        camera = GroupCamera(
            plan,
            self._recorder,
            incarnation,
            self._comparisons,
            self._batcher.note_arrival,
            self._places,
        )
        camera.limit(self._shares)
        self._shadows.add(name, camera.shadow)
        self._load.add(plan)
        self._batcher.add(plan, camera.mailbox, camera.routes)
        self._cameras = {**self._cameras, name: camera}
        return camera

    def _add(self, plan: CameraPlan) -> None:
        # Ids of incidents are made of it, and an id is never used twice.
        camera = self._enter(plan, f"{self._incarnation}+{next(self._changes)}")
        if self._running and not self._stopping.is_set():
            camera.start()

    def _remove(self, name: str, reason: EndReason) -> None:
        camera = self._cameras.get(name)
        if camera is None:
            return  # An earlier change has failed half-way.
        camera.stop()
        if not self._batcher.remove(name, SLOT_STOP_S):
            raise TimeoutError(f"camera {name}: a frame of it is not given back; a slot hangs")
        camera.end_incidents(reason)
        camera.finish_clips()
        camera.close_ledger()
        if reason is EndReason.REMOVED:
            camera.report_stopped(REMOVED)
        self._shadows.remove(name)
        self._cameras = {other: one for other, one in self._cameras.items() if other != name}

    def report_stopped(self, reason: str) -> None:
        """Publishes that no camera is watched any more, on purpose; call it after `stop`."""
        for camera in self._cameras.values():
            camera.report_stopped(reason)
            camera.close_ledger()

    @property
    def counting_since(self) -> Mapping[str, datetime]:
        """From when on it is counted what the tasks of each camera can see, UTC."""
        return {name: camera.ledger.began_at for name, camera in self._cameras.items()}

    def save_coverage(self) -> None:
        """Makes durable what is known by now of periods that are not over; from any thread."""
        periods = [one for camera in self._cameras.values() for one in camera.ledger.unfinished()]
        self._recorder.save_coverage(periods)

    def live(self, name: str, options: LiveOptions) -> LiveAnswer | None:
        """The newest frame of a camera for whoever watches it now; None where there is no such.

        Raises:
            EncodingError: See `LiveView.newest`.
        """
        camera = self._cameras.get(name)
        return None if camera is None else camera.live(options)

    def check_place(self, name: str, kind: str, place: str) -> PlaceCheck | None:
        """See `GroupCamera.check_place`; None where there is no such camera."""
        camera = self._cameras.get(name)
        return None if camera is None else camera.check_place(kind, place)

    def beats(self) -> list[CameraBeat]:
        """The state of each camera for a heartbeat; offline where its frames go nowhere."""
        fault = ""
        if self._stopping.is_set():
            fault = LOOP_ENDED
        elif time.monotonic() - min(self._beats_s) > SLOT_STOP_S:
            fault = LOOP_HANGS
        beats = [camera.beat() for camera in self._cameras.values()]
        if not fault:
            return beats
        offline = {"state": CameraState.OFFLINE.value, "reason": fault}
        return [one.model_copy(update=offline) for one in beats]

    def _run_slot(self, slot: int) -> None:
        try:
            while not self._stopping.is_set():
                self._beats_s[slot] = time.monotonic()
                taken = self._batcher.take(IDLE_WAIT_S)
                if taken is None:
                    continue
                try:
                    self._infer(taken)
                finally:
                    self._batcher.release(taken)
        except Exception as error:
            self._failure = error
            self._stopping.set()

    def _infer(self, taken: TakenFrames) -> None:
        """Follows frames that were taken together to the outbox."""
        pairs = zip(taken.frames, taken.routes, strict=True)
        others = [one for one in pairs if not self._cameras[one[0].camera].hold(*one)]
        if not others:
            return
        taken = TakenFrames(*zip(*others, strict=True))
        resting = self._resting(taken) if self._faults.reasons else frozenset()
        trace = self._tracing.batch(taken.frames) if self._tracing else None
        batches, faults = assemble(taken, resting)
        if trace:
            trace.step("convert")
        for name, fault in faults.items():
            self._cameras[name].reject(fault)
        submitted = [(batch, self._detector.submit(batch)) for batch in batches]
        found: dict[str, dict[ModelRef, Detections]] = {}
        frames: dict[str, tuple[Frame, Routes]] = {}
        deadline_s = time.monotonic() + RESULT_TIMEOUT_S
        for batch, pending in submitted:
            result = pending.result(max(0.0, deadline_s - time.monotonic()))
            if trace:
                trace.inferred(batch, result)
            if result.failures or self._faults.reasons:
                self._note_faults(batch, result)
            for row, model, detections in batch.unpacked(result):
                found.setdefault(batch.frames[row].camera, {})[model] = detections
            for frame, routes in zip(batch.frames, batch.routes, strict=True):
                frames[frame.camera] = (frame, routes)
        now_s = time.monotonic()
        for name, own in found.items():
            with trace.following(name) if trace else nullcontext():
                self._cameras[name].process(*frames[name], own, now_s)
        if any(self._cameras[name].shadow.comparisons for name in found):
            self._shadows.observe(submitted, found)

    def _note_faults(self, batch: MicroBatch, result: BatchResult) -> None:
        """Counts the frames of models that failed, and notes which models are well again."""
        failed: set[tuple[str, int]] = set()
        for model, error in result.failures.items():
            self._faults.note(model, error)
            # Once for each version, with however many thresholds.
            failed.update((model.key, row) for row in batch.rows[model])
        for _, row in failed:
            self._cameras[batch.frames[row].camera].pipeline.statistics.failed()
        for model in result.found:
            self._faults.clear(model)

    def _resting(self, taken: TakenFrames) -> frozenset[ModelRef]:
        """The models that failed a moment ago; their frames count as failed."""
        resting: set[ModelRef] = set()
        for frame, routes in zip(taken.frames, taken.routes, strict=True):
            own = {routes[task].model for task in frame.tasks}
            rests = {model for model in own if self._faults.rests(model)}
            for _ in {model.key for model in rests}:
                self._cameras[frame.camera].pipeline.statistics.failed()
            resting |= rests
        return frozenset(resting)

    def _models_of(self, name: str) -> frozenset[str]:
        """Every version that the camera's frames need; read in the order in which frames move."""
        return self._batcher.models(name) | self._shadows.models(name)

    def _check_cameras(self) -> None:
        """Ends what cameras cannot vouch for any more, and lets old versions go."""
        failing = self._faults.reasons
        for name, camera in self._cameras.items():
            camera.check(failing)
            given = camera.pipeline.statistics.given
            self._load.note(name, camera.asked, self._batcher.taken(name), given)
        now_s = time.monotonic()
        self._load.advance(now_s)
        if now_s >= self._save_due_s:
            self._save_due_s = now_s + SAVE_EVERY_S
            self.save_coverage()
        serving = frozenset[str]().union(*map(self._models_of, self._cameras))
        if serving != self._serving:
            self._serving = serving
            self._detector.retain(serving)
            self._faults.retain(serving)

    def _close(self) -> None:
        self._stopping.set()
        for camera in self._cameras.values():
            camera.stop()
        deadline_s = time.monotonic() + SLOT_STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self._shadows.stop()
        for camera in self._cameras.values():
            camera.end_incidents(EndReason.SHUTDOWN)
            camera.finish_clips()
