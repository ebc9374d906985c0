"""What the cameras of a configuration need on this machine, from what was measured there."""

from __future__ import annotations

from typing import Final

from cityeye.config import Config
from serving import OWN_RAY
from serving.capacity import Analysis, CameraReadings, CityBudget, CostModel, kept_costs

NOT_MEASURED: Final = (
    "what cameras cost on this machine was not measured yet; the first start of the city does "
    "that, or `cityeye plan --config`"
)
SHARED: Final = "no camera is refused; where they do not fit all rates shrink, by priority"
"""Of `capacity: share`, and of a city on a cluster, where models run on other machines."""


def expected_load(config: Config) -> str:
    """How many cores the cameras need and whether they fit, in words; measures nothing."""
    settings = config.settings
    if settings.capacity == "share" or settings.ray.address != OWN_RAY:
        return SHARED
    costs = known_costs(config)
    if costs is None:
        return NOT_MEASURED
    budget = CityBudget(costs, CameraReadings(settings.state).known)
    return str(budget.state(config.plans))


def known_costs(config: Config) -> CostModel | None:
    """What was measured in the state folder of a city; None where that is not all of it."""
    keys = {key for plan in config.plans for key in Analysis.of(plan).inferences}
    costs = kept_costs(config.settings.state, ())
    return None if costs is None or costs.missing(keys) else costs
