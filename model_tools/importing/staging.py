"""Staging: a version is built out of sight and appears whole, or not at all.

The hidden folder `.importing/NAME/VERSION` inside the repository is both the place to build in and
the claim on the number, so that two imports at once get two versions. A claim is held by a file
lock; what a killed import left behind has none and is swept away by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models import ModelRepository, plain_version

HIDDEN = ".importing"
TRIES = 100


@dataclass(frozen=True, slots=True)
class Staging:
    """A version that is being built.

    Attributes:
        root: The repository.
        name: Name of the package.
        version: Its number.
    """

    root: Path
    name: str
    version: str

    @property
    def directory(self) -> Path:
        """Where it is built: `…/NAME/VERSION`, as a package must lie."""
        return self.root / HIDDEN / self.name / self.version

    @property
    def place(self) -> Path:
        """Where it will be."""
        return self.root / self.name / self.version

    def publish(self) -> Path:
        """Lets the finished version appear.

        Raises:
            OSError: It cannot be moved; it is as if it had never been.
        """
        self.place.parent.mkdir(exist_ok=True)
        try:
            self.directory.rename(self.place)
        except OSError:
            with contextlib.suppress(OSError):
                self.place.parent.rmdir()
            raise
        return self.place


@contextlib.contextmanager
def next_version(root: Path, name: str) -> Iterator[Staging]:
    """Claims the number after the highest; whatever is not published is gone at the end.

    Raises:
        OSError: The repository cannot be written to.
    """
    existed = root.is_dir()
    root.mkdir(parents=True, exist_ok=True)
    staging, claim = _claimed(root, name)
    try:
        yield staging
    finally:
        shutil.rmtree(staging.directory, ignore_errors=True)
        os.close(claim)
        with contextlib.suppress(OSError):
            staging.directory.parent.rmdir()
            (root / HIDDEN).rmdir()
            if not existed:
                root.rmdir()


def _claimed(root: Path, name: str) -> tuple[Staging, int]:
    """The staging folder and the descriptor that holds its lock."""
    for _ in range(TRIES):
        hidden = root / HIDDEN / name
        # The folder may go away with another import that ends just now: then once more.
        with contextlib.suppress(FileNotFoundError), _locked(hidden):
            _sweep(hidden)
            staging = Staging(root, name, str(_highest(root, name) + 1))
            staging.directory.mkdir()
            return staging, _lock(staging.directory)
    raise FileNotFoundError(f"{root / HIDDEN} keeps disappearing")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _sweep(hidden: Path) -> None:
    """Removes what imports left behind that no longer run."""
    for folder in hidden.iterdir():
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _highest(root: Path, name: str) -> int:
    """The highest whole number of a version that is there or being built; 0 without one."""
    there = ModelRepository(root).versions(name)
    building = (folder.name for folder in (root / HIDDEN / name).iterdir())
    numbers = (int(plain_version(one).partition(".")[0]) for one in (*there, *building))
    return max(numbers, default=0)
