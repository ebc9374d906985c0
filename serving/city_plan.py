"""`CityPlan`: everything that serving needs to know, resolved from the configuration.

Plain picklable values: the plan travels to the director and its workers through Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.package import ModelPackage
from pipelines.plan import CameraPlan, ModelRef
from pipelines.sinks.http import HttpSinkSettings
from pipelines.stores.s3 import S3Settings
from serving.app import DetectorArgs
from serving.model_ref import model_ref

LogSetUp = Callable[[Path], None]
"""Called first in a new process: sends its log to a file. Travels by its import path."""


def keep_default_logs(_: Path) -> None:
    """Leaves logging as it is."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model version and how its Serve application is built."""

    ref: ModelRef
    args: DetectorArgs
    sha256: str


def served_model(package: ModelPackage, /, **args: object) -> ServedModel:
    """A package with the arguments of its Serve application; `args` as in `DetectorArgs`."""
    return ServedModel(
        ref=model_ref(package),
        args=DetectorArgs.model_validate({"package": package.directory.resolve(), **args}),
        sha256=package.manifest.sha256,
    )


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """Where evidence goes.

    Attributes:
        keyframes: A folder, or an S3-compatible store.
        sinks: Endpoints that get every event.
        state: Folder for outboxes and spools; one file or folder per worker in it.
    """

    keyframes: Path | S3Settings
    sinks: tuple[HttpSinkSettings, ...]
    state: Path


@dataclass(frozen=True, slots=True)
class CityPlan:
    """All cameras, the models that they need, and where evidence goes.

    Attributes:
        drain_s: How long a stopping worker goes on delivering.
        log_to: How director and workers set up their logs.
    """

    cameras: tuple[CameraPlan, ...]
    models: tuple[ServedModel, ...]
    delivery: DeliveryPlan
    cameras_per_worker: int = 8
    drain_s: float = 10.0
    log_to: LogSetUp = keep_default_logs


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker's share of the city."""

    name: str
    cameras: tuple[CameraPlan, ...]
    delivery: DeliveryPlan = field(repr=False)
    drain_s: float = 10.0
    log_to: LogSetUp = keep_default_logs


def shares(plan: CityPlan) -> Sequence[WorkerPlan]:
    """Splits the cameras into groups, in the order of the configuration."""
    size = plan.cameras_per_worker
    groups = [plan.cameras[start : start + size] for start in range(0, len(plan.cameras), size)]
    return [
        WorkerPlan(f"worker-{number}", group, plan.delivery, plan.drain_s, plan.log_to)
        for number, group in enumerate(groups)
    ]
