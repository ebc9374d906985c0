"""The file of a backup: a tar archive whose last member names all others with their digests.

An archive that was cut off has no such member, so that it is never taken for a whole one. Names of
members are never used as paths before they are checked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from event_hub.errors import BackupError
from pipelines.access import PART_SUFFIX, create_owned_file

MANIFEST: Final = "manifest.json"
MANIFEST_MAX_BYTES: Final = 512 * 1024 * 1024
FORMAT: Final = 1
CHUNK: Final = 1024 * 1024


class BackupManifest(BaseModel):
    """What a backup says of itself.

    Attributes:
        format: Of the archive.
        made_at: The moment that it shows.
        revision: Of the database's tables, as Alembic names it.
        members: SHA-256 of every other member.
        missing: Keys of evidence that the database names and the store did not have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    made_at: AwareDatetime
    revision: str
    members: dict[str, str]
    missing: tuple[str, ...] = ()


class ArchiveWriter:
    """Adds members to an archive that becomes visible when it is whole."""

    def __init__(self, tar: tarfile.TarFile, made_at: datetime) -> None:
        self._tar = tar
        self._made_at = made_at
        self._members: dict[str, str] = {}

    def add(self, name: str, data: bytes) -> None:
        """Adds a member of some bytes."""
        self._add(name, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())

    def add_file(self, name: str, file: IO[bytes]) -> None:
        """Adds what is left to be read in an open file."""
        begin = file.tell()
        digest = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
        size = file.tell() - begin
        file.seek(begin)
        self._add(name, file, size, digest)

    def finish(self, revision: str, missing: tuple[str, ...]) -> None:
        """Adds the manifest."""
        manifest = BackupManifest(
            format=FORMAT,
            made_at=self._made_at,
            revision=revision,
            members=self._members,
            missing=missing,
        )
        self.add(MANIFEST, manifest.model_dump_json(indent=1).encode())

    def _add(self, name: str, file: IO[bytes], size: int, digest: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, 0o600, int(self._made_at.timestamp())
        self._tar.addfile(entry, file)
        self._members[name] = digest


@contextmanager
def new_archive(path: Path, made_at: datetime) -> Iterator[ArchiveWriter]:
    """An archive that its owner alone can read; it has its name when the block has ended well.

    Raises:
        BackupError: It cannot be written, or something has that name.
    """
    if path.exists():
        raise BackupError(f"{path} is there already; give a file that is not")
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        part.unlink(missing_ok=True)
        with create_owned_file(part) as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                yield ArchiveWriter(tar, made_at)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


class ArchiveReader:
    """Members of an archive, each as it was written.

    Attributes:
        manifest: What it says of itself.
    """

    def __init__(self, tar: tarfile.TarFile, path: Path) -> None:
        self._tar = tar
        self._path = path
        self._entries = {entry.name: entry for entry in tar if entry.isreg()}
        self.manifest = self._manifest()

    def names(self, folder: str) -> list[str]:
        """The names of the members of a folder, without it."""
        inside = f"{folder}/"
        return [
            name.removeprefix(inside) for name in self.manifest.members if name.startswith(inside)
        ]

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """A member to read from."""
        entry = self._entries.get(name)
        file = None if entry is None else self._tar.extractfile(entry)
        if file is None:
            raise BackupError(f"{self._path} is damaged: {name} is missing")
        with file:
            yield file

    def read(self, name: str) -> bytes:
        """A member as a whole."""
        with self.opened(name) as file:
            return file.read()

    def lines(self, name: str) -> Iterator[Any]:
        """The JSON of each line of a compressed member."""
        with self.opened(name) as file, gzip.open(file, "rt", encoding="utf-8") as text:
            yield from map(json.loads, text)

    def verify(self) -> None:
        """Reads all of it.

        Raises:
            BackupError: A member is missing, or is not what was written.
        """
        for name, digest in self.manifest.members.items():
            with self.opened(name) as file:
                found = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
            if found != digest:
                raise BackupError(f"{self._path} is damaged: {name} is not what was written")

    def _manifest(self) -> BackupManifest:
        entry = self._entries.get(MANIFEST)
        if entry is None or entry.size > MANIFEST_MAX_BYTES:
            raise BackupError(f"{self._path} is not a whole backup: it has no {MANIFEST}")
        try:
            manifest = BackupManifest.model_validate_json(self.read(MANIFEST))
        except ValidationError:
            raise BackupError(f"{self._path} is no backup that this program knows") from None
        if manifest.format != FORMAT:
            raise BackupError(
                f"{self._path} has format {manifest.format}, this program knows {FORMAT}: restore "
                "it with the program that made it"
            )
        return manifest


@contextmanager
def open_archive(path: Path) -> Iterator[ArchiveReader]:
    """A backup to read.

    Raises:
        BackupError: It cannot be read, or is none.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            yield ArchiveReader(tar, path)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise BackupError(f"{path} is no whole backup: {error}") from error


def now() -> datetime:
    """The time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
