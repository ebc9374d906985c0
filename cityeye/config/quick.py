"""A camera without a file: some model packages on the whole image, with everything else by default.

It becomes a plan as one of a file does, so that both mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cityeye.config.catalogue import Catalogue
from cityeye.config.kept_rules import KeptRules
from cityeye.config.plans import camera_plans
from cityeye.config.problem import listing
from cityeye.config.schema import Settings
from cityeye.config.trial import NOWHERE, TrialCamera
from cityeye.errors import CommandError
from models import Repository
from pipelines import CameraPlan


def quick_plan(
    camera: str,
    models: Mapping[str, Sequence[str]],
    fps: float,
    repository: Repository,
) -> tuple[CameraPlan, TrialCamera]:
    """The plan of a camera that no file describes; it asks for all signals of its images.

    With it comes what rules can be tried on.

    Args:
        camera: Its id.
        models: Tasks by model, `NAME` or `NAME/VERSION`; all that a model is made for where none
            is named.
        fps: Frames per second to analyse, of every task.
        repository: Where the models are.

    Raises:
        CommandError: A task is unknown, is named twice, or a model is not made for it.
        ModelError: There is no such model, or it is unusable or not admitted.
    """
    catalogue = Catalogue.of(repository, KeptRules())
    tasks: dict[str, dict[str, object]] = {}
    for model, wanted in models.items():
        made_for = catalogue.find_model(model).manifest.tasks
        known = [task for task in made_for if task in catalogue.tasks]
        if not known:
            raise CommandError(f"model {model} is made for no task; none of our rules uses it")
        for task in wanted or known:
            if task not in known:
                raise CommandError(f"model {model} is made for {listing(known)}, not for {task}")
            if task in tasks:
                raise CommandError(f"two models for {task}: name the tasks, as in MODEL:TASK")
            tasks[task] = {"model": model, "fps": fps}
    facts = {"id": camera, "source": NOWHERE, "tasks": tasks}
    signals = ("view", "motion", "static_change")
    document = {
        "cameras": [{**facts, "signals": signals}],
        "models": {},
        "keyframes": {"folder": "keyframes"},
    }
    settings = Settings.model_validate(document, context={"base": Path.cwd()})
    (plan,) = camera_plans(settings, catalogue)
    return plan, TrialCamera(facts, {}, catalogue, Path.cwd())
