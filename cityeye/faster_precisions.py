"""Which models a city runs in a precision that is not the fastest of those that there are.

A city keeps what it runs: what came later, or with a newer program, takes a rollout.
"""

from __future__ import annotations

from collections.abc import Iterator

from cityeye.config import Config
from model_tools.importing import TIMES_FP32
from models import ModelError, plain_version
from models.admission import admitted
from serving.rollout import Rollout, load_rollouts


def faster_precisions(config: Config) -> Iterator[str]:
    """A sentence for each model of which there is a faster precision, without a full stop.

    Nothing is said where the city has measured them and chose what it runs.

    Raises:
        RolloutError: The rollout tables cannot be read.
    """
    used = {task.model.name for plan in config.plans for task in plan.tasks if not task.pinned}
    for name, table in sorted(load_rollouts(config.settings.state).items()):
        is_chosen = table.first is not None and table.first.version == table.stable
        if name in used and not is_chosen:
            yield from _faster(config, table)


def _faster(config: Config, table: Rollout) -> Iterator[str]:
    repository = config.settings.models.source.open()
    runs = f"{table.model}/{table.stable}"
    for version in repository.versions(table.model):
        if version == table.stable or plain_version(version) != plain_version(table.stable):
            continue
        try:
            measured = admitted(repository, table.model, version).manifest.measured
        except ModelError:
            continue
        times = measured.get(TIMES_FP32, 0.0)
        if times <= 1.0:
            continue
        yield (
            f"{table.model}/{version} is there, the same network {times:g} times as fast where it "
            f"was made; {runs} stays until a rollout, which begins with `cityeye models rollout "
            f"{table.model} --canary {version} --cameras 10%`"
        )
