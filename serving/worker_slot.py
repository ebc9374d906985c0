"""A worker slot: a share of the cameras, and the worker that holds it at present.

A worker lives while its frame loop comes round, not while its process is there. It is asked again
only when it has answered, so that questions do not pile up at one that is busy.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ray.exceptions import RayError

from camera_adapters import BackoffPolicy, RestartLimit
from pipelines import Priority, PriorityLoad, Routes
from serving.actor import wait_for
from serving.camera_worker import WorkerSnapshot
from serving.city_plan import Liveness, WorkerPlan
from serving.errors import death_of
from serving.gpu_shares import WorkerGpus
from serving.incarnations import Incarnations
from serving.memory import MIB
from serving.nodes import CameraNode
from serving.served_models import ServedModel
from serving.worker_actors import LivingWorker, end_worker, start_worker
from serving.worker_state import WorkerState

log = logging.getLogger(__name__)

RESTARTS: Final = BackoffPolicy(first_s=1.0, cap_s=15.0, spread=0.0)
"""Waits before a worker is started again; the first restart in a while does not wait."""

LATELY_S: Final = 300.0
MOST_COUNTED: Final = 8
"""Only so many restarts of so many seconds make the next one wait."""

TAKE_S: Final = 1.0
"""For an answer that is there already."""


class WorkerSlot:
    """A share of cameras and its worker. Not thread-safe; the director has a lock.

    Attributes:
        plan: The share, with the number of the newest start.
        worker: The handle of the worker, None while none lives.
        snapshot: Its newest answer, None before the first one.
        alive: Whether it answered the newest check.
        asked_s: When it was asked for that answer, monotonic seconds.
        node: The machine that it is on, or is to be on; None where no machine may have it.
        replaced_s: When its worker ended last, monotonic seconds.
    """

    def __init__(
        self,
        plan: WorkerPlan,
        gpus: WorkerGpus,
        liveness: Liveness,
        incarnations: Incarnations,
        restarts: int = 0,
    ) -> None:
        """Starts nothing yet. `restarts` are those that an earlier director has counted."""
        self.plan = plan
        self.worker: Any = None
        self.snapshot: WorkerSnapshot | None = None
        self.alive = False
        self.asked_s = 0.0
        self.node: CameraNode | None = None
        self._gpus = gpus
        self._liveness = liveness
        self._incarnations = incarnations
        self._restarts = restarts
        self._lately = RestartLimit(MOST_COUNTED, LATELY_S)
        self._problem = ""
        self._next_start_s = 0.0
        self.replaced_s = float("-inf")
        self._answered_s = time.monotonic()
        self._question: object = None
        self._question_s = 0.0
        self._adopted = False
        self._unplaced = ""
        self._outbox_at = ""
        self._open_incidents: tuple[bytes, ...] = ()

    def start(self) -> None:
        """Starts a worker on its node, over this share's outbox there."""
        if self.node is None:
            return
        incarnation = self._incarnations.next()
        self.plan = replace(self.plan, incarnation=incarnation, replaced=self._problem)
        self._begin(start_worker(self.plan, self._gpus, self.node.id))

    def adopt(
        self, living: LivingWorker, node: CameraNode, shares: Mapping[Priority, float]
    ) -> None:
        """Takes over a worker that an earlier director has started, with rates set to `shares`.

        It gets the versions of this plan, as it may have missed the newest change.
        """
        self.node = node
        self._outbox_at = living.node
        self.plan = replace(self.plan, incarnation=living.incarnation)
        self._begin(living.handle)
        self._adopted = True
        living.handle.limit.remote(shares)
        self._send_routes()

    def place(self, node: CameraNode | None, slots: int) -> None:
        """Has the next worker be on another node, where incidents that are open go on.

        To be called while no worker lives.

        Args:
            node: The node; None where no machine may have it.
            slots: How many inferences run at once there for its cameras.
        """
        self.plan = replace(self.plan, slots=replace(self.plan.slots, count=slots))
        self._unplaced = _no_node(self.plan.node_labels) if node is None else ""
        self.node = node
        if node is None:
            return
        if self._outbox_at not in ("", node.id):
            self.plan = replace(self.plan, open_elsewhere=self._open_incidents)
        self._outbox_at = node.id

    def _begin(self, worker: Any) -> None:  # noqa: ANN401
        self.worker = worker
        self.alive = False
        self.snapshot = None
        self._question = None
        self._answered_s = time.monotonic()

    def state(self) -> WorkerState:
        """The worker now."""
        return WorkerState(
            name=self.plan.name,
            snapshot=self.snapshot,
            restarts=self._restarts,
            alive=self.alive,
            camera_ids=tuple(plan.camera.id for plan in self.plan.cameras),
            silent_s=round(time.monotonic() - self._answered_s, 3),
            incarnation=self.plan.incarnation,
            problem=self._problem,
            unplaced=self._unplaced,
            node=self.node_id,
            node_name=self.node.name if self.node else "",
        )

    @property
    def node_id(self) -> str:
        """Ray's id of the machine that it is on, or is to be on; empty without one."""
        return self.node.id if self.node else ""

    @property
    def loads(self) -> Mapping[Priority, PriorityLoad]:
        """What its cameras ask for and get, by priority; empty while it does not answer."""
        return self.snapshot.group.loads if self.alive and self.snapshot else {}

    def ask(self) -> object:
        """Asks the worker how it is, if it owes no answer; the open question, None without one."""
        if self.worker is not None and self._question is None:
            self._question_s = time.monotonic()
            self._question = self.worker.snapshot.remote()
        return self._question

    def check(self, *, answered: bool) -> str:
        """Takes the answer to the open question if there is one.

        Returns:
            Why the worker must be replaced, empty if it need not.
        """
        if self._question is None:
            return ""
        now_s = time.monotonic()
        if not answered:
            self.alive &= now_s - self._question_s <= self._liveness.snapshot_timeout_s
            limit_s = self._liveness.silent_after_s
            if self.snapshot is None and not self._adopted:
                limit_s = self._liveness.start_grace_s
            return "does not answer" if now_s - self._answered_s > limit_s else ""
        question, self._question = self._question, None
        try:
            snapshot: WorkerSnapshot = wait_for(question, TAKE_S)
        except RayError as error:
            self.alive = False
            return f"died: {death_of(error)}"
        return self._take(snapshot, now_s)

    def _take(self, snapshot: WorkerSnapshot, now_s: float) -> str:
        first = self.snapshot is None
        self._open_incidents = snapshot.open_incidents
        # Whoever asks for the state of a worker need not get them too. They are in its outbox now.
        self.snapshot = replace(snapshot, open_incidents=())
        self.plan = replace(self.plan, open_elsewhere=())
        self.asked_s, self._answered_s = self._question_s, now_s
        self.alive = True
        self._problem = ""
        if not snapshot.running:
            return f"its frame loop ended: {snapshot.fault or 'no reason given'}"
        if snapshot.group.beat_s > self._liveness.hang_after_s:
            return f"its frame loop hangs for {snapshot.group.beat_s:.0f} s"
        limit = self._liveness.memory_bytes
        if limit is not None and snapshot.memory_bytes > limit:
            return (
                f"it holds {snapshot.memory_bytes // MIB} MiB of memory, more than the "
                f"{limit // MIB} MiB of `workers.memory_mib`"
            )
        watched = {camera.id for camera in snapshot.group.cameras}
        if first and watched != {plan.camera.id for plan in self.plan.cameras}:
            return "it watches other cameras than it should"
        return ""

    def replace(self, reason: str) -> None:
        """Ends the worker for good; a new one comes after a back-off."""
        log.warning("worker_replaced", extra={"worker": self.plan.name, "reason": reason})
        if self.worker is None:
            return
        end_worker(self.worker)
        # Of cameras without a worker nothing is known any more.
        self._begin(None)
        self._adopted = False
        self._problem = reason
        self.replaced_s = now_s = time.monotonic()
        self._next_start_s = now_s + RESTARTS.wait_s(self._lately.recent(now_s))
        self._lately.note(now_s)
        self._restarts += 1

    def reroute(self, routes: Mapping[str, Routes], served: Mapping[str, ServedModel]) -> None:
        """Changes the versions of its cameras, for this worker and for any that replaces it."""
        self.plan = self.plan.rerouted(routes, served)
        if self.worker is not None:
            self._send_routes()

    def _send_routes(self) -> None:
        own = {plan.camera.id: plan.routes for plan in self.plan.cameras}
        self.worker.reroute.remote(own, self.plan.models)

    def apply(self, share: WorkerPlan) -> object:
        """Takes the cameras of `share`, for this worker and for any that replaces it.

        Returns:
            The pending answer of `CameraWorker.apply`, None while no worker lives.
        """
        self.plan = replace(self.plan, cameras=share.cameras, models=share.models)
        return self.worker.apply.remote(self.plan) if self.worker is not None else None

    def limit(self, shares: Mapping[Priority, float]) -> None:
        """Reduces the rates of its cameras; a worker that has just started knows nothing of it."""
        if self.worker is not None and self.alive:
            self.worker.limit.remote(shares)

    @property
    def due(self) -> bool:
        """Whether a new worker shall be started now."""
        return (
            self.worker is None and self.node is not None and time.monotonic() >= self._next_start_s
        )

    def ended(self, last: WorkerSnapshot) -> None:
        """Notes how the worker stood when it was stopped."""
        self.snapshot = last
        self._answered_s = time.monotonic()


def _no_node(labels: Mapping[str, str]) -> str:
    if not labels:
        return "no machine of the cluster has a core for its cameras"
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"no machine of the cluster that lives is labelled {wanted}"
