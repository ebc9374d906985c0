"""A small city for tests: recorded cameras, the brightness model, and a rule that it triggers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from camera_adapters.spec import CameraSpec
from models.package import ModelPackage
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.plan import CameraPlan, TaskPlan
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from serving.city_plan import CityPlan, DeliveryPlan, Wish
from serving.detectors import DetectorKind
from serving.model_source import FolderModels
from serving.rollout.rollout import Rollout
from serving.served_models import RepositoryVersions, model_ref, served_model

WHOLE = Zone("image", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
FPS = 5.0


def camera_plan(camera: str, source: str, package: ModelPackage) -> CameraPlan:
    """A camera on which one bright image after another is a crowd of one."""
    rule = RulePlan(
        "crowding.density",
        (WHOLE,),
        {"min_persons": 1, "confirm_s": 1.0, "expire_s": 1.0, "update_every_s": 3600.0},
    )
    spec = CameraSpec(camera, source, name=camera.title(), rates={"crowding": FPS})
    return CameraPlan(spec, (TaskPlan("crowding", model_ref(package), FPS, (rule,)),))


def city_plan(
    cameras: dict[str, str],
    package: ModelPackage,
    folder: Path,
    sink_url: str,
    *,
    cameras_per_worker: int = 1,
    detector: DetectorKind = "ray_serve",
    replicas: int | Literal["auto"] = 1,
) -> CityPlan:
    """The city, keyframes and outboxes under `folder`; all versions beside `package` can join.

    How a model runs is not measured at the start, unless `replicas` asks for it.
    """
    return CityPlan(
        cameras=tuple(camera_plan(name, source, package) for name, source in cameras.items()),
        models=(served_model(package),),
        delivery=DeliveryPlan(
            keyframes=KeyframeSettings(folder=FolderSettings(folder / "keyframes")),
            sinks=(HttpSinkSettings(url=sink_url),),
            state=folder / "state",
        ),
        rollouts=(Rollout(model=package.name, stable=package.version),),
        versions=RepositoryVersions(FolderModels(path=package.directory.parents[1])),
        wish=Wish(detector, 1, replicas, cameras_per_worker),
        drain_s=5.0,
    )
