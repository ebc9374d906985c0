"""Keyframes in a local folder; a stored image survives a power loss and is never half there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import RootModel

from pipelines.delivery.durable import check_digest, make_folder, private_folder, write_durably
from pipelines.delivery.settings import FilePath
from pipelines.errors import KeyframeMissing, StoreRefused, StoreUnavailable


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
            # The folder itself may be shared; the one of our keys is ours.
            private_folder(self._root / PurePosixPath(key).parts[0])
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
