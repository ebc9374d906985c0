"""`PackageCache`: verified packages on this machine, shared by all of its processes.

A package enters under its name only after every check, in one step. Whatever happened to it since
is noticed when it is asked for. One process at a time works on a version; a lock ends with the
process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import ModelError, PackageError, RepositoryError
from models.package import GOLDEN_FILE, ModelPackage, sha256_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How much a cache holds.

    Attributes:
        bytes: Of all versions.
        oldest_s: When the one that was not asked for the longest was, seconds since 1970 UTC; None
            where there is none.
        deleted: How many versions were deleted just now.
    """

    bytes: int
    oldest_s: float | None
    deleted: int


@dataclass(frozen=True, slots=True)
class PackageCache:
    """A folder of `<name>/<version>/` packages; `model` is always `name/version`."""

    root: Path

    @contextlib.contextmanager
    def locked(self, model: str) -> Iterator[None]:
        """Keeps other processes, and other threads, from the same version.

        Raises:
            RepositoryError: The folder cannot be used; also for what fails inside.
        """
        lock = self.root / ".locks" / model.replace("/", "-")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with lock.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            problem = f"the cache {self.root} cannot be used: {error.strerror or error}"
            raise RepositoryError(model, problem, "check its rights and free space") from error

    def find(self, model: str) -> ModelPackage | None:
        """The package as it was installed; None if there is none, or not any more."""
        directory = self.root / model
        if not directory.exists():
            return None
        # When it was last asked for, see `prune`.
        with contextlib.suppress(OSError):
            os.utime(directory)
        try:
            return verified(directory)
        except ModelError as error:
            log.warning("models.cache_damaged", extra={"model": model, "error": str(error)})
            return None

    def staging(self, model: str) -> Path:
        """An empty folder to put the files of a package into."""
        directory = self.root / ".incoming" / model
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    def install(self, model: str) -> ModelPackage:
        """Verifies what is in the staging folder and puts it in the place of what was there.

        Raises:
            PackageError: It is no good package; the cache is as it was.
        """
        staged = verified(self.root / ".incoming" / model)
        directory = self.root / model
        directory.parent.mkdir(parents=True, exist_ok=True)
        if directory.exists():
            self._drop(model)
        staged.directory.rename(directory)
        return replace(staged, directory=directory)

    def prune(
        self, keep: Collection[str], max_age_s: float, max_bytes: float, now_s: float
    ) -> CacheUse:
        """Deletes versions that nobody has asked for of late, the longest unused first.

        Args:
            keep: Every `name/version` that must stay, whatever the limits.
            max_age_s: Seconds after which an unused version goes.
            max_bytes: Of all versions; beyond it unused ones go.
            now_s: Seconds since 1970 UTC.

        Returns:
            What is left.

        Raises:
            RepositoryError: The folder cannot be used.
        """
        found = sorted(self._uses())
        used, deleted = sum(size for _, size, _ in found), 0
        oldest_s = None
        for used_s, size, model in found:
            if model not in keep and (now_s - used_s > max_age_s or used > max_bytes):
                with self.locked(model):
                    self._drop(model)
                log.info("models.cache_pruned", extra={"model": model})
                used, deleted = used - size, deleted + 1
            elif oldest_s is None:
                oldest_s = used_s
        return CacheUse(used, oldest_s, deleted)

    def _uses(self) -> Iterator[tuple[float, int, str]]:
        """When each version was asked for last, its size, and its `name/version`."""
        for directory in self.root.glob("*/*"):
            if directory.parent.name.startswith("."):
                continue
            with contextlib.suppress(OSError):
                size = sum(file.stat().st_size for file in directory.iterdir())
                model = f"{directory.parent.name}/{directory.name}"
                yield directory.stat().st_mtime, size, model

    def _drop(self, model: str) -> None:
        """Takes a version away in one step, and then its files."""
        outgoing = self.root / ".outgoing" / model
        shutil.rmtree(outgoing, ignore_errors=True)
        outgoing.parent.mkdir(parents=True, exist_ok=True)
        (self.root / model).rename(outgoing)
        shutil.rmtree(outgoing, ignore_errors=True)


def verified(directory: Path) -> ModelPackage:
    """A package on disk, with every check of `ModelPackage.load` and its golden images' sha256.

    Raises:
        PackageError: It is no good package.
    """
    package = ModelPackage.load(directory)
    path, golden = directory / GOLDEN_FILE, package.manifest.golden
    if golden and (not path.is_file() or sha256_of(path) != golden):
        problem = f"is missing or has another sha256 than {golden[:12]}…"
        raise PackageError(str(package), path, problem, "copy the file again")
    return package
