"""`WorkerPlaces`: on which machine each worker is, and what workers leave behind on each of them.

With one machine that is trivial. In a cluster a worker goes to another node when its own is away;
its incidents go on there, and what it has not delivered follows when that node is back.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pipelines import OVERLOADED
from serving.capacity.watch import CapacityWatch
from serving.city_plan import CityPlan
from serving.cluster_capacity import ClusterCapacity
from serving.control_service import ControlService
from serving.cores import usable_cores
from serving.left_over import LeftOverOutboxes
from serving.nodes import CameraNode, PlacedShare, places, this_node
from serving.relief import PlacedLoad, Relief
from serving.worker_actors import LivingWorker
from serving.worker_nodes import WorkerNodes
from serving.worker_slot import WorkerSlot

log = logging.getLogger(__name__)

CLUSTER: Final = "the Ray cluster"


class WorkerPlaces:
    """Those of one director. Not thread-safe, but for `keepers` and `notes`.

    Attributes:
        left_over: The outboxes on this machine that no worker has.
        capacity: How much of the machines the cameras need.
    """

    def __init__(self, plan: CityPlan, workers: Collection[str]) -> None:
        """Begins with the outboxes on this machine that belong to none of `workers`."""
        self._plan = plan
        self._here = this_node()
        self._nodes = WorkerNodes(plan)
        self._control = ControlService(plan.control_service)
        self._relief = Relief()
        self.capacity: CapacityWatch | ClusterCapacity = (
            ClusterCapacity(plan, self._nodes.living.values())
            if plan.measures_nodes
            else CapacityWatch(plan.capacity, plan.costs, plan.delivery.state)
        )
        self.left_over = LeftOverOutboxes(plan.delivery, plan.city, workers)
        self.left_over.start()

    def node_of(self, worker: LivingWorker) -> CameraNode | None:
        """The node of a worker; None where it may have none there."""
        return self._nodes.living.get(worker.node)

    @property
    def away(self) -> str:
        """See `ControlService.away`."""
        return self._control.away

    def start_due(self, slots: Sequence[WorkerSlot]) -> None:
        """Starts the workers whose time has come, on nodes that have shown that they are there."""
        self.place(slots)
        self._relieve(slots)
        for slot in slots:
            if slot.due and slot.node and self._nodes.has_answered(slot.node.id, slot.replaced_s):
                slot.start()

    def place(self, slots: Sequence[WorkerSlot]) -> None:
        """Gives a node to those that have none which can be used; what lives keeps its own."""
        usable = self._nodes.usable
        waiting = [
            slot
            for slot in slots
            if slot.worker is None and (slot.node is None or slot.node.id not in usable)
        ]
        if not waiting:
            return
        found = places({slot.plan.name: self._share(slot) for slot in slots}, usable.values())
        for slot in waiting:
            node = usable.get(found[slot.plan.name] or "")
            self._put(slot, node, self._slots_on(node, slot, slots, found))

    def _put(self, slot: WorkerSlot, node: CameraNode | None, inferences: int) -> None:
        """Gives a worker that does not live a machine, with so many inferences at once."""
        name, old = slot.plan.name, slot.node
        if node is not None:
            log.info("worker_placed", extra={"worker": name, "node": node.name})
            self._let_go(name, node)
        slot.place(node, inferences)
        if old is not None or (node is not None and node.id != self._here):
            self._left_at(name, old.id if old is not None else self._here)

    def _relieve(self, slots: Sequence[WorkerSlot]) -> None:
        """Has a worker go to another machine whose cameras get too little, see `Relief`.

        Where models run on machines of their own, another place helps no camera.
        """
        if not self._plan.on_all_nodes or self._plan.detector != "in_process":
            return
        rooms = {
            slot.plan.name: min((one.room for one in slot.loads.values()), default=1.0)
            for slot in slots
        }
        short = min(rooms.values(), default=1.0) < OVERLOADED
        found = self._relief.next(
            {one.plan.name: PlacedLoad(self._share(one), rooms[one.plan.name]) for one in slots}
            if short
            else {},
            self._nodes.usable.values(),
        )
        if found is None:
            return
        name, node = found
        (slot,) = [one for one in slots if one.plan.name == name]
        where = {one.plan.name: one.node_id for one in slots} | {name: node.id}
        old = slot.node.name if slot.node else ""
        slot.replace(f"its cameras were given too little on {old} and go on on {node.name}")
        self._put(slot, node, self._slots_on(node, slot, slots, where))

    def ask(self, slots: Sequence[WorkerSlot]) -> Mapping[str, object]:
        """Looks for nodes that have come and gone, and asks all that there are.

        Returns:
            Open questions by id of the node; for `check`.
        """
        by_node: dict[str, list[str]] = {}
        for slot in slots:
            if slot.node is not None:
                by_node.setdefault(slot.node.id, []).append(slot.plan.name)
        questions = self._nodes.questions(by_node)
        if isinstance(self.capacity, ClusterCapacity) and not self.away:
            where = {one.camera.id: slot.node_id for slot in slots for one in slot.plan.cameras}
            self.capacity.take_nodes(self._nodes.living.values(), where)
        for slot in slots:
            if slot.worker is not None and slot.node and slot.node.id not in self._nodes.living:
                slot.replace(f"{slot.node.name} has left the cluster")
        return questions

    def check(self, questions: Mapping[str, object], answered: Collection[object]) -> None:
        """Takes the answers of nodes that have come."""
        self._nodes.check(questions, answered)

    def keepers(self) -> list[Any]:
        """Handles of those who do on other machines what `left_over` does on this one."""
        return self._nodes.keepers()

    def notes(self) -> Mapping[str, str]:
        """What still waits of workers that there are no more, and whether the cluster works."""
        cluster = {CLUSTER: self.away} if self.away else {}
        return {**cluster, **self.left_over.notes(), **self._nodes.notes()}

    def _share(self, slot: WorkerSlot) -> PlacedShare:
        labels = slot.plan.node_labels if self._plan.on_all_nodes else {}
        own = slot.plan.cameras
        parts = self.capacity.parts(own) if isinstance(self.capacity, ClusterCapacity) else {}
        return PlacedShare(len(own), labels, slot.node_id, slot.plan.decodes_on_gpu, parts)

    def _slots_on(
        self,
        node: CameraNode | None,
        slot: WorkerSlot,
        slots: Sequence[WorkerSlot],
        found: Mapping[str, str | None],
    ) -> int:
        """Inferences at once of a worker: those of its node by its part of the cameras there."""
        if node is None or not self._plan.on_all_nodes:
            return slot.plan.slots.count
        beside = [one for one in slots if found[one.plan.name] == node.id]
        cameras = sum(len(one.plan.cameras) for one in beside)
        part = len(slot.plan.cameras) / max(1, cameras)
        return max(1, math.ceil(self._plan.slots.count * node.cores / usable_cores() * part))

    def _let_go(self, worker: str, node: CameraNode) -> None:
        """Has the outbox of a worker let go where it is about to begin."""
        if node.id == self._here:
            self.left_over.release(worker)
        else:
            self._nodes.came(worker, node.id)

    def _left_at(self, worker: str, node: str) -> None:
        """Has delivered what a worker has left where it is no more."""
        if node == self._here:
            self.left_over.adopt(worker)
        else:
            self._nodes.left(worker, node)
