"""The camera that a recording is replayed as: one of a configuration, or some models by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from camera_adapters import RECORDING_BEGIN
from cityeye.config import (
    TrialCamera,
    has_cameras,
    load_config,
    quick_plan,
    trial_camera,
    with_rules_of,
)
from cityeye.errors import CommandError
from cityeye.model_place import repository_at
from cityeye.plan import city_plan
from models import WantedProvider
from models.admission import admitted
from pipelines import CameraPlan
from pipelines.rules import RulePlan
from serving import ServedModel, served_model

QUICK_ID: Final = "replay"
DEFAULT_FPS: Final = 5.0
SUFFIXES: Final = (".yaml", ".yml")
_MODELS: Final = re.compile(r"\+(?!\s*(?:int8|fp16)\s*(?:[:+]|$))")
"""A plus between two models, and not that of a version in another precision: `traffic/1+int8`."""


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """What the command line says of the camera.

    Attributes:
        spec: `CITY.YAML#NAME`, `NAME` beside a configuration, or `MODEL[:TASK,TASK][+MODEL...]`.
        config: The configuration, where it stands apart from the name.
        fps: Frames per second to analyse, for models by name.
        path: Where models by name are; see `repository_at`.
    """

    spec: str
    config: Path | None = None
    fps: float | None = None
    path: str | None = None

    @property
    def configured(self) -> tuple[Path, str] | None:
        """The file and the camera's name, empty for its only one; None for models by name."""
        if self.config is not None:
            return self.config, self.spec
        file, _, name = self.spec.partition("#")
        return (Path(file), name) if file.endswith(SUFFIXES) else None


@dataclass(frozen=True, slots=True)
class ReplayCamera:
    """A camera with the models that it needs, by `name/version`.

    Attributes:
        trial: What other rules can be tried on.
        name: Where its rules come from.
        others: The same camera with other rules, by where those come from.
    """

    plan: CameraPlan
    models: Mapping[str, ServedModel]
    trial: TrialCamera
    name: str
    others: Mapping[str, CameraPlan] = field(default_factory=dict)

    @property
    def has_schedules(self) -> bool:
        """Whether some rule is not always armed."""
        plans = (self.plan, *self.others.values())
        tasks = (task for plan in plans for task in plan.tasks)
        return any(rule.schedule is not None for task in tasks for rule in task.rules)

    def begun(self, begin: datetime | None) -> ReplayCamera:
        """The same with schedules by the time at which the recording began.

        Args:
            begin: That, by the clock of the city; None for rules that are always armed.
        """
        others = {name: _begun(plan, begin) for name, plan in self.others.items()}
        return replace(self, plan=_begun(self.plan, begin), others=others)

    def compared(self, files: Sequence[Path], environment: Mapping[str, str]) -> ReplayCamera:
        """The same with the rules of files: of two or more those, of one beside its own.

        Raises:
            CommandError: Two files have one name, or a configuration has no such camera.
            ConfigurationError: A file has mistakes.
        """
        plans = {} if len(files) > 1 else {self.name: self.plan}
        for file in files:
            name = str(file) if file.name in plans else file.name
            if name in plans:
                raise CommandError(f"{file} is named twice; compare different files")
            plans[name] = with_rules_of(self.plan, self._tried(file, environment))
        (name, plan), *others = plans.items()
        return replace(self, name=name, plan=plan, others=dict(others))

    def _tried(self, file: Path, environment: Mapping[str, str]) -> CameraPlan:
        if not has_cameras(file, environment):
            return self.trial.with_rules(file, environment)
        plans = {plan.camera.id: plan for plan in load_config(file, environment).plans}
        camera = self.plan.camera.id
        if camera not in plans:
            raise CommandError(f"{file} has no camera {camera}; it has {', '.join(plans)}")
        unknown = {task.task for task in plans[camera].tasks} - {t.task for t in self.plan.tasks}
        if unknown:
            what = f"rules for {', '.join(sorted(unknown))}, for which no model runs"
            raise CommandError(f"{file} has {what}; replay as a camera that has these tasks")
        return plans[camera]

    def running(self, threads: int, provider: WantedProvider) -> ReplayCamera:
        """The same with models that run in a certain way."""
        how = {"threads": threads, "provider": provider}
        models = {
            key: replace(model, args=model.args.model_copy(update=how))
            for key, model in self.models.items()
        }
        return replace(self, models=models)


def chosen_camera(choice: CameraChoice, environment: Mapping[str, str]) -> ReplayCamera:
    """Resolves what the command line says.

    Raises:
        CommandError: It names no camera, or options do not go together.
        ConfigurationError: The configuration has mistakes.
        ModelError: A model is missing, unusable or not admitted.
    """
    configured = choice.configured
    if configured is None:
        return _quick_camera(choice, environment)
    if choice.fps is not None or choice.path is not None:
        raise CommandError("--fps and --path go with models by name; a configuration says both")
    return _configured_camera(*configured, environment)


def _configured_camera(file: Path, name: str, environment: Mapping[str, str]) -> ReplayCamera:
    """A camera of a file, with the versions that serve it: as rolled out, the stable ones."""
    config = load_config(file, environment)
    plans = {plan.camera.id: plan for plan in config.plans}
    if not name and len(plans) == 1:
        (name,) = plans
    if name not in plans:
        known = ", ".join(plans)
        what = f"has no camera {name}" if name else "has several cameras"
        raise CommandError(f"{file} {what}; name one of them, as in {file}#NAME: {known}")
    city = city_plan(replace(config, plans=(plans[name],)), None)
    models = {model.ref.key: model for model in city.models}
    return ReplayCamera(city.cameras[0], models, trial_camera(config, name), file.name)


def _quick_camera(choice: CameraChoice, environment: Mapping[str, str]) -> ReplayCamera:
    repository = repository_at(choice.path, environment)
    models: dict[str, tuple[str, ...]] = {}
    for part in _MODELS.split(choice.spec):
        model, _, tasks = part.strip().partition(":")
        if not model:
            raise CommandError(
                f"--camera {choice.spec} names no camera; give CITY.YAML#NAME or MODEL:TASK,TASK"
            )
        model = model.replace("@", "/", 1)
        if model in models:
            raise CommandError(f"{model} is named twice; name its tasks together: MODEL:TASK,TASK")
        models[model] = tuple(filter(None, tasks.split(",")))
    plan, trial = quick_plan(QUICK_ID, models, choice.fps or DEFAULT_FPS, repository)
    refs = {task.model for task in plan.tasks}
    packages = [admitted(repository, ref.name, ref.version) for ref in refs]
    served = {str(one): served_model(one) for one in packages}
    return ReplayCamera(plan, served, trial, choice.spec)


def _begun(plan: CameraPlan, begin: datetime | None) -> CameraPlan:
    """A plan whose schedules know when the recording began; without that it has none."""

    def timed(rule: RulePlan) -> RulePlan:
        schedule = rule.schedule
        if schedule is None or begin is None:
            return replace(rule, schedule=None)
        local = begin.replace(tzinfo=ZoneInfo(schedule.time_zone))
        return replace(rule, schedule=replace(schedule, shift=local - RECORDING_BEGIN))

    tasks = (replace(task, rules=tuple(map(timed, task.rules))) for task in plan.tasks)
    return replace(plan, tasks=tuple(tasks))
