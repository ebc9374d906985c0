"""`AuditTrail`: who looked at what is restricted, when and why.

Lines of JSON in files of the state folder that are only ever appended to, each line durable before
what it is about is given away. They survive restarts, and are bounded: when a file is full the next
one begins, and the oldest goes. The control API and the hub write the same trail.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipelines.access.owned_files import create_owned_folder
from pipelines.access.token import Token

LOCK: Final = "audit.lock"
PATTERN: Final = "evidence-*.jsonl"
FILE_BYTES: Final = 1_000_000
FILES: Final = 20
"""Some hundred thousand entries."""

REASON_CHARS: Final = 500
LEAST_REASON_CHARS: Final = 8
"""A shorter one says nothing."""


class AuditError(Exception):
    """The trail cannot be written or read; what is restricted stays closed meanwhile."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One look.

    Attributes:
        at: When, UTC.
        token: Id of the token.
        name: What people call it.
        parent: Id of the token that it was made with, as a session of the console; empty for none.
        key: What was asked for.
        reason: Why, in the words of whoever asked.
        server: Which server gave it away: `api` or `hub`.
    """

    at: datetime
    token: str
    name: str
    parent: str
    key: str
    reason: str
    server: str


_ENTRY: Final = TypeAdapter(AuditEntry)


class AuditTrail:
    """The trail in one folder; several processes may have it."""

    def __init__(
        self,
        folder: Path,
        server: str,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        file_bytes: int = FILE_BYTES,
    ) -> None:
        """Creates nothing yet; `server` stands in every entry."""
        self._folder = folder
        self._server = server
        self._utc_now = utc_now
        self._file_bytes = file_bytes

    def note(self, token: Token, key: str, reason: str) -> AuditEntry:
        """Notes durably that somebody is about to see something.

        Raises:
            AuditError: It cannot be noted; it must not be given away then.
        """
        reason = " ".join(reason.split())[:REASON_CHARS]
        own = (token.id, token.name, token.parent)
        entry = AuditEntry(self._utc_now(), *own, key, reason, self._server)
        line = json.dumps(_ENTRY.dump_python(entry, mode="json"), ensure_ascii=False) + "\n"
        try:
            with self._locked():
                self._append(line.encode())
        except OSError as error:
            raise AuditError(
                f"the audit trail {self._folder} cannot be written: {error.strerror};"
                " check the disk and its rights"
            ) from None
        return entry

    def entries(self, limit: int) -> list[AuditEntry]:
        """The newest entries, newest first. A line that was altered is left out.

        Raises:
            AuditError: The trail cannot be read.
        """
        found: list[AuditEntry] = []
        try:
            for path in reversed(self._files()):
                for line in reversed(path.read_bytes().splitlines()):
                    if len(found) == limit:
                        return found
                    try:
                        found.append(_ENTRY.validate_json(line))
                    except ValidationError:
                        continue
        except OSError as error:
            reason = error.strerror
            raise AuditError(f"the audit trail {self._folder} cannot be read: {reason}") from None
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        create_owned_folder(self._folder)
        lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _append(self, line: bytes) -> None:
        files = self._files()
        path = files[-1] if files else self._path(1)
        if files and path.stat().st_size + len(line) > self._file_bytes:
            path = self._path(_number(path) + 1)
            for old in files[: max(0, len(files) + 1 - FILES)]:
                old.unlink()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        is_new = not path.exists()
        if not is_new and not path.read_bytes().endswith(b"\n"):
            # The line before was torn by a power loss or a full disk.
            line = b"\n" + line
        file = os.open(path, flags, 0o600)
        try:
            if os.write(file, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            _sync(self._folder)

    def _files(self) -> list[Path]:
        """All files, the oldest first."""
        return sorted(self._folder.glob(PATTERN), key=_number)

    def _path(self, number: int) -> Path:
        return self._folder / PATTERN.replace("*", f"{number:06d}")


def _number(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
