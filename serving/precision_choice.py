"""Which precision of a model serves a city that has not run it yet: the fastest one here.

int8 is twice as fast on some processors and slower on others, so it is measured, on the machine
that will infer. What is chosen is kept in the rollout table: from then on only a rollout changes
it, whatever another machine or another program would choose.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipelines import Route
from serving.city_plan import CityPlan, Wish
from serving.cores import usable_cores
from serving.gpu_shares import ROLLOUT_GPUS, may_use_gpu
from serving.gpus import gpus_of_cluster
from serving.rollout.rollout import FirstChoice, Rollout
from serving.served_models import ServedModel
from serving.trial import TrialProcess

PAIRS: Final = 5
"""How often both are measured, one right after the other: a neighbour that comes and goes slows
down both of a pair, and the median is that of an undisturbed one."""

MARGIN: Final = 1.1
"""Another precision must give so many times the throughput: it costs some accuracy."""

GPU_BATCH: Final = 8
"""Images per run on a GPU, which one image does not fill."""


@dataclass(frozen=True, slots=True)
class MeasuredPrecision:
    """A version in another precision against the version as it was made.

    Attributes:
        ratios: Throughput of the former by that of the latter, pair by pair.
    """

    model: ServedModel
    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    def text(self, precision: str) -> str:
        """One clause; `precision` is that of the version as it was made."""
        least, most = min(self.ratios), max(self.ratios)
        return (
            f"{self.model.precision} infers {self.median:.2f} times as many images/s as "
            f"{precision} here ({least:.2f} to {most:.2f} in {len(self.ratios)} pairs)"
        )


def with_fastest_precisions(plan: CityPlan, on_step: Callable[[str], None]) -> CityPlan:
    """The plan with the fastest precision of each model that the city has not run yet.

    Args:
        plan: The plan; `other_precisions` are those to choose from.
        on_step: Gets a sentence for people for each decision.
    """
    for table in plan.rollouts:
        others = plan.other_precisions.get(table.model, ())
        made = next(one for one in plan.models if one.ref.key == f"{table.model}/{table.stable}")
        if not others:
            continue
        on_step(f"measuring which precision of {made.title} is fastest on this machine")
        measured = measured_precisions(made, others, plan.wish, on_step)
        best = max(measured, key=lambda one: one.median, default=None)
        if best is None:
            continue
        chosen = best.model if best.median >= MARGIN else made
        why = best.text(made.precision)
        on_step(f"{chosen.title} serves: {why}")
        plan = _with_stable(plan, table, made, chosen, why)
    return plan


def measured_precisions(
    made: ServedModel,
    others: Sequence[ServedModel],
    wish: Wish,
    on_step: Callable[[str], None],
) -> list[MeasuredPrecision]:
    """The others that run where `made` does, each against it; none where `made` does not run."""
    share = ROLLOUT_GPUS if may_use_gpu([made], gpus_of_cluster())[0] else 0.0
    found = []
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(TrialProcess(made, share))
        if first.load():
            return []  # Whoever places the models says why.
        provider = first.provider()
        for other in others:
            with TrialProcess(other, share) as second:
                problem = second.load()
                if not problem and second.provider() != provider:
                    problem = f"it does not run on {provider}"
                if problem:
                    on_step(f"{other.title} is left out: {problem}")
                    continue
                ratios = tuple(_ratio(first, second, provider, wish) for _ in range(PAIRS))
                found.append(MeasuredPrecision(other, ratios))
    return found


def _ratio(first: TrialProcess, second: TrialProcess, provider: str, wish: Wish) -> float:
    """Throughput of the second by that of the first, measured right after each other."""
    threads = 1 if wish.threads == "auto" else wish.threads
    cores = math.ceil(usable_cores())
    runs = cores // threads if wish.replicas == "auto" else wish.replicas
    runs, batch = (max(1, runs), 1) if provider == "cpu" else (1, GPU_BATCH)
    before = first.measure(threads, runs, batch).images_per_s
    return second.measure(threads, runs, batch).images_per_s / before


def _with_stable(
    plan: CityPlan, table: Rollout, made: ServedModel, chosen: ServedModel, why: str
) -> CityPlan:
    """The plan with another version in place of the one that a new table names."""
    new = table.model_copy(
        update={
            "stable": chosen.ref.version,
            "first": FirstChoice(version=chosen.ref.version, why=why),
        }
    )
    cameras = tuple(
        camera.rerouted(
            {
                task.task: Route(chosen.ref.overridden(task.thresholds))
                for task in camera.tasks
                if not task.pinned and task.model.name == table.model
            }
        )
        for camera in plan.cameras
    )
    rollouts = tuple(new if one is table else one for one in plan.rollouts)
    changed = replace(plan, cameras=cameras, rollouts=rollouts)
    known = {one.ref.key: one for one in (chosen, *plan.models)}
    kept = tuple(one for one in known.values() if one is not made or changed.needs(made))
    return replace(changed, models=kept)
