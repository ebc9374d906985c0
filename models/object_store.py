"""`ObjectStore`: what a model repository needs from a place where files are kept by key.

A key is `<name>/<version>/<file>`. Keys that a store lists are not trusted.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import ObjectMissingError, RepositoryError

CHUNK_BYTES = 1024 * 1024


class ObjectStore(Protocol):
    """Keeps files by key. Every call ends within the store's own timeouts.

    All methods raise `RepositoryError` about no model in particular, with `again` where trying
    again later may help.
    """

    def prepare(self) -> None:
        """Called before something is published: makes what is missing of the store itself."""
        ...

    def keys(self, prefix: str) -> Sequence[str]:
        """The keys that begin with `prefix`, in no order."""
        ...

    def read(self, key: str, sink: Callable[[bytes], object]) -> None:
        """Hands a file to `sink`, piece by piece; what `sink` raises ends the transfer.

        Raises:
            ObjectMissingError: There is no such file.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Stores a file, over one that may be there; after it returns the whole file is there."""
        ...

    def __str__(self) -> str:
        """Where it is, for people; without credentials."""
        ...


@dataclass(frozen=True, slots=True)
class FolderObjects:
    """An `ObjectStore` in a folder; a file appears under its key when it is whole."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def prepare(self) -> None:
        """See `ObjectStore.prepare`; folders are made where they are needed."""

    def keys(self, prefix: str) -> Sequence[str]:
        """See `ObjectStore.keys`."""
        folder = self.root / prefix.rpartition("/")[0]
        found = (p.relative_to(self.root).as_posix() for p in folder.rglob("*") if p.is_file())
        return [key for key in found if key.startswith(prefix)]

    def read(self, key: str, sink: Callable[[bytes], object]) -> None:
        """See `ObjectStore.read`."""
        try:
            with (self.root / key).open("rb") as stream:
                while piece := stream.read(CHUNK_BYTES):
                    sink(piece)
        except FileNotFoundError:
            raise ObjectMissingError(key, str(self)) from None
        except OSError as error:
            raise self._fault(key, "read", error) from error

    def write(self, key: str, data: bytes) -> None:
        """See `ObjectStore.write`."""
        try:
            write_whole(self.root / key, data)
        except OSError as error:
            raise self._fault(key, "written", error) from error

    def _fault(self, key: str, verb: str, error: OSError) -> RepositoryError:
        reason = error.strerror or type(error).__name__
        problem = f"{self.root / key} cannot be {verb}: {reason}"
        return RepositoryError("", problem, "check the folder's rights and free space")


def write_whole(path: Path, data: bytes) -> None:
    """Makes or replaces a file and its folder; nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def stored_digest(store: ObjectStore, key: str) -> str | None:
    """The sha256 of a stored file as 64 hexadecimal digits; None if there is none.

    Raises:
        RepositoryError: The store does not give it.
    """
    digest = hashlib.sha256()
    try:
        store.read(key, digest.update)
    except ObjectMissingError:
        return None
    return digest.hexdigest()
