"""`RoutingTable`: which versions each camera is sent to, from rollout tables and configuration.

Pure: takes tables and what is known of every version, gives routes. What cannot be served now is
left out, and the stable version is used instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines import CameraPlan, ModelRef, Route, Routes, TaskPlan
from serving.rollout.rollout import Rollout
from serving.served_models import ServedModel


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """Tables and versions at one moment.

    Attributes:
        rollouts: Table by model.
        served: Every version that runs, by `name/version`.
        absent: Why a version that a table names does not run, by `name/version`.
    """

    rollouts: Mapping[str, Rollout]
    served: Mapping[str, ServedModel]
    absent: Mapping[str, str] = field(default_factory=dict)

    def routes(self, plan: CameraPlan) -> Routes:
        """The routes of one camera."""
        return {task.task: self._route(plan.camera.id, task) for task in plan.tasks}

    def needed(self, plans: Sequence[CameraPlan]) -> frozenset[str]:
        """Every `name/version` that a table or a camera names."""
        tables = (f"{one.model}/{v}" for one in self.rollouts.values() for v in one.versions)
        tasks = (task for plan in plans for task in plan.tasks)
        return frozenset(tables) | {task.model.key for task in tasks if self._is_fixed(task)}

    def ref(self, name: str, version: str) -> ModelRef | None:
        """A version as pipelines know it, with the threshold of its table; None if not served."""
        served = self.served.get(f"{name}/{version}")
        if served is None:
            return None
        table = self.rollouts.get(name)
        threshold = table.thresholds.get(version) if table else None
        return served.ref if threshold is None else replace(served.ref, threshold=threshold)

    def _route(self, camera: str, task: TaskPlan) -> Route:
        if self._is_fixed(task):
            return Route(task.model)
        table = self.rollouts[task.model.name]
        stable = self.ref(table.model, table.stable) or task.model
        model = self.ref(table.model, table.version_for(camera)) or stable
        wanted = table.shadow_for(camera)
        shadow = self.ref(table.model, wanted) if wanted else None
        return Route(model, None if shadow and shadow.key == model.key else shadow)

    def _is_fixed(self, task: TaskPlan) -> bool:
        return task.pinned or task.model.name not in self.rollouts


def tasks_of(plans: Sequence[CameraPlan], model: str) -> frozenset[str]:
    """The tasks that a model has on cameras that do not name a version."""
    tasks = (task for plan in plans for task in plan.tasks)
    return frozenset(t.task for t in tasks if t.model.name == model and not t.pinned)


def followers(plans: Sequence[CameraPlan], model: str) -> tuple[str, ...]:
    """Ids of the cameras that use a model without naming a version."""
    return tuple(plan.camera.id for plan in plans if tasks_of([plan], model))
