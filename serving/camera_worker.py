"""The camera worker: one process, one group of cameras, one outbox; the fault domain.

Whatever a decoder does to this process costs these cameras a few seconds and nobody else a frame.
What the worker has promised to deliver outlives it in the outbox file.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from camera_adapters import CameraState
from pipelines import (
    CameraGroup,
    CameraPlan,
    CoveredPeriod,
    EncodingError,
    EvidenceRecorder,
    GroupSnapshot,
    InferenceMetrics,
    LiveAnswer,
    LiveOptions,
    OutboxUnavailable,
    PlaceCheck,
    Priority,
    Routes,
    model_keys,
    resumption_s,
)
from pipelines.delivery import (
    DeadLetter,
    Heartbeats,
    Kept,
    Outbox,
    OutboxCounters,
    PendingEvent,
    Relay,
    RelayCounters,
    Sink,
    Spool,
    open_bodies,
    outbox_limits,
    private_folder,
)
from pipelines.shadow import IMAGES, MAX_IMAGES, ComparisonState, Gallery, states_in
from pipelines.tracing import open_tracing
from serving.city_plan import (
    COMPARISONS_FOLDER,
    LOG_FILE,
    OUTBOX_FILE,
    PLACES_FOLDER,
    SPOOL_FOLDER,
    WorkerPlan,
)
from serving.detectors import detector_service
from serving.memory import own_memory_bytes
from serving.served_models import ServedModel
from serving.worker_upkeep import DiskSpace, Predecessor, WorkerUpkeep

log = logging.getLogger(__name__)

GROUP_STOP_S = 15.0
STOP_REASON = "CityEye was stopped"
HEARTBEAT_WITHIN_S = 8.0
"""A heartbeat that takes longer is worth less than the next one."""


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """A worker's cameras and its delivery at one moment.

    Attributes:
        models: What was asked of each `name/version` so far.
        running: False once the frame loop has ended, wanted or not.
        fault: Why the camera group ended unasked, empty otherwise.
        memory_bytes: What its process holds for itself, see `own_memory_bytes`.
        storage: What is wrong with what it keeps on disk, a sentence each.
        kept: What it keeps, and how much it may be.
        losses: What its outbox could not keep.
        disk: The disk that its folder is on; None where that does not answer.
        open_incidents: The newest events of incidents that have not ended, as JSON; for whoever
            takes the cameras over when this machine is away.
    """

    name: str
    group: GroupSnapshot
    relay: RelayCounters
    models: Mapping[str, InferenceMetrics]
    running: bool
    fault: str
    memory_bytes: int
    storage: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    losses: OutboxCounters = OutboxCounters()  # noqa: RUF009 - it cannot be changed
    disk: DiskSpace | None = None
    open_incidents: tuple[bytes, ...] = ()


class CameraWorker:
    """Runs as a Ray actor with a few threads; a plain class, so that it is tested without Ray."""

    def __init__(self, plan: WorkerPlan) -> None:
        """Ends what a crash left open, then starts the cameras and the relay."""
        plan = replace(plan, delivery=plan.delivery.on_this_node())
        folder = plan.delivery.state / plan.name
        # On a full disk the cameras are watched all the same; what needs the folder waits for it.
        with contextlib.suppress(OSError):
            private_folder(folder)
        plan.log_to(folder / LOG_FILE)
        self._plan = plan
        self._fault = ""
        retention = plan.delivery.retention
        self._outbox = Outbox(
            folder / OUTBOX_FILE, outbox_limits(retention.events), incarnation=plan.incarnation
        )
        spool = Spool(folder / SPOOL_FOLDER)
        recorder = EvidenceRecorder(
            self._outbox,
            spool,
            plan.city,
            keyframe_address=plan.delivery.keyframe_address,
            resumption_s=self._resumption_s,
            cases=plan.delivery.cases,
        )
        self._tracing = open_tracing(plan.delivery.traces, plan.name)
        sinks: list[Sink] = [settings.open() for settings in plan.delivery.sinks]
        if self._tracing is not None:
            sinks = [self._tracing.sink(sink) for sink in sinks]
        store, keep_s = plan.delivery.keyframes.open(), retention.events.max_age_s
        self._relay = Relay(self._outbox, spool, store, sinks, keep_s=keep_s)
        self._upkeep = WorkerUpkeep(
            plan.name,
            self._outbox,
            spool,
            recorder,
            self._relay,
            self._tasks,
            retention,
            before=Predecessor(plan.replaced, plan.open_elsewhere),
        )
        self._upkeep.round()
        self._models = {model.ref.key: model for model in plan.models}
        self._detector = detector_service(plan.detector).port(self._models)
        self._comparisons = folder / COMPARISONS_FOLDER
        self._group = CameraGroup(
            plan.cameras,
            self._detector,
            recorder,
            uuid.uuid4().hex,
            self._comparisons,
            plan.slots,
            plan.delivery.state / PLACES_FOLDER,
            self._tracing,
        )
        self._upkeep.recover_coverage(self._group.counting_since)
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="camera-group", daemon=True)
        self._delivered = self._relay.counters
        sinks = [
            self._relay.witnessed(settings.within(HEARTBEAT_WITHIN_S).open())
            for settings in plan.delivery.sinks
        ]
        self._heartbeats = Heartbeats(plan.name, plan.city, self._outbox, self._group.beats, sinks)
        self._upkeep.start()
        self._relay.start()
        self._thread.start()
        self._heartbeats.start()

    def snapshot(self) -> WorkerSnapshot:
        """The worker now; answers even while a slot is stuck."""
        return WorkerSnapshot(
            name=self._plan.name,
            group=self._group.snapshot(),
            relay=self._delivery(),
            models=self._detector.metrics,
            running=self._thread.is_alive(),
            fault=self._fault,
            memory_bytes=own_memory_bytes(),
            storage=self._upkeep.problems(),
            kept=self._upkeep.kept(),
            losses=self._outbox.counters,
            disk=self._upkeep.disk,
            open_incidents=self._open_incidents(),
        )

    def _open_incidents(self) -> tuple[bytes, ...]:
        """None where its outbox will be there for whoever takes over, or cannot be read now."""
        if self._plan.may_move:
            with contextlib.suppress(OutboxUnavailable):
                return open_bodies(self._outbox)
        return ()

    def coverage(self, since: datetime, until: datetime, camera: str | None) -> list[CoveredPeriod]:
        """What its tasks could see in the periods that touch a time, up to now; see `read`.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        self._group.save_coverage()
        return self._outbox.coverage.read(since, until, camera)

    def _tasks(self) -> Mapping[str, Collection[str]]:
        """The tasks of its cameras, by their ids."""
        return {one.camera.id: [task.task for task in one.tasks] for one in self._plan.cameras}

    def _resumption_s(self) -> Mapping[str, Mapping[str, float]]:
        """How long incidents that a crash left open wait for their rules, by camera and kind."""
        return {one.camera.id: resumption_s(one) for one in self._plan.cameras}

    def load(self, model: ServedModel) -> str:
        """Makes a version ready before frames are sent to it.

        Returns:
            What is wrong with it, empty if nothing is.
        """
        self._models[model.ref.key] = model
        return self._detector.verify(model.ref)

    def unload(self, key: str) -> None:
        """Lets go of a `name/version`."""
        self._models.pop(key, None)
        self._detector.retain(frozenset(self._models))

    def reroute(self, routes: Mapping[str, Routes], models: Sequence[ServedModel]) -> None:
        """Changes versions; see `CameraGroup.reroute`. `models` are those that `routes` name."""
        self._models.update({model.ref.key: model for model in models})
        self._group.reroute(routes)

    def apply(self, plan: WorkerPlan) -> Mapping[str, str]:
        """Takes other cameras, and cameras that are configured otherwise; the others go on.

        Returns:
            Why a camera is not as the plan has it, by camera id; empty if all are.
        """
        with self._changing:
            faults = self._load_models(plan)
            old = {one.camera.id: one for one in self._plan.cameras}
            new = {one.camera.id: one for one in plan.cameras}
            for name in (*(old.keys() - new.keys()), *(new.keys() - faults.keys())):
                try:
                    self._apply(old.get(name), new.get(name))
                except Exception as error:
                    # One camera must not keep the others from their change.
                    log.exception("camera_not_applied", extra={"camera": name})
                    faults[name] = f"camera {name}: not changed ({type(error).__name__})"
            # What failed counts as it was, so that the next plan tries it again.
            as_it_is = {**new, **{name: old[name] for name in faults.keys() & old.keys()}}
            missing = faults.keys() - old.keys()
            cameras = tuple(one for name, one in as_it_is.items() if name not in missing)
            self._plan = replace(plan, cameras=cameras)
            return faults

    def _apply(self, old: CameraPlan | None, new: CameraPlan | None) -> None:
        """Makes one camera of the group as it is to be; None is no camera."""
        if new is None:
            if old is not None:
                self._group.remove(old.camera.id)
        elif old is None:
            self._group.add(new)
        elif old.rerouted(new.routes) == new:
            self._group.reroute({new.camera.id: new.routes})
        else:
            self._group.change(new)

    def _load_models(self, plan: WorkerPlan) -> dict[str, str]:
        """Makes models ready that are new here, so that no frame waits for them.

        Returns:
            What is wrong, by id of the camera that needs a model that cannot be loaded.
        """
        problems = {}
        for model in plan.models:
            key = model.ref.key
            if key not in self._models and (problem := self.load(model)):
                problems[key] = problem
                self._models.pop(key, None)
        return {
            camera.camera.id: f"camera {camera.camera.id}: {problems[key]}"
            for camera in plan.cameras
            for key in sorted(model_keys(camera.routes))
            if key in problems
        }

    def live(self, camera: str, options: LiveOptions) -> LiveAnswer | None:
        """See `CameraGroup.live`; a frame that cannot be encoded is none."""
        try:
            return self._group.live(camera, options)
        except EncodingError as error:
            return LiveAnswer(CameraState.DEGRADED, str(error))

    def check_place(self, camera: str, kind: str, place: str) -> PlaceCheck | None:
        """See `CameraGroup.check_place`."""
        return self._group.check_place(camera, kind, place)

    def limit(self, shares: Mapping[Priority, float]) -> None:
        """See `CameraGroup.limit`."""
        self._group.limit(shares)

    def comparisons(self, first: str, second: str) -> tuple[ComparisonState, ...]:
        """What is known of two `name/version` that inferred the same frames here."""
        return states_in(self._comparisons, first, second)

    def image(self, name: str) -> bytes | None:
        """An image that a comparison names, JPEG; None where there is none."""
        return Gallery(self._comparisons / IMAGES, MAX_IMAGES).read(name)

    def pending_events(self, limit: int) -> list[PendingEvent]:
        """Events that wait for a sink, oldest first, at most `limit`.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        return self._relay.waiting(limit)

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Events that a sink refused for good, oldest first, at most `limit`.

        Raises:
            OutboxUnavailable: The outbox cannot be read.
        """
        return self._outbox.deliveries.dead.listed(limit)

    def replay_dead(self, event: str | None, sink: str | None) -> int:
        """See `DeadLetters.request_replay`.

        Raises:
            OutboxUnavailable: The outbox cannot be written.
        """
        return self._outbox.deliveries.dead.request_replay(event, sink)

    def stop(self, reason: str = STOP_REASON) -> WorkerSnapshot:
        """Ends open incidents, says that its cameras are not watched any more, and delivers that.

        Args:
            reason: Why, for those who read of the cameras.

        Returns:
            How it stands when the drain time is over, or all is delivered.
        """
        last = self.snapshot()
        self._heartbeats.stop()
        self._group.stop()
        self._thread.join(GROUP_STOP_S)
        self._group.report_stopped(reason)
        self._upkeep.stop()
        self._detector.close()
        self._relay.stop(self._plan.drain_s)
        relay = self._delivery()
        self._outbox.close()
        if self._tracing is not None:
            self._tracing.close()
        return replace(last, relay=relay, running=False)

    def _delivery(self) -> RelayCounters:
        """The relay's counters; the last ones known while the outbox cannot be read."""
        with contextlib.suppress(OutboxUnavailable):
            self._delivered = self._relay.counters
        return self._delivered

    def _run(self) -> None:
        try:
            self._group.run()
        except Exception as error:
            # The director sees `running` false and starts a new worker over the same outbox.
            self._fault = f"{type(error).__name__}: {error}"
            log.exception("camera_group_died", extra={"worker": self._plan.name})
