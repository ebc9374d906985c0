"""`NodeCosts`: what cameras cost on each machine of a cluster, measured once per kind of machine.

A task of Ray on the machine says which kind it is, and measures it where no machine of that kind
was measured before, in a process of its own as on one machine. What was measured is kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines import CameraPlan
from serving.actor import wait_for, wait_for_some
from serving.capacity.cost import CostModel
from serving.capacity.errors import CapacityError
from serving.capacity.measurement import (
    keep_node_costs,
    kept_node_costs,
    machine_name,
    measure_costs,
)
from serving.city_plan import CityPlan
from serving.errors import last_line
from serving.nodes import CameraNode
from serving.served_models import ServedModel

log = logging.getLogger(__name__)

TAKE_S: Final = 1.0
"""For an answer that is there already."""

POLL_S: Final = 0.5


class NodeCosts:
    """Those of one city. Not thread-safe."""

    def __init__(self, plan: CityPlan) -> None:
        """Begins with what was kept."""
        self._state = plan.delivery.state
        self._cameras = plan.cameras
        self._models = [model for model in plan.models if plan.needs(model)]
        self._costs = kept_node_costs(self._state, [model.ref.key for model in self._models])
        self._kinds: dict[str, str] = {}
        self._asked: dict[str, Any] = {}
        self._measuring: tuple[str, Any] | None = None
        self._faults: dict[str, str] = {}

    def of(self, node: CameraNode) -> CostModel | None:
        """What cameras cost on a machine, with the cores that it offers; None where not known."""
        costs = self._costs.get(self._kinds.get(node.id, ""))
        return costs and replace(costs, cores=node.cores)

    def why_not(self, nodes: Collection[CameraNode]) -> str:
        """Why it is not known of all of some machines what cameras cost there; empty if it is."""
        missing = sorted(node.name for node in nodes if self.of(node) is None)
        if not missing:
            return ""
        faults = "".join(f": {one}" for one in self._faults.values())
        return f"what cameras cost on {', '.join(missing)} is not known{faults or ' yet'}"

    def note(self, nodes: Collection[CameraNode]) -> None:
        """Takes what machines have answered, and asks those that are new; waits for nothing."""
        for node in nodes:
            if node.id not in self._kinds and node.id not in self._asked:
                self._asked[node.id] = _on(node, machine_name)
        come = wait_for_some([*self._asked.values()], 0.0)
        for name, answer in tuple(self._asked.items()):
            if answer in come:
                del self._asked[name]
                self._kinds[name] = self._take(answer, f"machine-{name}") or ""
        if self._measuring is None:
            self._begin(nodes)
        elif wait_for_some([self._measuring[1]], 0.0):
            (kind, answer), self._measuring = self._measuring, None
            if (costs := self._take(answer, kind)) is not None:
                self._costs[kind] = costs
                keep_node_costs(self._state, self._costs)

    def measure(
        self, nodes: Collection[CameraNode], limit_s: float, on_step: Callable[[str], None]
    ) -> None:
        """Waits until all of some machines are measured, or cannot be; `on_step` gets which."""
        deadline_s, said = time.monotonic() + limit_s, ""
        self.note(nodes)
        while (self._asked or self._measuring) and time.monotonic() < deadline_s:
            if self._measuring is not None and self._measuring[0] != said:
                said = self._measuring[0]
                names = sorted(one.name for one in nodes if self._kinds.get(one.id) == said)
                on_step(f"measuring what cameras cost on {', '.join(names)} ({said})")
            time.sleep(POLL_S)
            self.note(nodes)
        for fault in self._faults.values():
            on_step(f"{fault}; no camera will be refused")

    def _begin(self, nodes: Collection[CameraNode]) -> None:
        for node in nodes:
            kind = self._kinds.get(node.id)
            if kind and kind not in self._costs and kind not in self._faults:
                self._measuring = kind, _on(node, _measured, self._cameras, self._models)
                return

    def _take(self, answer: object, kind: str) -> Any:  # noqa: ANN401 - whatever the task gives
        try:
            return wait_for(answer, TAKE_S)
        except RayError as error:
            self._faults[kind] = f"costs could not be measured: {last_line(error)}"
            log.warning("node_not_measured", extra={"reason": self._faults[kind]})
            return None


def _on(node: CameraNode, function: Callable[..., Any], *arguments: object) -> object:
    """The pending answer of a function that runs on a machine."""
    there = NodeAffinitySchedulingStrategy(node.id, soft=False)
    task: Any = ray.remote(function)
    options: Mapping[str, Any] = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
    return task.options(**options).remote(*arguments)


def _measured(plans: Sequence[CameraPlan], models: Sequence[ServedModel]) -> CostModel:
    try:
        return measure_costs(plans, models)
    except CapacityError as error:
        raise RuntimeError(str(error)) from None
