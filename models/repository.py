"""`Repository`: where model packages are found by name and version; here, under one root folder.

Listing reads names only; nothing is parsed or verified until a package is asked for.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import UnknownModelError
from models.object_store import FolderObjects
from models.package import MANIFEST_FILE, NAME_PATTERN, ModelPackage
from models.publishing import publish
from models.version import VERSION_PATTERN, newest, version_order

BUILTIN_ROOT = Path(__file__).parent / "builtin"
"""The packages that ship with the project."""


def is_model(name: str, version: str = "0") -> bool:
    """Whether a package may be called so."""
    return bool(re.fullmatch(NAME_PATTERN, name) and re.fullmatch(VERSION_PATTERN, version))


class Repository(Protocol):
    """Finds model packages. All methods raise `ModelError`."""

    def names(self) -> tuple[str, ...]:
        """Names that have at least one version, sorted."""
        ...

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a name, oldest first; empty if there is none."""
        ...

    def find(self, name: str, version: str | None = None) -> ModelPackage:
        """A verified package on this machine's disk; the newest number unless one is named.

        Raises:
            UnknownModelError: There is no such package; the message lists what there is.
            ModelError: It is there but unusable, or cannot be got.
        """
        ...

    def publish(self, package: ModelPackage) -> tuple[str, ...]:
        """Keeps a package under its name and version; see `models.publishing.publish`."""
        ...

    def __str__(self) -> str:
        """Where it is, for people; without credentials."""
        ...


def unknown(repository: Repository, name: str, version: str | None) -> UnknownModelError:
    """The error for a package that is not there; lists what is."""
    asked = name if version is None else f"{name}/{version}"
    there = (f"{one}/{number}" for one in repository.names() for number in repository.versions(one))
    return UnknownModelError(asked, str(repository), tuple(there))


@dataclass(frozen=True, slots=True)
class ModelRepository:
    """A folder of `<name>/<version>/` packages."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def names(self) -> tuple[str, ...]:
        """See `Repository.names`."""
        if not self.root.is_dir():
            return ()
        names = sorted(one.name for one in self.root.iterdir() if is_model(one.name))
        return tuple(name for name in names if self.versions(name))

    def versions(self, name: str) -> tuple[str, ...]:
        """See `Repository.versions`."""
        folder = self.root / name
        if not is_model(name) or not folder.is_dir():
            return ()
        found = (
            one.name
            for one in folder.iterdir()
            if is_model(name, one.name) and (one / MANIFEST_FILE).is_file()
        )
        return tuple(sorted(found, key=version_order))

    def find(self, name: str, version: str | None = None) -> ModelPackage:
        """See `Repository.find`.

        Raises:
            UnknownModelError: There is no such package; the message lists what there is.
            PackageError: It is there but unusable.
        """
        return ModelPackage.load(self.directory_of(name, version))

    def directory_of(self, name: str, version: str | None = None) -> Path:
        """Where a version lies, the newest number unless one is named; nothing of it is read.

        Raises:
            UnknownModelError: There is no such package; the message lists what there is.
        """
        versions = self.versions(name)
        wanted = version or newest(versions)
        if wanted is None or wanted not in versions:
            raise unknown(self, name, version)
        return self.root / name / wanted

    def remove(self, name: str, version: str) -> None:
        """Removes a version; it is gone for readers at once.

        Raises:
            UnknownModelError: There is no such package.
            OSError: It cannot be removed.
        """
        directory = self.directory_of(name, version)
        going = directory.with_name(f".{version}.removed")
        shutil.rmtree(going, ignore_errors=True)
        directory.rename(going)
        shutil.rmtree(going)
        with contextlib.suppress(OSError):
            directory.parent.rmdir()

    def publish(self, package: ModelPackage) -> tuple[str, ...]:
        """See `Repository.publish`."""
        return publish(package, FolderObjects(self.root))
