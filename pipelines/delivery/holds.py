"""Holds: incidents whose keyframes retention does not delete, as long as a person says so.

One small file in the state folder, written by the command line and read by whoever deletes. Where
it cannot be read nothing is deleted.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipelines.delivery.durable import FILE_MODE, make_folder, write_durably
from pipelines.errors import HoldsUnreadable

FILE = "holds.json"
LOCK = "holds.lock"
MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class HeldIncident:
    """An incident that is held.

    Attributes:
        incident: Its id.
        reason: Why, for those who come after.
        since: When it was held, UTC.
    """

    incident: str
    reason: str
    since: datetime


_HOLDS = TypeAdapter(list[HeldIncident])


class Holds:
    """The holds of a city, in its state folder."""

    def __init__(
        self, state: Path, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`state` is the folder; nothing is read yet."""
        self._state = state
        self._utc_now = utc_now

    def all(self) -> list[HeldIncident]:
        """Every hold, oldest first.

        Raises:
            HoldsUnreadable: The file is there and cannot be read.
        """
        path = self._state / FILE
        try:
            return _HOLDS.validate_json(path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise HoldsUnreadable(
                f"the holds {path} cannot be read ({str(error).splitlines()[0]}); nothing is"
                " deleted until they can: correct the file, or put it back from a copy"
            ) from error

    def add(self, incident: str, reason: str) -> None:
        """Holds an incident; one that is held keeps its reason and time.

        Raises:
            HoldsUnreadable: The file cannot be read.
            OSError: It cannot be written.
        """
        with self._changing() as holds:
            if all(one.incident != incident for one in holds):
                holds.append(HeldIncident(incident, reason[:MAX_REASON_CHARS], self._utc_now()))

    def release(self, incident: str) -> bool:
        """Lets an incident go; False where it was not held.

        Raises:
            HoldsUnreadable: The file cannot be read.
            OSError: It cannot be written.
        """
        with self._changing() as holds:
            kept = [one for one in holds if one.incident != incident]
            released = len(kept) < len(holds)
            holds[:] = kept
        return released

    @contextmanager
    def _changing(self) -> Iterator[list[HeldIncident]]:
        make_folder(self._state)
        lock = os.open(self._state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            holds = self.all()
            before = list(holds)
            yield holds
            if holds != before:
                written = _HOLDS.dump_python(holds, mode="json")
                write_durably(self._state / FILE, json.dumps(written, indent=1).encode())
        finally:
            os.close(lock)
