"""The director: assigns cameras to workers, watches their heartbeats, replaces what hangs.

It also carries out rollouts, as it alone knows where every camera is and what it is sent to.

A worker lives while its loop comes round, not while its process is there. A replaced
worker gets the same share and the same outbox file, so nothing that was promised is lost.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException

from camera_adapters import BackoffPolicy
from pipelines import CameraSnapshot, Priority, PriorityLoad, Routes, total_loads
from pipelines.shadow import ComparisonState
from serving.actor import start_actor, wait_for
from serving.camera_worker import CameraWorker, WorkerSnapshot
from serving.city_plan import CityPlan, Liveness, WorkerPlan, shares
from serving.detectors import detector_service
from serving.errors import RolloutBusy, RolloutError, last_line
from serving.governor import RateGovernor
from serving.left_over import LeftOverOutboxes
from serving.rollout.rollout import RolloutChange
from serving.rollout.rollouts import Rollouts, RolloutState
from serving.served_models import ServedModel

log = logging.getLogger(__name__)

DIRECTOR = "cityeye-director"
NAMESPACE = "cityeye"
CHECK_EVERY_S = 1.0
STOP_MARGIN_S = 20.0
RESTARTS = BackoffPolicy(first_s=1.0, cap_s=15.0, spread=0.0)
"""Waits before a worker is started again; the first restart does not wait."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker as the director sees it.

    Attributes:
        snapshot: Its newest answer, None before the first one.
        restarts: How often it was replaced.
        alive: Whether it answered the newest check.
    """

    name: str
    snapshot: WorkerSnapshot | None
    restarts: int
    alive: bool

    @property
    def cameras(self) -> Sequence[CameraSnapshot]:
        """The newest snapshots of its cameras."""
        return self.snapshot.group.cameras if self.snapshot else ()


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """Why a change of versions did not happen; `busy` if only because another is under way."""

    sentence: str
    busy: bool


def loads_of(workers: Sequence[WorkerState]) -> Mapping[Priority, PriorityLoad]:
    """The load of the city by priority; a worker that does not answer gives nothing."""
    live = (state.snapshot for state in workers if state.alive and state.snapshot)
    return total_loads(snapshot.group.loads for snapshot in live)


class _WorkerSlot:
    """A share of cameras and the worker that holds it at present."""

    def __init__(self, plan: WorkerPlan, gpus: float, liveness: Liveness) -> None:
        self.plan = plan
        self.gpus = gpus
        self.liveness = liveness
        self.restarts = 0
        self.snapshot: WorkerSnapshot | None = None
        self.alive = False
        self.next_start_s = 0.0
        self.worker: Any = None
        self.start()

    def start(self) -> None:
        """Starts a worker over this share's outbox."""
        self.started_s = self.answered_s = self.asked_s = time.monotonic()
        self.worker = start_actor(CameraWorker, self.plan, gpus=self.gpus)

    def check(self) -> str:
        """Asks the worker how it is; returns why it must be replaced, empty if it need not."""
        if self.worker is None:
            return ""
        now_s = time.monotonic()
        try:
            snapshot: WorkerSnapshot = wait_for(
                self.worker.snapshot.remote(), self.liveness.snapshot_timeout_s
            )
        except GetTimeoutError:
            self.alive = False
            first = self.answered_s == self.started_s
            limit_s = self.liveness.start_grace_s if first else self.liveness.silent_after_s
            return "does not answer" if now_s - self.answered_s > limit_s else ""
        except (RayActorError, RayTaskError) as error:
            self.alive = False
            return f"died: {last_line(error)}"
        self.snapshot = snapshot
        self.asked_s = now_s
        self.answered_s = time.monotonic()
        self.alive = True
        if not snapshot.running:
            return f"its frame loop ended: {snapshot.fault or 'no reason given'}"
        if snapshot.group.beat_s > self.liveness.hang_after_s:
            return f"its frame loop hangs for {snapshot.group.beat_s:.0f} s"
        return ""

    def replace(self, reason: str) -> None:
        """Ends the worker for good; a new one comes after a back-off."""
        log.warning("worker_replaced", extra={"worker": self.plan.name, "reason": reason})
        self.alive = False
        if self.worker is not None:
            ray.kill(self.worker, no_restart=True)
            self.worker = None
            wait_s = RESTARTS.wait_s(self.restarts) if self.restarts else 0.0
            self.next_start_s = time.monotonic() + wait_s
            self.restarts += 1

    def reroute(self, routes: Mapping[str, Routes], served: Mapping[str, ServedModel]) -> None:
        """Changes the versions of its cameras, for this worker and for any that replaces it."""
        self.plan = self.plan.rerouted(routes, served)
        if self.worker is not None:
            own = {plan.camera.id: plan.routes for plan in self.plan.cameras}
            self.worker.reroute.remote(own, self.plan.models)

    def limit(self, shares: Mapping[Priority, float]) -> None:
        """Reduces the rates of its cameras; a worker that has just started knows nothing of it."""
        if self.worker is not None and self.alive:
            self.worker.limit.remote(shares)

    @property
    def due(self) -> bool:
        """Whether a new worker shall be started now."""
        return self.worker is None and time.monotonic() >= self.next_start_s


class Director:
    """Runs as one named Ray actor with a few threads."""

    def __init__(self, plan: CityPlan, absent: Mapping[str, str]) -> None:
        """Starts a worker per group of cameras and begins to watch them.

        The models of the plan run already; `absent` says why versions of a rollout table do not.
        """
        plan.delivery.state.mkdir(parents=True, exist_ok=True)
        plan.log_to(plan.delivery.state / "director.log")
        self._plan = plan
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._slots: list[_WorkerSlot] = []
        self._governor = RateGovernor()
        detectors = detector_service(plan.detector)
        routing = plan.routing(absent)
        self._rollouts = Rollouts(
            plan.cameras,
            routing,
            plan.find,
            launch=lambda model: detectors.launch(model, self._workers()),
            remove=lambda model: detectors.remove(model, self._workers()),
            reroute=self._reroute,
            state=plan.delivery.state,
        )
        routes = {camera.camera.id: routing.routes(camera) for camera in plan.cameras}
        plans = [share.rerouted(routes, routing.served) for share in shares(plan)]
        self._left_over = LeftOverOutboxes(plan.delivery, plan.city, {one.name for one in plans})
        self._left_over.start()
        gpus = detectors.worker_gpus(plan.models, len(plans))
        self._slots += [_WorkerSlot(share, gpus, plan.liveness) for share in plans]
        self._watch = threading.Thread(target=self._supervise, name="director", daemon=True)
        self._watch.start()

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots."""
        return [
            WorkerState(slot.plan.name, slot.snapshot, slot.restarts, slot.alive)
            for slot in self._slots
        ]

    def models(self) -> Sequence[ServedModel]:
        """Every version that runs, with the threshold in force, in the order of their start."""
        routing = self._rollouts.routing
        refs = ((m, routing.ref(m.ref.name, m.ref.version)) for m in routing.served.values())
        return [replace(one, ref=ref or one.ref) for one, ref in refs]

    def rollouts(self) -> Sequence[RolloutState]:
        """All rollout tables."""
        return self._rollouts.states()

    def change_rollout(self, model: str, change: RolloutChange) -> RolloutState | RefusedChange:
        """See `Rollouts.change`; returns when the workers know."""
        return _as_value(lambda: self._rollouts.change(model, change))

    def promote(self, model: str) -> RolloutState | RefusedChange:
        """See `Rollouts.promote`."""
        return _as_value(lambda: self._rollouts.promote(model))

    def rollback(self, model: str) -> RolloutState | RefusedChange:
        """See `Rollouts.rollback`."""
        return _as_value(lambda: self._rollouts.rollback(model))

    def comparisons(self, first: str, second: str) -> Sequence[ComparisonState]:
        """What all workers know of two `name/version` that inferred the same frames."""
        answers = self._ask_all(lambda worker: worker.comparisons.remote(first, second))
        return [state for answer in answers for state in answer]

    def image(self, name: str) -> bytes | None:
        """An image that a comparison names, JPEG; None where no worker has it."""
        answers = self._ask_all(lambda worker: worker.image.remote(name))
        return next((answer for answer in answers if answer is not None), None)

    def stop(self) -> Sequence[WorkerState]:
        """Stops every worker, waits for their outboxes to drain, and says how they stand."""
        self._stopping.set()
        self._watch.join()
        with self._lock:
            live = [(slot, slot.worker) for slot in self._slots if slot.worker is not None]
            stopping = [(slot, worker.stop.remote()) for slot, worker in live]
            deadline_s = time.monotonic() + self._plan.drain_s + STOP_MARGIN_S
            for slot, stopped in stopping:
                try:
                    left_s = max(0.1, deadline_s - time.monotonic())
                    slot.snapshot = wait_for(stopped, left_s)
                except (GetTimeoutError, RayActorError, RayTaskError) as error:
                    log.warning(
                        "worker_stop_failed",
                        extra={"worker": slot.plan.name, "reason": type(error).__name__},
                    )
            for _, worker in live:
                ray.kill(worker, no_restart=True)
        self._left_over.stop()
        return self.workers()

    def _supervise(self) -> None:
        while not self._stopping.wait(CHECK_EVERY_S):
            with self._lock:
                for slot in self._slots:
                    if slot.due:
                        slot.start()
                        continue
                    reason = slot.check()
                    if reason:
                        slot.replace(reason)
                self._govern()
            self._retire()

    def _govern(self) -> None:
        """Keeps rates even across workers."""
        live = [slot for slot in self._slots if slot.alive and slot.snapshot]
        loads = [slot.snapshot.group.loads for slot in live if slot.snapshot]
        if self._governor.update(loads) or self._governor.limits:
            for slot in live:
                slot.limit(self._governor.shares)

    def _retire(self) -> None:
        """Lets versions go that no camera uses, as far as all workers that live have reported."""
        live = [slot for slot in self._slots if slot.worker is not None]
        snapshots = [slot.snapshot for slot in live]
        if not live or any(snapshot is None for snapshot in snapshots):
            return
        cameras = (c for snapshot in snapshots if snapshot for c in snapshot.group.cameras)
        serving = frozenset[str]().union(*(camera.serving for camera in cameras))
        try:
            self._rollouts.retire(serving, min(slot.asked_s for slot in live))
        except (RayError, RayServeException, RuntimeError) as error:
            log.warning("model_not_retired", extra={"reason": str(error)})

    def _reroute(self, routes: Mapping[str, Routes]) -> None:
        with self._lock:
            for slot in self._slots:
                slot.reroute(routes, self._rollouts.routing.served)

    def _workers(self) -> list[Any]:
        """Handles of the workers that live."""
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def _ask_all(self, ask: Callable[[Any], object]) -> list[Any]:
        """The answers of all workers that answer in time."""
        pending = [ask(worker) for worker in self._workers()]
        answers = []
        for answer in pending:
            with contextlib.suppress(RayError):
                answers.append(wait_for(answer, self._plan.liveness.snapshot_timeout_s))
        return answers


def _as_value(change: Callable[[], RolloutState]) -> RolloutState | RefusedChange:
    # As a value: an exception would reach the caller wrapped by Ray.
    try:
        return change()
    except RolloutError as error:
        return RefusedChange(str(error), busy=isinstance(error, RolloutBusy))
