"""What the cameras of a city cost on its machine: measured at its first start, then kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from serving.capacity.errors import CapacityError
from serving.capacity.measurement import keep_costs, kept_costs, measure_costs
from serving.capacity.watch import CapacityWatch
from serving.city_plan import CityPlan

log = logging.getLogger(__name__)


def costed_plan(plan: CityPlan, on_step: Callable[[str], None]) -> CityPlan:
    """The plan with what everything costs, where anybody wants to know.

    Args:
        plan: A plan that says where models run.
        on_step: Gets a sentence for people for what is done and found.
    """
    if plan.capacity == "share":
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
