"""`WorkerPlaces`: on which machine each worker is, and what workers leave behind on each of them.

With one machine that is trivial. In a cluster a worker goes to another node when its own is away;
its incidents go on there, and what it has not delivered follows when that node is back.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from serving.city_plan import CityPlan
from serving.cores import usable_cores
from serving.left_over import LeftOverOutboxes
from serving.nodes import CameraNode, PlacedShare, places, this_node
from serving.worker_actors import LivingWorker
from serving.worker_nodes import WorkerNodes
from serving.worker_slot import WorkerSlot

log = logging.getLogger(__name__)


class WorkerPlaces:
    """Those of one director. Not thread-safe, but for `keepers` and `notes`.

    Attributes:
        left_over: The outboxes on this machine that no worker has.
    """

    def __init__(self, plan: CityPlan, workers: Collection[str]) -> None:
        """Begins with the outboxes on this machine that belong to none of `workers`."""
        self._plan = plan
        self._here = this_node()
        self._nodes = WorkerNodes(plan)
        self.left_over = LeftOverOutboxes(plan.delivery, plan.city, workers)
        self.left_over.start()

    def node_of(self, worker: LivingWorker) -> CameraNode | None:
        """The node of a worker; None where it may have none there."""
        return self._nodes.living.get(worker.node)

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
            name, old = slot.plan.name, slot.node
            node = usable.get(found[name] or "")
            if node is not None:
                log.info("worker_placed", extra={"worker": name, "node": node.name})
                self._let_go(name, node)
            slot.place(node, self._slots_on(node, slot, slots, found))
            if old is not None or (node is not None and node.id != self._here):
                self._left_at(name, old.id if old is not None else self._here)

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
        for slot in slots:
            if slot.worker is not None and slot.node and slot.node.id not in self._nodes.living:
                slot.replace(f"{slot.node.name} has left the cluster")
        return questions

    def check(self, questions: Mapping[str, object], answered: Collection[object]) -> None:
        """Takes the answers of nodes that have come."""
        self._nodes.check(questions, answered)

    def is_ready(self, slot: WorkerSlot) -> bool:
        """Whether a worker can be started on its node, which has shown that it is there."""
        return slot.node is not None and self._nodes.has_answered(slot.node.id, slot.replaced_s)

    def keepers(self) -> list[Any]:
        """Handles of those who do on other machines what `left_over` does on this one."""
        return self._nodes.keepers()

    def notes(self) -> Mapping[str, str]:
        """What still waits of workers that there are no more, on all machines."""
        return {**self.left_over.notes(), **self._nodes.notes()}

    def _share(self, slot: WorkerSlot) -> PlacedShare:
        labels = slot.plan.node_labels if self._plan.on_all_nodes else {}
        node = slot.node.id if slot.node else ""
        return PlacedShare(len(slot.plan.cameras), labels, node, slot.plan.decodes_on_gpu)

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
