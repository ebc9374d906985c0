"""Where keyframes come from: the `KeyframeSource` port, and a folder behind it.

The hub hands only keys to a source that a stored event names; a folder source never leaves its
root, whatever the key or a link in the folder says.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pipelines.access import create_owned_folder, write_owned_file

KEY_MAX_CHARS = 512


class KeyframeSource(Protocol):
    """Reads and deletes stored keyframes and clips. Called from several threads at once."""

    def fetch(self, key: str) -> bytes:
        """The bytes of the image.

        Raises:
            LookupError: The store has nothing under this key.
            OSError: The store cannot be reached now.
        """
        ...

    def remove(self, key: str) -> None:
        """Deletes an image or clip; one that is not there is no error.

        Raises:
            OSError: The store does not do it now.
        """
        ...

    def is_held(self, key: str) -> bool:
        """Whether somebody other than the hub keeps it as evidence, so that it must stay.

        Raises:
            OSError: That cannot be found out now.
        """
        ...


def is_safe_key(key: str) -> bool:
    """Whether a key is a plain relative path: no empty, `.` or `..` step, nothing unprintable."""
    if not 0 < len(key) <= KEY_MAX_CHARS or "\\" in key or not key.isprintable():
        return False
    return all(step not in {"", ".", ".."} for step in key.split("/"))


class FolderKeyframes:
    """Keyframes in a local folder, one file per key."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def fetch(self, key: str) -> bytes:
        """The file under the root. Raises `KeyError` when there is none."""
        path = self._path(key)
        if not path.is_file():
            raise KeyError(key)
        return path.read_bytes()

    def remove(self, key: str) -> None:
        """See `KeyframeSource.remove`."""
        # A key that leads out of the folder names nothing in it.
        with contextlib.suppress(KeyError):
            self._path(key).unlink(missing_ok=True)

    def is_held(self, key: str) -> bool:
        """A folder on its own knows of nobody else."""
        return False

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve() if is_safe_key(key) else self._root
        if path == self._root or not path.is_relative_to(self._root):
            raise KeyError(key)
        return path


class EvidenceFolder(FolderKeyframes):
    """The hub's own copies of keyframes that are evidence; nobody else can read them."""

    def has(self, key: str) -> bool:
        """Whether there is a copy."""
        return self._path(key).is_file()

    def older_than(self, age_s: float) -> Iterator[str]:
        """The keys of copies that were made longer ago."""
        oldest_s = time.time() - age_s
        for path in self._root.rglob("*"):
            # It may be removed meanwhile.
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_mtime < oldest_s:
                    yield path.relative_to(self._root).as_posix()

    def put(self, key: str, data: bytes) -> None:
        """Writes a copy, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        path = self._path(key)
        create_owned_folder(path.parent)
        write_owned_file(path, data)


class WithEvidence:
    """A source of keyframes that falls back on the copies of what is held."""

    def __init__(self, source: KeyframeSource, folder: EvidenceFolder) -> None:
        self._source = source
        self._folder = folder

    def fetch(self, key: str) -> bytes:
        """See `KeyframeSource.fetch`."""
        try:
            return self._source.fetch(key)
        except (LookupError, OSError):
            if not self._folder.has(key):
                raise
            return self._folder.fetch(key)

    def remove(self, key: str) -> None:
        """See `KeyframeSource.remove`: the copy goes too."""
        self._folder.remove(key)
        self._source.remove(key)

    def is_held(self, key: str) -> bool:
        """See `KeyframeSource.is_held`."""
        return self._source.is_held(key)
