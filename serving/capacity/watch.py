"""`CapacityWatch`: how much of its machine a running city needs, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pipelines import CameraPlan, CameraSnapshot
from serving.capacity.budget import CapacityState, CityBudget
from serving.capacity.cost import CostModel
from serving.capacity.readings import CameraReadings

CapacityPolicy = Literal["refuse", "share"]
"""What becomes of cameras for which a machine has no room: they are not added, or all rates shrink.
Cameras that a city has at its start are never refused."""

NOT_MEASURED = "what cameras cost on this machine was not measured"


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

    def note(self, cameras: Iterable[CameraSnapshot]) -> None:
        """Takes the newest snapshots of cameras."""
        with self._lock:
            self._readings.note(cameras)

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
