"""Folders that their owner alone can enter, whatever the umask."""

from __future__ import annotations

from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o700


def create_owned_folder(path: Path) -> None:
    """Creates a folder and every parent that is missing; what was there keeps its rights.

    Raises:
        OSError: It cannot be created.
    """
    # `parents=True` would give the parents the rights that the umask leaves.
    for folder in reversed((path, *path.parents)):
        if not folder.is_dir():
            folder.mkdir(OWNER_ONLY, exist_ok=True)
