"""Files and folders that their owner alone can read, whatever the umask."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

OWNER_ONLY: Final = 0o700
OWNER_FILE: Final = 0o600
PART_SUFFIX: Final = ".part"
"""Marks files that never became whole; safe to delete when no writer is at work."""


def create_owned_folder(path: Path) -> None:
    """Creates a folder and every parent that is missing; what was there keeps its rights.

    Raises:
        OSError: It cannot be created.
    """
    # `parents=True` would give the parents the rights that the umask leaves.
    for folder in reversed((path, *path.parents)):
        if not folder.is_dir():
            folder.mkdir(OWNER_ONLY, exist_ok=True)


def create_owned_file(path: Path) -> BinaryIO:
    """An empty file to write to, in the place of one that may be there.

    Raises:
        OSError: It cannot be created.
    """
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, OWNER_FILE), "wb")


def write_owned_file(
    path: Path, data: bytes, *, synced: bool = True, mode: int = OWNER_FILE
) -> None:
    """Writes `data` under `path`, whole or not at all.

    Args:
        path: Where it goes; what is there is replaced.
        data: What it holds then.
        synced: Whether the data is on the disk before the name is.
        mode: Its rights in the end; while it is written it is its owner's alone.

    Raises:
        OSError: It could not be written; what was there is there.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        with create_owned_file(part) as file:
            file.write(data)
            if mode != OWNER_FILE:
                os.fchmod(file.fileno(), mode)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
