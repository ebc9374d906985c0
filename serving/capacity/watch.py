"""`CapacityWatch`: how much of its machine a running city needs, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from pipelines import CameraPlan, CameraSnapshot, InferenceMetrics
from serving.capacity.budget import CapacityState, CityBudget
from serving.capacity.cost import CostModel
from serving.capacity.readings import CameraReadings

CapacityPolicy = Literal["refuse", "share"]
"""What becomes of cameras for which a machine has no room: they are not added, or all rates shrink.
Cameras that a city has at its start are never refused."""

MEASURED_IMAGES: Final = 100
"""So many inferences in the camera workers say what one costs there."""

NOT_MEASURED: Final = "what cameras cost on this machine was not measured"


class CapacityWatch:
    """The capacity of one running city. Safe from any thread."""

    def __init__(self, policy: CapacityPolicy, costs: CostModel | None, state: Path) -> None:
        """Prepares.

        Args:
            policy: What becomes of cameras that do not fit.
            costs: What everything costs; None where that is not known.
            state: The state folder of the city.
        """
        self._policy = policy
        self._costs = costs
        self._readings = CameraReadings(state)
        self._lock = threading.Lock()

    def note(
        self, cameras: Iterable[CameraSnapshot], models: Iterable[Mapping[str, InferenceMetrics]]
    ) -> None:
        """Takes the newest snapshots of cameras, and what each worker has inferred so far."""
        with self._lock:
            self._readings.note(cameras)
            if self._costs is not None:
                self._costs = _with_inferences(self._costs, models)

    def replanned(self, plans: Sequence[CameraPlan]) -> None:
        """The city has other cameras."""
        with self._lock:
            self._readings.keep_only(plan.camera.id for plan in plans)

    def close(self) -> None:
        """Keeps what was measured."""
        with self._lock:
            self._readings.save()

    def state(self, plans: Sequence[CameraPlan]) -> CapacityState | str:
        """How much cameras need, or why that is not known."""
        budget = self._budget()
        if budget is None:
            return NOT_MEASURED
        missing = budget.unmeasured(plans)
        if missing:
            names = ", ".join(missing)
            return f"what an inference of {names} costs was not measured; the next start does that"
        return budget.state(plans)

    def refusal(self, running: Sequence[CameraPlan], wanted: Sequence[CameraPlan]) -> str:
        """Why a city cannot have other cameras; empty where it can, or nobody knows."""
        budget = self._budget()
        if self._policy == "share" or budget is None or budget.unmeasured([*running, *wanted]):
            return ""
        return budget.refusal(running, wanted)

    def _budget(self) -> CityBudget | None:
        if self._costs is None:
            return None
        with self._lock:
            return CityBudget(self._costs, self._readings.known)


def _with_inferences(
    costs: CostModel, models: Iterable[Mapping[str, InferenceMetrics]]
) -> CostModel:
    """Costs with those of inferences as the workers have measured them, where they infer."""
    sums: dict[str, InferenceMetrics] = {}
    for own in models:
        for key, one in own.items():
            sums[key] = sums.get(key, InferenceMetrics()) + one
    found = {
        key: replace(cost, core_s=sums[key].cpu_s / sums[key].images)
        for key, cost in costs.models.items()
        if cost.local and key in sums and sums[key].images >= MEASURED_IMAGES
    }
    return replace(costs, models={**costs.models, **found}) if found else costs
