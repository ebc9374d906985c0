"""`RoutingTable`: which versions each camera is sent to, from rollout tables and configuration.

Pure: takes tables and what is known of every version, gives routes. What cannot be served now is
left out, and the stable version is used instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
        """A version as pipelines know it, with the thresholds of its table; None if not served."""
        served = self.served.get(f"{name}/{version}")
        if served is None:
            return None
        table = self.rollouts.get(name)
        wanted = table.thresholds.get(version) if table else None
        return served.ref if wanted is None else served.ref.overridden(wanted.named)

    def _route(self, camera: str, task: TaskPlan) -> Route:
        if self._is_fixed(task):
            return Route(task.model)
        table = self.rollouts[task.model.name]
        stable = self.ref(table.model, table.stable) or task.model
        model = self.ref(table.model, table.version_for(camera)) or stable
        model = model.overridden(task.thresholds)
        wanted = table.shadow_for(camera)
        shadow = self.ref(table.model, wanted) if wanted else None
        if shadow is None or shadow.key == model.key:
            return Route(model)
        return Route(model, shadow.overridden(task.thresholds))

    def _is_fixed(self, task: TaskPlan) -> bool:
        return task.pinned or task.model.name not in self.rollouts


def tasks_of(plans: Sequence[CameraPlan], model: str) -> frozenset[str]:
    """The tasks that a model has on cameras that do not name a version."""
    tasks = (task for plan in plans for task in plan.tasks)
    return frozenset(t.task for t in tasks if t.model.name == model and not t.pinned)


def followers(plans: Sequence[CameraPlan], model: str) -> tuple[str, ...]:
    """Ids of the cameras that use a model without naming a version."""
    return tuple(plan.camera.id for plan in plans if tasks_of([plan], model))
