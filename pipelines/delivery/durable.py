"""Files that are there whole or not at all after a power loss, and bytes that are what they say."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from pipelines.errors import KeyframeAltered

TEMPORARY_SUFFIX = ".part"
"""Marks files that never became whole; safe to delete when no writer is at work."""


def write_durably(path: Path, data: bytes) -> None:
    """Writes `data` under `path`: temporary file, fsync, rename, fsync of the folder.

    Raises:
        OSError: It could not be written; nothing is left behind under `path`.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Makes renames and creations in a folder survive a power loss.

    Raises:
        OSError: The folder cannot be opened or synced.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Creates a folder and its parents, each made durable in its own parent.

    Raises:
        OSError: It cannot be created.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def check_digest(key: str, data: bytes, sha256: str) -> None:
    """Refuses data that is not what the event will say it is.

    Raises:
        KeyframeAltered: The digests differ.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise KeyframeAltered(f"{key} has sha256 {found}, expected {sha256}: do not store it")
