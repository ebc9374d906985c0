"""`ServedModel`: a model version and how it is served; `VersionSource`: where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from models.admission import admitted
from models.errors import ModelError
from models.package import ModelPackage
from pipelines.plan import ModelRef
from serving.app import DetectorArgs
from serving.errors import RolloutError
from serving.model_ref import model_ref
from serving.model_source import ModelSource


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model version and how its Serve application is built.

    Attributes:
        tasks: What its package says that it is made for.
    """

    ref: ModelRef
    args: DetectorArgs
    sha256: str
    tasks: tuple[str, ...]


def served_model(package: ModelPackage, /, **args: object) -> ServedModel:
    """A package with the arguments of its Serve application; `args` as in `DetectorArgs`."""
    return ServedModel(
        ref=model_ref(package),
        args=DetectorArgs.model_validate({"package": package.directory.resolve(), **args}),
        sha256=package.manifest.sha256,
        tasks=package.manifest.tasks,
    )


class VersionSource(Protocol):
    """Gives versions that a rollout names. Travels to the director through Ray."""

    @property
    def source(self) -> ModelSource:
        """The repository behind it."""
        ...

    def find(self, name: str, version: str) -> ServedModel:
        """An admitted version.

        Raises:
            RolloutError: There is none, or it was not admitted; the text says what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class RepositoryVersions:
    """The versions of a repository, all run in the same way.

    Attributes:
        source: The repository.
        args: Arguments of every Serve application, as in `DetectorArgs`.
    """

    source: ModelSource
    args: dict[str, object] = field(default_factory=dict)

    def find(self, name: str, version: str) -> ServedModel:
        """See `VersionSource.find`."""
        try:
            package = admitted(self.source.open(), name, version)
        except ModelError as error:
            raise RolloutError(str(error)) from None
        return served_model(package, package=self.source.place(package), **self.args)
