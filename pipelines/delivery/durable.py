"""Files that are there whole or not at all after a power loss, and bytes that are what they say.

Whatever the umask, only their owner can read them: they show persons.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path

from pipelines.access import write_owned_file
from pipelines.errors import KeyframeAltered

FILE_MODE = 0o600
FOLDER_MODE = 0o700
OTHERS = 0o077
"""Rights of everybody but the owner."""
PASSING = frozenset((errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO))
"""What a disk says that may take and give data again later."""


def write_durably(path: Path, data: bytes) -> None:
    """Writes `data` under `path`: temporary file, fsync, rename, fsync of the folder.

    Raises:
        OSError: It could not be written; nothing is left behind under `path`.
    """
    write_owned_file(path, data)
    sync_folder(path.parent)


def make_private(path: Path) -> None:
    """Takes the rights of others to a file or folder away, where that is possible."""
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)


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
    """Creates a folder and its parents for their owner alone, each made durable in its parent.

    Raises:
        OSError: It cannot be created.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(FOLDER_MODE, exist_ok=True)
    sync_folder(path.parent)


def private_folder(path: Path) -> None:
    """A folder as `make_folder` makes it; one that was there before loses the rights of others.

    Only for folders that are ours by their name: somebody may have named `/var/lib` in a setting.

    Raises:
        OSError: It cannot be created.
    """
    make_folder(path)
    make_private(path)


def check_digest(key: str, data: bytes, sha256: str) -> None:
    """Refuses data that is not what the event will say it is.

    Raises:
        KeyframeAltered: The digests differ.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise KeyframeAltered(f"{key} has sha256 {found}, expected {sha256}: do not store it")
