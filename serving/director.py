"""The director: assigns cameras to workers, watches their heartbeats, replaces what hangs.

It also carries out rollouts, as it alone knows where every camera is and what it is sent to.

A replaced worker gets the same share and the same outbox file, so nothing that was promised is
lost. Workers do not end with the director: the next one takes them over, with the rollout tables.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ray.exceptions import RayError

from pipelines import CameraPlan, CoveredPeriod, Routes
from pipelines.delivery import DeadLetter, Kept, PendingEvent, make_folder
from pipelines.free_memory import FreeMemory
from pipelines.shadow import ComparisonState
from serving.actor import wait_for, wait_for_some
from serving.capacity.budget import CapacityState
from serving.city_plan import CityPlan, WorkerPlan, shares
from serving.detectors import detector_service
from serving.errors import DirectorError, RolloutBusy, RolloutError, ServingError, last_line
from serving.governor import NodeGovernors
from serving.incarnations import Incarnations
from serving.rollout.ledger import ChangedBy, LedgerEntry
from serving.rollout.rollout import RolloutChange
from serving.rollout.rollouts import Rollouts, RolloutState
from serving.served_models import ServedModel
from serving.store_upkeep import StoreUpkeep
from serving.takeover import running_versions
from serving.worker_actors import end_worker, living_workers, stop_workers
from serving.worker_places import WorkerPlaces
from serving.worker_slot import WorkerSlot
from serving.worker_state import WorkerState

log = logging.getLogger(__name__)

DIRECTOR = "cityeye-director"
NAMESPACE = "cityeye"
CHECK_EVERY_S = 1.0
APPLY_TIMEOUT_S: Final = 60.0
"""A camera may take as long to be removed as the slowest inference."""

ANSWER_WAIT_S: Final = 1.0
"""How long a round waits for answers; one that does not come must not make those of others old."""

ROUND_HANGS_S: Final = 20.0
"""A director whose rounds take longer does not answer either, so that it is replaced."""


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """Why a change of versions did not happen; `busy` if only because another is under way."""

    sentence: str
    busy: bool


class Director:
    """Runs as one named Ray actor with a few threads."""

    def __init__(
        self,
        plan: CityPlan,
        absent: Mapping[str, str],
        restarts: Mapping[str, int] | None = None,
    ) -> None:
        """Starts a worker per group of cameras and begins to watch them.

        The models of the plan run already; `absent` says why versions of a rollout table do not.
        `restarts` is given to a director that takes over from one that died, and says how often
        each worker has been replaced: workers that live, versions that run and tables stay.
        """
        make_folder(plan.delivery.state)
        plan.log_to(plan.delivery.state / "director.log")
        self._plan = plan
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._slots: list[WorkerSlot] = []
        self._notes: Mapping[str, str] = {}
        detectors = detector_service(plan.detector)
        self._governors = NodeGovernors(by_node=plan.detector == "in_process")
        takes_over = restarts is not None
        routing = running_versions(plan, detectors) if takes_over else plan.routing(absent)
        self._rollouts = Rollouts(
            plan.cameras,
            routing,
            plan.find,
            launch=lambda model: detectors.launch(model, self._workers()),
            remove=lambda model: detectors.remove(model, self._workers()),
            reroute=self._reroute,
            state=plan.delivery.state,
            keep_warm_s=plan.keep_warm_s,
        )
        routes = {camera.camera.id: routing.routes(camera) for camera in plan.cameras}
        plans = [share.rerouted(routes, routing.served) for share in shares(plan)]
        self._places = WorkerPlaces(plan, {one.name for one in plans})
        source = plan.versions.source if plan.versions else None
        self._store_upkeep = StoreUpkeep(plan.delivery, source, self._models_in_use)
        self._store_upkeep.start()
        self._capacity = self._places.capacity
        self._gpus = detectors.worker_gpus(plan.models, len(plans))
        self._incarnations = Incarnations(plan.delivery.state)
        self._fill_slots(plans, restarts)
        self._round_s = time.monotonic()
        self._watch = threading.Thread(target=self._supervise, name="director", daemon=True)
        self._watch.start()

    def _fill_slots(self, plans: Sequence[WorkerPlan], restarts: Mapping[str, int] | None) -> None:
        """A worker for each plan: one that lives already where this director takes over."""
        living = living_workers()
        for plan in plans:
            restarted = restarts.get(plan.name, 0) if restarts else 0
            liveness, incarnations = self._plan.liveness, self._incarnations
            slot = WorkerSlot(plan, self._gpus, liveness, incarnations, restarted)
            self._slots.append(slot)
            if (found := living.pop(plan.name, None)) is None:
                continue
            node = self._places.node_of(found)
            if restarts is not None and node is not None:
                slot.adopt(found, node, self._governors.of(node.id).shares)
                log.info("worker_taken_over", extra={"worker": plan.name})
            else:
                # What an earlier city left would hold the outbox.
                end_worker(found.handle)
        for left in living.values():
            end_worker(left.handle)
        self._places.place(self._slots)
        for slot in self._slots:
            if slot.worker is None:
                slot.start()

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots.

        Raises:
            DirectorError: Nobody watches the workers any more.
        """
        round_s = time.monotonic() - self._round_s
        if round_s > ROUND_HANGS_S and not self._stopping.is_set():
            raise DirectorError(f"the director has not asked the workers for {round_s:.0f} s")
        return [slot.state() for slot in self._slots]

    def note(self, notes: Mapping[str, str]) -> None:
        """Takes what is wrong with parts of the city that the director does not run, by part."""
        self._notes = notes

    def notes(self) -> Mapping[str, str]:
        """What was noted last, and what still waits of workers that there are no more."""
        return {**self._notes, **self._places.notes()}

    def kept(self) -> tuple[Kept, ...]:
        """What no worker keeps alone, and how much it may be."""
        return self._store_upkeep.kept()

    def _models_in_use(self) -> set[str]:
        """Every version that runs, or that a table can go back to."""
        routing = self._rollouts.routing
        previous = {f"{one.model}/{one.previous}" for one in routing.rollouts.values()}
        return {*routing.served, *routing.absent} | previous

    def models(self) -> Sequence[ServedModel]:
        """Every version that runs, with the thresholds in force, in the order of their start."""
        routing = self._rollouts.routing
        refs = ((m, routing.ref(m.ref.name, m.ref.version)) for m in routing.served.values())
        return [replace(one, ref=ref or one.ref) for one, ref in refs]

    def rollouts(self) -> Sequence[RolloutState]:
        """All rollout tables."""
        return self._rollouts.states()

    def change_rollout(
        self, model: str, change: RolloutChange, by: ChangedBy
    ) -> RolloutState | RefusedChange:
        """See `Rollouts.change`; returns when the workers know."""
        return self._changed(lambda: self._rollouts.change(model, change, by))

    def promote(self, model: str, by: ChangedBy) -> RolloutState | RefusedChange:
        """See `Rollouts.promote`."""
        return self._changed(lambda: self._rollouts.promote(model, by))

    def rollback(
        self, model: str, version: str | None, by: ChangedBy
    ) -> RolloutState | RefusedChange:
        """See `Rollouts.rollback`."""
        return self._changed(lambda: self._rollouts.rollback(model, version, by))

    def ledger(self, model: str, limit: int) -> list[LedgerEntry]:
        """See `Rollouts.ledger`."""
        return self._rollouts.ledger(model, limit)

    def apply(self, plan: CityPlan) -> Mapping[str, str] | RefusedChange:
        """Takes other cameras, see `CityPlan.with_cameras`; nothing else of the plan may differ.

        Returns:
            Why a camera is not as the plan has it, by camera id; or why nothing was changed.
        """
        if refusal := self._places.away or self.refusal(plan.cameras):
            return RefusedChange(refusal, busy=False)
        try:
            self._rollouts.replan(plan.cameras)
        except RolloutError as error:
            return RefusedChange(str(error), busy=isinstance(error, RolloutBusy))
        self._capacity.replanned(plan.cameras)
        with self._lock:
            if self._stopping.is_set():
                return RefusedChange("the city stops", busy=False)
            self._plan = plan
            pending = {name: self._assign(share) for name, share in self._shares().items()}
        faults: dict[str, str] = {}
        for name, answer in pending.items():
            try:
                faults |= wait_for(answer, APPLY_TIMEOUT_S) if answer is not None else {}
            except RayError as error:
                log.warning("plan_not_applied", extra={"worker": name, "reason": last_line(error)})
                faults[name] = (
                    f"{name} does not answer; the worker that replaces it gets the change"
                )
        return faults

    def capacity(self) -> CapacityState | str:
        """How much of the machine the cameras need, or why that is not known."""
        return self._capacity.state(self._plan.cameras)

    def refusal(self, cameras: Sequence[CameraPlan]) -> str:
        """Why the city cannot have other cameras, for want of room; empty where it can."""
        return self._capacity.refusal(self._plan.cameras, cameras)

    def comparisons(self, first: str, second: str) -> Sequence[ComparisonState]:
        """What all workers know of two `name/version` that inferred the same frames."""
        answers = self._ask_all(lambda worker: worker.comparisons.remote(first, second))
        return [state for answer in answers for state in answer]

    def image(self, name: str) -> bytes | None:
        """An image that a comparison names, JPEG; None where no worker has it."""
        answers = self._ask_all(lambda worker: worker.image.remote(name))
        return next((answer for answer in answers if answer is not None), None)

    def pending_events(self, limit: int) -> Sequence[PendingEvent]:
        """Events that wait for a sink, of each worker at most `limit`."""
        answers = self._ask_all(lambda one: one.pending_events.remote(limit), *self._keepers())
        left = self._places.left_over.pending_events(limit)
        return [event for answer in (*answers, left) for event in answer]

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Events that a sink refused for good, of each worker at most `limit`."""
        answers = self._ask_all(lambda one: one.dead_letters.remote(limit), *self._keepers())
        left = self._places.left_over.dead_letters(limit)
        return [letter for answer in (*answers, left) for letter in answer]

    def coverage(
        self, since: datetime, until: datetime, camera: str | None
    ) -> Sequence[CoveredPeriod]:
        """What tasks could see in the periods that touch a time; workers that are silent say none.

        What is left of workers that there are no more is among it for as long as events of them
        wait.
        """
        ask = (since, until, camera)
        answers = self._ask_all(lambda one: one.coverage.remote(*ask), *self._keepers())
        left = self._places.left_over.coverage(*ask)
        return [period for answer in (*answers, left) for period in answer]

    def replay_dead(self, event: str | None, sink: str | None) -> int:
        """Has dead letters sent again: all, or of one event or sink; how many there are."""
        counts: list[int] = self._ask_all(
            lambda one: one.replay_dead.remote(event, sink), *self._keepers()
        )
        return sum(counts) + self._places.left_over.replay_dead(event, sink)

    def stop(self) -> Sequence[WorkerState]:
        """Stops every worker, waits for their outboxes to drain, and says how they stand."""
        self._stopping.set()
        self._watch.join(ROUND_HANGS_S)
        with self._lock:
            living = {slot.plan.name: slot.worker for slot in self._slots if slot.worker}
            last = stop_workers(living, self._plan.drain_s)
            for slot in self._slots:
                if slot.plan.name in last:
                    slot.ended(last[slot.plan.name])
        self._places.left_over.stop()
        self._store_upkeep.stop()
        self._capacity.close()
        return self.workers()

    def _shares(self) -> Mapping[str, WorkerPlan]:
        """The share of each worker, with the versions that run now."""
        routing = self._rollouts.routing
        routes = {camera.camera.id: routing.routes(camera) for camera in self._plan.cameras}
        return {one.name: one.rerouted(routes, routing.served) for one in shares(self._plan)}

    def _assign(self, share: WorkerPlan) -> object:
        """Gives a share to its worker, or to a new one; the pending answer of one that lives."""
        for slot in self._slots:
            if slot.plan.name == share.name:
                return slot.apply(share)
        slot = WorkerSlot(share, self._gpus.later, self._plan.liveness, self._incarnations)
        self._slots.append(slot)
        self._places.place(self._slots)
        slot.start()
        return None

    def _supervise(self) -> None:
        free_memory = FreeMemory()
        while not self._stopping.wait(CHECK_EVERY_S):
            self._round_s = time.monotonic()
            free_memory.give_back()
            try:
                with self._lock:
                    self._check_workers()
                    self._govern()
                if not self._places.away:
                    self._retire()
            except (RayError, ServingError, RuntimeError, ValueError):
                # The next round may fare better; if none does, workers count as unknown.
                log.exception("director_round_failed")

    def _check_workers(self) -> None:
        """Asks all workers and nodes at once, and replaces the workers that must be."""
        of_nodes = self._places.ask(self._slots)
        # Without a control service Ray starts and ends nothing, and does not say so.
        away = self._places.away
        if not away:
            self._places.start_due(self._slots)
        questions = {slot.plan.name: slot.ask() for slot in self._slots}
        asked = [one for one in (*questions.values(), *of_nodes.values()) if one is not None]
        answered = wait_for_some(asked, min(ANSWER_WAIT_S, self._plan.liveness.snapshot_timeout_s))
        self._places.check(of_nodes, answered)
        for slot in self._slots:
            reason = slot.check(answered=questions[slot.plan.name] in answered)
            if reason and not away:
                slot.replace(reason)
        states = [slot.state() for slot in self._slots]
        self._capacity.note(
            [camera for state in states for camera in state.cameras],
            [state.current.models for state in states if state.current],
        )

    def _govern(self) -> None:
        """Keeps rates even across workers that share processors."""
        loads = {one.plan.name: (one.node_id, one.loads) for one in self._slots if one.loads}
        shares = self._governors.update(loads)
        for slot in self._slots:
            if slot.plan.name in shares:
                slot.limit(shares[slot.plan.name])

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
        except (RayError, ServingError, RuntimeError) as error:
            log.warning("model_not_retired", extra={"reason": str(error)})

    def _reroute(self, routes: Mapping[str, Routes]) -> None:
        with self._lock:
            for slot in self._slots:
                slot.reroute(routes, self._rollouts.routing.served)

    def _changed(self, change: Callable[[], RolloutState]) -> RolloutState | RefusedChange:
        if away := self._places.away:
            return RefusedChange(away, busy=True)
        # As a value: an exception would reach the caller wrapped by Ray.
        try:
            return change()
        except RolloutError as error:
            return RefusedChange(str(error), busy=isinstance(error, RolloutBusy))

    def _workers(self) -> list[Any]:
        """Handles of the workers that live."""
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def _keepers(self) -> list[Any]:
        """Handles of those who have what workers left on other machines."""
        return self._places.keepers()

    def _ask_all(self, ask: Callable[[Any], object], *others: object) -> list[Any]:
        """The answers of all workers, and of `others`, that answer in time."""
        pending = [ask(one) for one in (*self._workers(), *others)]
        answers = []
        for answer in pending:
            with contextlib.suppress(RayError):
                answers.append(wait_for(answer, self._plan.liveness.snapshot_timeout_s))
        return answers
