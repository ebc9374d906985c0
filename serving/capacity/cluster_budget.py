"""`ClusterBudget`: what cameras need of the machines of a cluster, and whether others have room.

Each machine has costs of its own. A camera that runs needs what it does on the machine that it is
on; one that is to be added gets the machine that has the most room left for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines import CameraPlan
from serving.capacity.budget import (
    SAME,
    CapacityState,
    CityBudget,
    ReadingCost,
    by_priority,
    named,
)
from serving.capacity.cost import BASE_CORES, CameraCost, CostModel

Where = Mapping[str, str]
"""The id of the machine of each camera that is on one, by the camera's id."""


@dataclass(frozen=True, slots=True)
class MeasuredNode:
    """A machine of a cluster.

    Attributes:
        name: What it is called.
        costs: What everything costs there; its cores are those that it offers.
        labels: Those that cameras may ask for.
    """

    name: str
    costs: CostModel
    labels: Mapping[str, str]

    def takes(self, plan: CameraPlan) -> bool:
        """Whether a camera may be there."""
        return plan.node_labels.items() <= self.labels.items()


class ClusterBudget:
    """The machines of a cluster by id, with what was measured of cameras that run or ran."""

    def __init__(
        self, nodes: Mapping[str, MeasuredNode], readings: Mapping[str, ReadingCost]
    ) -> None:
        self._nodes = nodes
        self._budgets = {name: CityBudget(one.costs, readings) for name, one in nodes.items()}

    def unmeasured(self, plans: Sequence[CameraPlan]) -> list[str]:
        """Every `name/version` that cameras ask for and whose cost is not known on a machine."""
        return sorted({key for one in self._budgets.values() for key in one.unmeasured(plans)})

    def state(self, plans: Sequence[CameraPlan], where: Where) -> CapacityState:
        """How much the cameras of a city need, in all and on each machine.

        Raises:
            KeyError: A version was not measured, see `unmeasured`.
        """
        places = self._places(plans, where)
        states = {
            one.name: self._budgets[name].state(
                [plan for plan in plans if places.get(plan.camera.id) == name], like=plans
            )
            for name, one in self._nodes.items()
        }
        each = states.values()
        return CapacityState(
            cores=sum(one.cores for one in each),
            needed_cores=round(sum(one.needed_cores for one in each), 3),
            gpu=0.0,
            cameras=len(plans),
            fitting=sum(one.fitting for one in each),
            more=sum(one.more for one in each),
            assumed=sum(one.assumed for one in each),
            spread=max((one.spread for one in each), default=0.0),
            nodes=states,
        )

    def refusal(
        self, running: Sequence[CameraPlan], wanted: Sequence[CameraPlan], where: Where
    ) -> str:
        """Why a city cannot have other cameras; empty where it can.

        Whoever asks no more of a machine than before is given it, on a full one too.

        Args:
            running: The cameras that it has.
            wanted: Those that it is to have.
            where: The machines of those that run.

        Raises:
            KeyError: A version was not measured, see `unmeasured`.
        """
        old = {plan.camera.id for plan in running}
        stay = [plan for plan in wanted if plan.camera.id in old]
        before, after = self._used(running, where), self._used(stay, where)
        fuller = [
            one.name
            for name, one in self._nodes.items()
            if not self._budgets[name].fits(CameraCost(after[name]))
            and after[name] > before[name] + SAME
        ]
        if fuller:
            return self._refused(f"{', '.join(sorted(fuller))} has no room for that", wanted, where)
        places = self._places(wanted, where)
        added = [plan.camera.id for plan in by_priority(wanted) if plan.camera.id not in old]
        fitting = [camera for camera in added if camera in places]
        if len(fitting) == len(added):
            return ""
        text = f"no machine of the cluster has room for that: of the {len(added)} new ones "
        text += f"{len(fitting)} fit" + (f" ({named(fitting)})" if fitting else "")
        return self._refused(text, wanted, where)

    def parts(self, plans: Sequence[CameraPlan]) -> dict[str, float]:
        """Which part of the cores of each machine cameras would need there.

        Raises:
            KeyError: A version was not measured, see `unmeasured`.
        """
        return {
            name: sum(one.camera(plan).cores for plan in plans) / one.costs.cores
            for name, one in self._budgets.items()
        }

    def _refused(self, text: str, wanted: Sequence[CameraPlan], where: Where) -> str:
        state = self.state(wanted, where)
        return (
            f"{text}; {state}; lower `fps`, take a sub-stream, remove tasks or add machines, or "
            "write `capacity: share` so that all rates shrink instead"
        )

    def _used(self, plans: Sequence[CameraPlan], where: Where) -> dict[str, float]:
        """Cores that cameras need which are on a machine, with the base of each."""
        used = dict.fromkeys(self._nodes, BASE_CORES)
        for plan in plans:
            if (name := where.get(plan.camera.id, "")) in used:
                used[name] += self._budgets[name].camera(plan).cores
        return used

    def _places(self, plans: Sequence[CameraPlan], where: Where) -> dict[str, str]:
        """The machine of each camera that is on one, or would get one that has room for it."""
        used = self._used(plans, where)
        places = {
            plan.camera.id: where[plan.camera.id]
            for plan in plans
            if where.get(plan.camera.id, "") in used
        }
        for plan in by_priority(plans):
            if plan.camera.id in places:
                continue
            needs = {
                name: used[name] + self._budgets[name].camera(plan).cores
                for name, one in self._nodes.items()
                if one.takes(plan)
            }
            fit = [
                name for name, cores in needs.items() if self._budgets[name].fits(CameraCost(cores))
            ]
            if fit:
                best = min(fit, key=lambda name: needs[name] / self._budgets[name].costs.cores)
                used[best] = needs[best]
                places[plan.camera.id] = best
        return places
