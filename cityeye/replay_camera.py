"""The camera that a recording is replayed as: one of a configuration, or some models by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cityeye.config import load_config, quick_plan
from cityeye.errors import CommandError
from cityeye.model_place import repository_at
from cityeye.plan import city_plan
from models import WantedProvider
from models.admission import admitted
from pipelines import CameraPlan
from serving import ServedModel, served_model

QUICK_ID: Final = "replay"
DEFAULT_FPS: Final = 5.0
SUFFIXES: Final = (".yaml", ".yml")


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
    """A camera with the models that it needs, by `name/version`."""

    plan: CameraPlan
    models: Mapping[str, ServedModel]

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
    return ReplayCamera(city.cameras[0], {model.ref.key: model for model in city.models})


def _quick_camera(choice: CameraChoice, environment: Mapping[str, str]) -> ReplayCamera:
    repository = repository_at(choice.path, environment)
    models: dict[str, tuple[str, ...]] = {}
    for part in choice.spec.split("+"):
        model, _, tasks = part.strip().partition(":")
        if not model:
            raise CommandError(
                f"--camera {choice.spec} names no camera; give CITY.YAML#NAME or MODEL:TASK,TASK"
            )
        model = model.replace("@", "/", 1)
        if model in models:
            raise CommandError(f"{model} is named twice; name its tasks together: MODEL:TASK,TASK")
        models[model] = tuple(filter(None, tasks.split(",")))
    plan = quick_plan(QUICK_ID, models, choice.fps or DEFAULT_FPS, repository)
    refs = {task.model for task in plan.tasks}
    packages = [admitted(repository, ref.name, ref.version) for ref in refs]
    return ReplayCamera(plan, {str(one): served_model(one) for one in packages})
