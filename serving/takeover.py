"""What a new director of a running city takes over: versions and tables as they really are.

The plan of the city says what ran at its start. Versions may have been added and removed since.
"""

from __future__ import annotations

from typing import Final

from serving.city_plan import CityPlan
from serving.detectors import DetectorService
from serving.errors import RolloutError
from serving.rollout.rollouts import load_rollouts
from serving.rollout.routing_table import RoutingTable
from serving.served_models import ServedModel

GONE: Final = frozenset({"NOT_STARTED", "DELETING"})
"""States of a version that gives no results and will give none."""


def running_versions(plan: CityPlan, service: DetectorService) -> RoutingTable:
    """The tables as they were left, and the versions that run.

    Versions that run for a change of which nothing was written down are ended.

    Raises:
        RolloutError: The tables cannot be read.
    """
    left = load_rollouts(plan.delivery.state)
    tables = {one.model: left.get(one.model, one) for one in plan.rollouts}
    known: dict[str, ServedModel] = {model.ref.key: model for model in plan.models}
    absent: dict[str, str] = {}
    wanted = {f"{one.model}/{version}" for one in tables.values() for version in one.versions}
    for key in sorted(wanted - known.keys()):
        name, _, version = key.partition("/")
        try:
            known[key] = plan.find(name, version)
        except RolloutError as error:
            absent[key] = str(error)
    states = service.states(list(known.values()), {}, {})
    gone = {key for key, state in zip(known, states, strict=True) if state.status in GONE}
    absent |= {key: f"{known[key].title} does not run any more" for key in sorted(gone & wanted)}
    served = {key: model for key, model in known.items() if key not in gone}
    service.retain(tuple(served.values()))
    return RoutingTable(tables, served, absent)
