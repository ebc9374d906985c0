"""From a checked configuration to the plan that serving runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Literal

from cityeye.capacity import measures
from cityeye.config.load import Config
from cityeye.logs import log_settings, log_to_file
from models import Precision, in_precision
from pipelines import ModelRef, Route
from pipelines.delivery import SinkSettings
from serving import (
    CityPlan,
    DeliveryPlan,
    RepositoryVersions,
    RolloutError,
    ServedModel,
    Wish,
)
from serving.rollout import FILE, Rollout, load_rollouts

log = logging.getLogger(__name__)


def city_plan(config: Config, hub: SinkSettings | None) -> CityPlan:
    """The plan of a configuration; `hub` is how the embedded hub takes events, if there is one.

    Raises:
        ModelError: A package changed on disk after it was checked.
        RolloutError: A version that is in service is missing, or the rollout tables are unreadable.
    """
    settings = config.settings
    sinks: tuple[SinkSettings, ...] = settings.sinks
    if hub is not None:
        sinks += (hub,)
    section = settings.models
    versions = RepositoryVersions(section.source, {"provider": section.provider})
    known = load_rollouts(settings.state)
    tasks = [task for plan in config.plans for task in plan.tasks if not task.pinned]
    newest = {task.model.name: task.model for task in tasks}
    # A table for every model that a task names without a version: as it was left, or a new one.
    rollouts = tuple(
        known.get(name) or _new_table(model, section.precision, versions)
        for name, model in newest.items()
    )
    others = {name: model for name, model in newest.items() if name not in known}
    served, absent = _served(config, rollouts, versions)
    stable = {one.model: served[f"{one.model}/{one.stable}"].ref for one in rollouts}
    return CityPlan(
        cameras=tuple(
            # What a camera does not pin goes to the stable version.
            plan.rerouted(
                {
                    task.task: Route(stable[task.model.name].overridden(task.thresholds))
                    for task in plan.tasks
                    if not task.pinned
                }
            )
            for plan in config.plans
        ),
        models=tuple(served.values()),
        delivery=DeliveryPlan(
            keyframes=settings.keyframes,
            sinks=sinks,
            state=settings.state,
            retention=settings.retention.retention,
            cases=settings.case_codes.table if settings.case_codes else None,
            traces=settings.traces,
        ),
        city=settings.city.key,
        rollouts=rollouts,
        absent=absent,
        other_precisions=(
            {name: versions.other_precisions(model) for name, model in others.items()}
            if section.precision == "auto"
            else {}
        ),
        versions=versions,
        wish=Wish(
            section.detector,
            section.threads,
            section.replicas,
            settings.workers.cameras_per_worker,
            settings.workers.memory_bytes,
        ),
        keep_warm_s=section.keep_warm_s,
        # Elsewhere models run on machines that nobody has measured.
        capacity=settings.capacity if measures(settings) else "share",
        on_all_nodes=settings.workers.nodes == "all",
        log_to=partial(log_to_file, log_format=log_settings()[0]),
    )


def _new_table(
    model: ModelRef, precision: Literal["auto"] | Precision, versions: RepositoryVersions
) -> Rollout:
    """The table of a model that the city has not run yet."""
    version = model.version
    if precision != "auto" and versions.find(model.name, version).precision != precision:
        version = in_precision(version, precision)
    return Rollout(model=model.name, stable=version)


def _served(
    config: Config, rollouts: Sequence[Rollout], versions: RepositoryVersions
) -> tuple[dict[str, ServedModel], dict[str, str]]:
    """Every version that is to run, stable and pinned ones first; and why others cannot.

    Where a canary or shadow has become unusable, the stable version is used instead.
    """
    pinned = {t.model.key for plan in config.plans for t in plan.tasks if t.pinned}
    stable = {f"{table.model}/{table.stable}" for table in rollouts}
    joining = {f"{table.model}/{version}" for table in rollouts for version in table.versions}
    served, absent = {}, {}
    for key in (*sorted(pinned | stable), *sorted(joining - pinned - stable)):
        name, _, version = key.partition("/")
        try:
            served[key] = versions.find(name, version)
        except RolloutError as error:
            if key in stable:
                raise RolloutError(
                    f"{error}; {config.settings.state / FILE} names {version} as stable, put it "
                    "back or name another version there"
                ) from None
            if key in pinned:
                raise
            log.warning("version_absent", extra={"model": key, "reason": str(error)})
            absent[key] = str(error)
    return served, absent
