"""`ConfigHistory`: what a configuration file was before each change that a program made to it.

Each version says who made it, when, and what was changed. The files are their owner's alone, as a
configuration may hold passwords; only the newest ones are kept.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cityeye.errors import CommandError
from pipelines.access import create_owned_folder, write_owned_file

log = logging.getLogger(__name__)

FOLDER: Final = "configuration"
INDEX: Final = "versions.json"
KEPT: Final = 100


class ConfigVersion(BaseModel):
    """One change of the file.

    Attributes:
        number: Counts the changes.
        who: Who asked for it.
        what: What was changed, a line each, without values.
        before: SHA-256 of the file before it.
        after: SHA-256 of the file after it.
        undone_at: When it was taken back; None where it was not.
        undone_by: Who took it back.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    at: datetime
    who: str
    what: tuple[str, ...]
    before: str
    after: str
    undone_at: datetime | None = None
    undone_by: str = ""


class _Index(BaseModel):
    schema_version: Literal[1] = 1
    versions: tuple[ConfigVersion, ...] = ()


class ConfigHistory:
    """The history of one file, in the city's state folder. Not thread-safe."""

    def __init__(self, state: Path) -> None:
        """Creates nothing yet."""
        self._folder = state / FOLDER

    def versions(self) -> tuple[ConfigVersion, ...]:
        """All that are kept, the oldest first; none where the index cannot be read."""
        try:
            raw = (self._folder / INDEX).read_bytes()
            return _Index.model_validate_json(raw).versions
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError):
            log.warning("config_history_unreadable", extra={"folder": str(self._folder)})
            return ()

    def note(self, who: str, what: tuple[str, ...], before: bytes, after: bytes) -> None:
        """Keeps what the file holds before it is changed.

        Raises:
            CommandError: It cannot be written; the file must not be changed then.
        """
        known = self.versions()
        number = known[-1].number + 1 if known else 1
        digests = digest_of(before), digest_of(after)
        version = ConfigVersion(
            number=number,
            at=datetime.now(UTC),
            who=who,
            what=what,
            before=digests[0],
            after=digests[1],
        )
        self._write({self._path(number): before}, (*known, version)[-KEPT:])
        for old in (*known, version)[:-KEPT]:
            with suppress(OSError):
                self._path(old.number).unlink()

    def drop(self) -> None:
        """Takes the newest version out again: what it announced was not done.

        Raises:
            CommandError: The index cannot be written.
        """
        self._write({}, self.versions()[:-1])

    def newest(self, digest: str) -> tuple[ConfigVersion, bytes]:
        """The change that an undo takes back, and what the file held before it.

        Args:
            digest: SHA-256 of the file now.

        Raises:
            CommandError: There is none, or the file was changed otherwise since.
        """
        left = [one for one in self.versions() if one.undone_at is None]
        # A crash may have come between the note of a change and the change.
        while left and left[-1].before == digest != left[-1].after:
            left.pop()
        if not left:
            raise CommandError("there is no change to take back")
        version = left[-1]
        if version.after != digest:
            raise CommandError(
                f"the file was changed by hand since change {version.number} ({version.who}, "
                f"{version.at:%Y-%m-%d %H:%M}); taking that back would lose what was done by hand"
            )
        try:
            content = self._path(version.number).read_bytes()
        except OSError:
            content = b""
        if digest_of(content) != version.before:
            raise CommandError(f"what the file was before change {version.number} is damaged")
        return version, content

    def undone(self, version: ConfigVersion, who: str) -> None:
        """Notes that a change was taken back.

        Raises:
            CommandError: It cannot be written.
        """
        self._mark(version, {"undone_at": datetime.now(UTC), "undone_by": who})

    def restored(self, version: ConfigVersion) -> None:
        """Notes that a change was not taken back after all.

        Raises:
            CommandError: It cannot be written.
        """
        self._mark(version, {"undone_at": None, "undone_by": ""})

    def _mark(self, version: ConfigVersion, marks: Mapping[str, object]) -> None:
        marked = (
            one.model_copy(update=marks) if one.number == version.number else one
            for one in self.versions()
        )
        self._write({}, tuple(marked))

    def _path(self, number: int) -> Path:
        return self._folder / f"before-{number:06d}.yaml"

    def _write(self, files: dict[Path, bytes], versions: tuple[ConfigVersion, ...]) -> None:
        try:
            create_owned_folder(self._folder)
            for path, content in files.items():
                write_owned_file(path, content)
            index = _Index(versions=versions).model_dump_json(indent=1).encode()
            write_owned_file(self._folder / INDEX, index)
        except OSError as error:
            reason = (error.strerror or "it is no usable folder").lower()
            raise CommandError(
                f"{self._folder}, which keeps earlier versions of the configuration, cannot be "
                f"written: {reason}; nothing was changed"
            ) from None


def digest_of(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
