"""`ServedModel`: a model version and how it runs; `RepositoryVersions`: where they come from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from camera_adapters import Size
from models import ModelError, ModelPackage, Precision, WantedProvider, plain_version
from models.admission import admitted
from pipelines import ModelRef, NamedThresholds
from serving.errors import RolloutError
from serving.model_source import ModelSource, RemotePackage

log = logging.getLogger(__name__)


class DetectorArgs(BaseModel):
    """How a model version runs; the typed argument of `serving.app:build`.

    Attributes:
        package: Directory of the model package, `<name>/<version>`, or where else it is found.
        threads: ONNX Runtime threads per copy of the model.
        provider: `cpu`, `cuda`, or `auto` for the best that the machine has.
        replicas: Copies of the model that Ray Serve runs.
        cpus: Share of a core that Ray reserves per replica when it places replicas.
        gpus: Share of a GPU that Ray reserves per replica.
        max_ongoing: Micro-batches that may wait at one replica; generous, because Serve backs
            off for up to half a second once all replicas are full.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: Path | RemotePackage
    threads: int = Field(default=1, ge=1, le=256)
    provider: WantedProvider = "auto"
    replicas: int = Field(default=1, ge=1, le=1024)
    cpus: float = Field(default=0.1, ge=0)
    gpus: float = Field(default=0.0, ge=0)
    max_ongoing: int = Field(default=32, ge=2, le=4096)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model version and how it runs.

    Attributes:
        tasks: What its package says that it is made for.
        precision: Number format of its network.
    """

    ref: ModelRef
    args: DetectorArgs
    sha256: str
    tasks: tuple[str, ...]
    precision: Precision = "fp32"

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"model {self.ref.name} {self.ref.version}"


@dataclass(frozen=True, slots=True)
class ModelState:
    """How a version in service is at present.

    Attributes:
        status: `RUNNING` when all is well, otherwise what it is instead.
        provider: Where it runs: `cpu` or `cuda`; `unknown` while it cannot say.
        application: Name of its Serve application, empty without one.
        replicas: How many of its replicas run; 0 where camera workers run it themselves.
        memory_bytes: What their processes hold for themselves, without memory of a GPU; None where
            there are none, or they do not say.
    """

    status: str
    provider: str
    application: str = ""
    replicas: int = 0
    memory_bytes: int | None = None


def model_ref(package: ModelPackage) -> ModelRef:
    """Name, version, input size and fit, labels and limits of a verified package."""
    manifest = package.manifest
    return ModelRef(
        name=package.name,
        version=package.version,
        size=Size(manifest.input.width, manifest.input.height),
        labels=package.labels,
        threshold=manifest.thresholds.default,
        max_batch=manifest.input.max_batch,
        fit=manifest.input.fit,
    ).overridden(NamedThresholds(classes=manifest.thresholds.classes))


def served_model(package: ModelPackage, /, **args: object) -> ServedModel:
    """A package with how it runs; `args` as in `DetectorArgs`."""
    return ServedModel(
        ref=model_ref(package),
        args=DetectorArgs.model_validate({"package": package.directory.resolve(), **args}),
        sha256=package.manifest.sha256,
        tasks=package.manifest.tasks,
        precision=package.manifest.precision,
    )


@dataclass(frozen=True, slots=True)
class RepositoryVersions:
    """Gives the versions that a rollout names. Travels to the director through Ray.

    Attributes:
        source: The repository.
        args: How every version runs, as in `DetectorArgs`.
    """

    source: ModelSource
    args: dict[str, object] = field(default_factory=dict)

    def find(self, name: str, version: str) -> ServedModel:
        """An admitted version.

        Raises:
            RolloutError: There is none, or it was not admitted; the text says what to do.
        """
        try:
            package = admitted(self.source.open(), name, version)
        except ModelError as error:
            raise RolloutError(str(error)) from None
        return served_model(package, package=self.source.place(package), **self.args)

    def other_precisions(self, model: ModelRef) -> tuple[ServedModel, ...]:
        """The same version in other precisions, as far as it was admitted in them."""
        found = []
        for version in self.source.open().versions(model.name):
            if version != model.version and plain_version(version) == plain_version(model.version):
                try:
                    found.append(self.find(model.name, version))
                except RolloutError as error:
                    facts = {"model": f"{model.name}/{version}", "reason": str(error)}
                    log.warning("precision_left_out", extra=facts)
        return tuple(found)
