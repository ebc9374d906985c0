"""Where keyframes come from: the `KeyframeSource` port, and a folder behind it.

The hub hands only keys to a source that a stored event names; a folder source never leaves its
root, whatever the key or a link in the folder says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

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
        path = (self._root / key).resolve() if is_safe_key(key) else self._root
        if not path.is_relative_to(self._root) or not path.is_file():
            raise KeyError(key)
        return path.read_bytes()
