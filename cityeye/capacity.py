"""What the cameras of a configuration need on this machine, from what was measured there."""

from __future__ import annotations

from typing import Final

from cityeye.config import Config
from cityeye.config.schema import Settings
from serving import OWN_RAY
from serving.capacity import (
    Analysis,
    CameraReadings,
    CityBudget,
    CostModel,
    kept_costs,
    kept_node_costs,
)

NOT_MEASURED: Final = (
    "what cameras cost on this machine was not measured yet; the first start of the city does "
    "that, or `cityeye plan --config`"
)
NODES_NOT_MEASURED: Final = (
    "what cameras cost on the machines of the cluster was not measured yet; the first start of "
    "the city does that"
)
SHARED: Final = "no camera is refused; where they do not fit all rates shrink, by priority"
"""Of `capacity: share`, and of a city on a cluster, where models run on other machines."""


def expected_load(config: Config) -> str:
    """How many cores the cameras need and whether they fit, in words; measures nothing."""
    settings = config.settings
    if settings.capacity == "share" or not measures(settings):
        return SHARED
    if settings.ray.address != OWN_RAY:
        return _on_each_machine(config)
    costs = known_costs(config)
    if costs is None:
        return NOT_MEASURED
    budget = CityBudget(costs, CameraReadings(settings.state).known)
    return str(budget.state(config.plans))


def measures(settings: Settings) -> bool:
    """Whether what cameras cost is measured: on this machine, or on all that watch cameras."""
    return settings.ray.address == OWN_RAY or settings.workers.nodes == "all"


def _on_each_machine(config: Config) -> str:
    keys = {key for plan in config.plans for key in Analysis.of(plan).inferences}
    kinds = kept_node_costs(config.settings.state, sorted(keys))
    if not kinds:
        return NODES_NOT_MEASURED
    readings = CameraReadings(config.settings.state).known
    rooms = {
        kind: CityBudget(costs, readings).state((), like=config.plans).more
        for kind, costs in kinds.items()
    }
    return "; ".join(
        f"a machine of the cluster ({kind}) has room for {n} cameras like the mean of these"
        for kind, n in rooms.items()
    )


def known_costs(config: Config) -> CostModel | None:
    """What was measured in the state folder of a city; None where that is not all of it."""
    keys = {key for plan in config.plans for key in Analysis.of(plan).inferences}
    costs = kept_costs(config.settings.state, ())
    return None if costs is None or costs.missing(keys) else costs
