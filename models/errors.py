"""What can go wrong with a model; every message names the model and says what to do.

ModelError
├── PackageError        a package directory is not what `package.py` says it must be
├── UnknownModelError   the repository has no such name or version
├── NotAdmittedError    a version was not examined, or was refused, and must not serve
├── RepositoryError     a repository does not answer, refuses, or gives other bytes than published
│   └── ObjectMissingError  its store has nothing under a key
├── GraphError          a network cannot be wrapped into the uint8-in, boxes-out contract
├── SessionError        ONNX Runtime refuses the model, or not on the wanted provider
├── SandboxError        a throw-away process failed, crashed, or used up its limits
├── ImageError          a batch of images does not fit the model's input
├── DataError           labelled images to evaluate a model with are not usable
└── DownloadError       a file of the catalogue cannot be had, or is another one
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

FailureKind = Literal["refused", "unexpected", "crashed", "memory", "time"]
"""How work in a throw-away process came to nothing; `unexpected` is an unforeseen exception."""


class ModelError(Exception):
    """Something about a model; `model` is `name` or `name/version`, empty where all are meant."""

    def __init__(self, model: str, sentence: str) -> None:
        super().__init__(f"model {model}: {sentence}" if model else sentence)
        self.model = model


class PackageError(ModelError):
    """A package on disk is unusable; `file` is the culprit."""

    def __init__(self, model: str, file: Path, problem: str, remedy: str) -> None:
        super().__init__(model, f"{file}: {problem}; {remedy}")
        self.file = file


class UnknownModelError(ModelError):
    """The repository does not hold what was asked for; `available` is what it holds."""

    def __init__(self, model: str, root: Path | str, available: tuple[str, ...]) -> None:
        there = ", ".join(available) or "nothing"
        super().__init__(model, f"not in the model repository {root}, which holds {there}")
        self.available = available


class NotAdmittedError(ModelError):
    """A version was not examined, or was refused; it must not serve."""


class RepositoryError(ModelError):
    """A repository does not do what was asked.

    Attributes:
        problem: What is wrong, and where.
        remedy: What to do.
        again: Whether trying again may help without anybody doing anything.
    """

    def __init__(self, model: str, problem: str, remedy: str, *, again: bool = False) -> None:
        super().__init__(model, f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.again = again

    def about(self, model: str) -> RepositoryError:
        """The same, about a model."""
        return RepositoryError(model, self.problem, self.remedy, again=self.again)


class ObjectMissingError(RepositoryError):
    """The store behind a repository has nothing under a key."""

    def __init__(self, key: str, place: str) -> None:
        super().__init__("", f"there is no {key} in {place}", "publish the version again")


class GraphError(ModelError):
    """A network does not look as its head says it must."""


class SessionError(ModelError):
    """No usable ONNX Runtime session."""


class SandboxError(ModelError):
    """Work on a model in a throw-away process came to nothing.

    Attributes:
        reason: One sentence without the model's name.
        kind: How it came to nothing.
        step: What was being done.
        output: The end of what libraries printed.
    """

    def __init__(
        self, model: str, reason: str, *, kind: FailureKind, step: str = "", output: bytes = b""
    ) -> None:
        super().__init__(model, reason)
        self.reason = reason
        self.kind = kind
        self.step = step
        self.output = output.decode("utf-8", "replace")


class ImageError(ModelError):
    """The caller's images have the wrong shape or type."""


class DataError(ModelError):
    """Labelled images are unusable; `place` is the culprit, with its line where it has lines."""

    def __init__(self, place: Path | str, problem: str, remedy: str) -> None:
        super().__init__("", f"{place}: {problem}; {remedy}")
        self.place = str(place)


class DownloadError(ModelError):
    """A file of the catalogue of detectors cannot be had, or is not the one that is meant."""
