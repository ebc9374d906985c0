"""`ModelRepository`: finds model packages under one root folder, newest version first in line.

Listing looks at folder names only; nothing is parsed or verified until a package is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from models.errors import UnknownModelError
from models.package import MANIFEST_FILE, NAME_PATTERN, VERSION_PATTERN, ModelPackage

BUILTIN_ROOT = Path(__file__).parent / "builtin"
"""The packages that ship with the project."""


def version_order(version: str) -> tuple[int, ...]:
    """Sort key of a version: numeric by part, so that 10 comes after 9."""
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True, slots=True)
class ModelRepository:
    """A folder of `<name>/<version>/` packages."""

    root: Path

    def names(self) -> tuple[str, ...]:
        """Names that have at least one version, sorted."""
        if not self.root.is_dir():
            return ()
        names = sorted(
            one.name for one in self.root.iterdir() if re.fullmatch(NAME_PATTERN, one.name)
        )
        return tuple(name for name in names if self.versions(name))

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a name, oldest first; empty if there is none."""
        folder = self.root / name
        if not re.fullmatch(NAME_PATTERN, name) or not folder.is_dir():
            return ()
        found = (
            one.name
            for one in folder.iterdir()
            if re.fullmatch(VERSION_PATTERN, one.name) and (one / MANIFEST_FILE).is_file()
        )
        return tuple(sorted(found, key=version_order))

    def find(self, name: str, version: str | None = None) -> ModelPackage:
        """Loads and verifies a package; the newest version unless one is named.

        Raises:
            UnknownModelError: There is no such package; the message lists what there is.
            PackageError: It is there but unusable.
        """
        return ModelPackage.load(self.directory_of(name, version))

    def directory_of(self, name: str, version: str | None = None) -> Path:
        """Where a version lies, the newest one unless one is named; nothing of it is read.

        Raises:
            UnknownModelError: There is no such package; the message lists what there is.
        """
        versions = self.versions(name)
        if not versions or (version is not None and version not in versions):
            asked = name if version is None else f"{name}/{version}"
            raise UnknownModelError(asked, self.root, self._available())
        return self.root / name / (version or versions[-1])

    def _available(self) -> tuple[str, ...]:
        return tuple(f"{name}/{one}" for name in self.names() for one in self.versions(name))
