"""Where keyframes come from: the `KeyframeSource` port, and a folder behind it.

The hub hands only keys to a source that a stored event names; a folder source never leaves its
root, whatever the key or a link in the folder says.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Protocol

from pipelines.access import create_owned_folder, write_owned_file

KEY_MAX_CHARS = 512


class KeyframeSource(Protocol):
    """Reads one stored keyframe. Called from several threads at once."""

    def fetch(self, key: str) -> bytes:
        """The bytes of the image.

        Raises:
            LookupError: The store has nothing under this key.
            OSError: The store cannot be reached now.
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

    def put(self, key: str, data: bytes) -> None:
        """Writes a copy, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        path = self._path(key)
        create_owned_folder(path.parent)
        write_owned_file(path, data)

    def remove(self, key: str) -> None:
        """Removes a copy; one that is not there is no error."""
        with contextlib.suppress(OSError):
            self._path(key).unlink(missing_ok=True)


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
