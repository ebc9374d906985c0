"""`ClusterCapacity`: how much of the machines of a cluster a city needs, and what it refuses."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from pipelines import CameraPlan, CameraSnapshot, InferenceMetrics
from serving.capacity.budget import CapacityState
from serving.capacity.cluster_budget import ClusterBudget, MeasuredNode
from serving.capacity.readings import CameraReadings
from serving.city_plan import CityPlan
from serving.node_costs import NodeCosts
from serving.nodes import CameraNode

log = logging.getLogger(__name__)

START_S: Final = 30.0
"""How long a director waits for machines to say of which kind they are."""


class ClusterCapacity:
    """As `CapacityWatch`, for a cluster. Safe from any thread, but for `take_nodes`."""

    def __init__(
        self,
        plan: CityPlan,
        nodes: Collection[CameraNode],
        limit_s: float = START_S,
        on_step: Callable[[str], None] = log.info,
    ) -> None:
        """Measures the machines of whose kind none was measured before.

        Args:
            plan: The city.
            nodes: The machines that there are.
            limit_s: Up to so many seconds; what is not known then, `take_nodes` will know.
            on_step: Gets a sentence for people for what is done.
        """
        self._costs = NodeCosts(plan)
        self._readings = CameraReadings(plan.delivery.state)
        self._lock = threading.Lock()
        self._nodes: Mapping[str, MeasuredNode] | str = "no machine of the cluster is known yet"
        self._where: Mapping[str, str] = {}
        self._costs.measure(nodes, limit_s, on_step)
        self.take_nodes(nodes, {})

    def take_nodes(self, nodes: Collection[CameraNode], where: Mapping[str, str]) -> None:
        """Takes the machines that there are, and that of each camera by its id.

        Machines that are new are measured, which takes some seconds.
        """
        self._costs.note(nodes)
        found = {
            node.id: MeasuredNode(node.name, costs, node.labels)
            for node in nodes
            if (costs := self._costs.of(node)) is not None
        }
        why_not = self._costs.why_not(nodes)
        with self._lock:
            self._nodes = why_not or found
            self._where = where

    def note(
        self, cameras: Iterable[CameraSnapshot], models: Iterable[Mapping[str, InferenceMetrics]]
    ) -> None:
        """Takes the newest snapshots of cameras; what inferences cost is measured by machine."""
        with self._lock:
            self._readings.note(cameras)

    def replanned(self, plans: Sequence[CameraPlan]) -> None:
        """See `CapacityWatch.replanned`."""
        with self._lock:
            self._readings.keep_only(plan.camera.id for plan in plans)

    def close(self) -> None:
        """See `CapacityWatch.close`."""
        with self._lock:
            self._readings.save()

    def state(self, plans: Sequence[CameraPlan]) -> CapacityState | str:
        """See `CapacityWatch.state`."""
        budget, where = self._budget()
        if isinstance(budget, str):
            return budget
        if missing := budget.unmeasured(plans):
            return f"what an inference of {', '.join(missing)} costs was not measured"
        return budget.state(plans, where)

    def refusal(self, running: Sequence[CameraPlan], wanted: Sequence[CameraPlan]) -> str:
        """See `CapacityWatch.refusal`."""
        budget, where = self._budget()
        if isinstance(budget, str) or budget.unmeasured([*running, *wanted]):
            return ""
        return budget.refusal(running, wanted, where)

    def parts(self, plans: Sequence[CameraPlan]) -> Mapping[str, float]:
        """Which part of each machine cameras would need there, by its id; empty if not known."""
        budget, _ = self._budget()
        if isinstance(budget, str) or budget.unmeasured(plans):
            return {}
        return budget.parts(plans)

    def _budget(self) -> tuple[ClusterBudget | str, Mapping[str, str]]:
        with self._lock:
            nodes, where = self._nodes, self._where
            if isinstance(nodes, str):
                return nodes, where
            return ClusterBudget(nodes, self._readings.known), where
