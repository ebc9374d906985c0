"""`AuditTrail`: who looked at what is restricted and who changed what, when and why.

Lines of JSON in files of the state folder, see `pipelines.access.audit_file`. Each look is durable
before what it is about is given away. The control API and the hub write the same trail. Looks and
logins have files of their own, so that however many logins fail, they push nothing else out.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipelines.access.audit_file import FILE_BYTES, AuditFiles, LinePlace
from pipelines.access.caller import Caller
from pipelines.access.owned_files import create_owned_folder

LOCK: Final = "audit.lock"
LOOKS: Final = "evidence"
ACTIONS: Final = "actions"
LOGINS: Final = "logins"
KINDS: Final = (LOOKS, ACTIONS, LOGINS)
"""Names of the kinds of files."""
SEEN: Final = "evidence.seen"
"""The action of a look at what is restricted."""
LOGIN: Final = "log"
"""How the actions of logins and logouts begin."""

REASON_CHARS: Final = 500
LEAST_REASON_CHARS: Final = 8
"""A shorter one says nothing."""


class AuditError(Exception):
    """The trail cannot be written or read; what is restricted stays closed meanwhile."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One look or action.

    Attributes:
        at: When, UTC.
        token: Id of the token or of the user's session; empty where nobody is known.
        name: What people call the token, or the user's name.
        parent: Id of the token that it was made with, as a session of the console; empty for none.
        key: What it is about: the key of evidence, an incident, a user.
        reason: Why, in the words of whoever asked, or what was changed.
        server: Which server it was done at: `api` or `hub`.
        action: What was done, as `evidence.seen` or `user.added`.
    """

    at: datetime
    token: str
    name: str
    parent: str
    key: str
    reason: str
    server: str
    action: str = SEEN


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; None means any.

    Attributes:
        action: The action, or the part of it before a dot.
        since: Not before.
        until: Before.
    """

    name: str | None = None
    action: str | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, entry: AuditEntry) -> bool:
        """Whether an entry is meant."""
        return (
            self.name in (None, entry.name)
            and self.key in (None, entry.key)
            and self.action in (None, entry.action, entry.action.partition(".")[0])
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


_ENTRY: Final = TypeAdapter(AuditEntry)
_PLACE: Final = r"(-|[0-9]{1,9}\.[0-9]{1,9})"
_CURSOR: Final = re.compile("_".join([_PLACE] * len(KINDS)), re.ASCII)


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
        self._files = {name: AuditFiles(folder, name, file_bytes) for name in KINDS}

    def note(
        self, caller: Caller | None, key: str, reason: str = "", action: str = SEEN
    ) -> AuditEntry:
        """Notes durably that somebody is about to see something, or did something.

        Raises:
            AuditError: It cannot be noted; what was to be seen must not be given away then.
        """
        reason = " ".join(reason.split())[:REASON_CHARS]
        own = (caller.id, caller.name, caller.parent) if caller else ("", "", "")
        entry = AuditEntry(self._utc_now(), *own, key, reason, self._server, action)
        name = LOOKS if action == SEEN else LOGINS if action.startswith(LOGIN) else ACTIONS
        try:
            with self._locked():
                self._files[name].append(_ENTRY.dump_python(entry, mode="json"))
        except OSError as error:
            raise AuditError(
                f"the audit trail {self._folder} cannot be written: {error.strerror};"
                " check the disk and its rights"
            ) from None
        return entry

    def entries(self, limit: int, wanted: AuditFilter = AuditFilter()) -> list[AuditEntry]:
        """The newest entries, newest first. A line that was altered is left out.

        Raises:
            AuditError: The trail cannot be read.
        """
        return self.page(limit, wanted)[0]

    def page(
        self, limit: int, wanted: AuditFilter = AuditFilter(), before: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        """As `entries`, and what to give as `before` for the page behind it; None at the end.

        Raises:
            AuditError: The trail cannot be read.
            ValueError: `before` is of no page.
        """
        places = dict(zip(self._files, _places(before), strict=True))
        with self._reading():
            read = (self._read(name, place) for name, place in places.items())
            merged = heapq.merge(*read, key=lambda one: one[2].at, reverse=True)
            found = list(islice((one for one in merged if wanted.fits(one[2])), limit + 1))
        shown = found[:limit]
        for name, place, _ in shown:
            places[name] = place
        return [entry for _, _, entry in shown], _cursor(places) if len(found) > limit else None

    def problems(self) -> list[str]:
        """Where the trail was altered, a sentence each.

        Raises:
            AuditError: The trail cannot be read.
        """
        with self._reading():
            broken = {name: files.broken() for name, files in self._files.items()}
        return [
            f"{name}-{place.file:06d}.jsonl: before line {place.line + 1} something was altered or"
            " removed"
            for name, place in broken.items()
            if place is not None
        ]

    def newest(self) -> dict[str, str]:
        """Digest of the newest line of each kind of files; noted elsewhere, it guards their end.

        Raises:
            AuditError: The trail cannot be read.
        """
        with self._reading():
            return {name: files.newest() for name, files in self._files.items()}

    def _read(
        self, name: str, before: LinePlace | None
    ) -> Iterator[tuple[str, LinePlace, AuditEntry]]:
        for place, line in self._files[name].backwards(before):
            try:
                yield name, place, _ENTRY.validate_json(line)
            except ValidationError:
                continue

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditError(
                f"the audit trail {self._folder} cannot be read: {error.strerror};"
                " check the disk and its rights"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        create_owned_folder(self._folder)
        lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _cursor(places: dict[str, LinePlace | None]) -> str:
    return "_".join("-" if one is None else f"{one.file}.{one.line}" for one in places.values())


def _places(cursor: str | None) -> list[LinePlace | None]:
    if cursor is None:
        return [None] * len(KINDS)
    if not _CURSOR.fullmatch(cursor):
        raise ValueError("this is of no page")
    places = [one.split(".") for one in cursor.split("_")]
    return [LinePlace(int(one[0]), int(one[1])) if len(one) > 1 else None for one in places]
