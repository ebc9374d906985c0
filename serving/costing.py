"""What the cameras of a city cost on its machine: measured at its first start, then kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from serving.capacity.errors import CapacityError
from serving.capacity.measurement import keep_costs, kept_costs, measure_costs
from serving.capacity.watch import CapacityWatch
from serving.city_plan import CityPlan
from serving.cluster_capacity import ClusterCapacity
from serving.nodes import living_nodes

log = logging.getLogger(__name__)

NODES_S: Final = 300.0
"""How long the start of a city waits for the machines of a cluster to be measured."""


def costed_plan(plan: CityPlan, on_step: Callable[[str], None]) -> CityPlan:
    """The plan with what everything costs, where anybody wants to know.

    Args:
        plan: A plan that says where models run.
        on_step: Gets a sentence for people for what is done and found.
    """
    if plan.measures_nodes:
        nodes = living_nodes().values()
        found: object = ClusterCapacity(plan, nodes, NODES_S, on_step).state(plan.cameras)
        on_step(str(found))
        return plan
    if plan.capacity == "share" or plan.on_all_nodes:
        return plan
    state = plan.delivery.state
    needed = [model for model in plan.models if plan.needs(model)]
    local = [model.ref.key for model in needed if model.ref.key not in plan.inference]
    costs = kept_costs(state, local)
    try:
        if costs is None:
            on_step("measuring what cameras cost on this machine")
            costs = measure_costs(plan.cameras, needed, plan.inference)
        costs = replace(costs, models={**costs.models, **plan.inference})
        keep_costs(state, costs)
    except CapacityError as error:
        log.warning("costs_not_measured", extra={"reason": str(error)})
        on_step(f"{error}; no camera will be refused")
        return plan
    plan = replace(plan, costs=costs)
    found = CapacityWatch(plan.capacity, costs, state).state(plan.cameras)
    on_step(str(found))
    return plan
