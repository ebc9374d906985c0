"""Keyframes in a local folder; a stored image survives a power loss and is never half there."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

from pydantic import RootModel

from pipelines.access import PART_SUFFIX
from pipelines.delivery.durable import (
    check_digest,
    make_folder,
    private_folder,
    write_durably,
)
from pipelines.delivery.settings import FilePath
from pipelines.delivery.stores.store import day_of, prefix_of
from pipelines.errors import KeyframeMissing, StoreRefused, StoreUnavailable
from pipelines.keyframe_key import KEY_PREFIX


class FolderSettings(RootModel[FilePath]):
    """A keyframe store in a folder: its path."""

    def open(self) -> FolderStore:
        """The store."""
        return FolderStore(self.root)


class FolderStore:
    """A `KeyframeStore` in a folder; keys are paths below it."""

    def __init__(self, path: Path) -> None:
        self._root = path

    def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
        """See `KeyframeStore.put`. The media type follows from the key's suffix."""
        check_digest(key, data, sha256)
        path = self._path(key)
        try:
            # The folder itself may be shared; those of our keys are ours.
            for folder in path.relative_to(self._root).parents[-2:-1]:
                private_folder(self._root / folder)
            make_folder(path.parent)
            write_durably(path, data)
        except OSError as error:
            raise self._unavailable(error) from error

    def get(self, key: str) -> bytes:
        """See `KeyframeStore.get`. A link that leads out of the folder is not followed."""
        path = self._path(key)
        try:
            if not path.resolve().is_relative_to(self._root.resolve()):
                raise FileNotFoundError
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyframeMissing(f"no keyframe {key} in {self._root}") from None
        except OSError as error:
            raise self._unavailable(error) from error

    def exists(self, key: str) -> bool:
        """See `KeyframeStore.exists`."""
        return self._path(key).is_file()

    def days(self, prefix: str = KEY_PREFIX) -> list[date]:
        """See `KeyframeStore.days`."""
        try:
            found = [day_of(path, prefix) for path in self._days(prefix)]
        except OSError as error:
            raise self._unavailable(error) from error
        return [day for day in found if day is not None]

    def of_day(self, day: date, prefix: str = KEY_PREFIX) -> Iterator[tuple[str, int]]:
        """See `KeyframeStore.of_day`."""
        try:
            for folder, _, names in os.walk(self._root / prefix_of(day, prefix)):
                for name in names:
                    path = Path(folder, name)
                    # One that is being written is none yet; one may be removed meanwhile.
                    if not name.endswith(PART_SUFFIX):
                        with contextlib.suppress(FileNotFoundError):
                            yield path.relative_to(self._root).as_posix(), path.lstat().st_size
        except OSError as error:
            raise self._unavailable(error) from error

    def remove(self, key: str) -> None:
        """See `KeyframeStore.remove`. Folders that become empty go too, but not that of today."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            now = datetime.now(UTC).date()
            today = self._root / prefix_of(now, f"{'/'.join(key.split('/')[:2])}/")
            for folder in path.parents:
                in_use = today.is_relative_to(folder) or folder.is_relative_to(today)
                if folder == self._root or in_use:
                    break
                folder.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise self._unavailable(error) from error

    def _days(self, prefix: str) -> list[str]:
        root = self._root / prefix
        return [path.relative_to(self._root).as_posix() for path in root.glob("*/*/*")]

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise StoreRefused(f"{key!r} is no keyframe key: it must be a relative path without ..")
        return self._root.joinpath(*parts)

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"the keyframe folder {self._root} cannot be used: {error.strerror};"
            " check the disk and its rights"
        )
