"""`RolloutLedger`: who changed which versions are in service, when, and why.

A file in the state folder, one line of JSON each, which is only appended to. It is written after
the change: one that was made is not taken back because it cannot be noted.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.delivery import make_folder
from serving.rollout.rollout import Rollout

log = logging.getLogger(__name__)

LEDGER_FILE: Final = "rollout-ledger.jsonl"
MAX_BYTES: Final = 4 * 1024 * 1024
"""A file that is larger is set aside, in the place of the one before."""

Deed = Literal["change", "promote", "rollback"]


@dataclass(frozen=True, slots=True)
class ChangedBy:
    """Who asked for a change of versions, and why; empty where that is not known."""

    who: str = ""
    why: str = ""


SOMEBODY: Final = ChangedBy()


class LedgerEntry(BaseModel):
    """One change.

    Attributes:
        stable: Version in service after it.
        before: Version in service before it.
        canary: Version on some cameras after it, empty without one.
        shadow: Version that is only compared after it, empty without one.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    model: str
    deed: Deed
    who: str
    why: str
    before: str
    stable: str
    canary: str
    shadow: str


class RolloutLedger:
    """The ledger in one state folder."""

    def __init__(self, state: Path) -> None:
        """Creates nothing yet."""
        self._path = state / LEDGER_FILE

    def note(self, deed: Deed, old: Rollout, new: Rollout, by: ChangedBy, at: datetime) -> None:
        """Appends a change."""
        entry = LedgerEntry(
            at=at,
            model=new.model,
            deed=deed,
            who=by.who,
            why=by.why,
            before=old.stable,
            stable=new.stable,
            canary=new.canary.version if new.canary else "",
            shadow=new.shadow,
        )
        try:
            make_folder(self._path.parent)
            self._append(entry.model_dump_json().encode() + b"\n")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            log.error("rollout_not_noted", extra={"model": new.model, "reason": reason})

    def entries(self, model: str, limit: int) -> list[LedgerEntry]:
        """The newest changes of a model, newest first. A damaged line is left out."""
        found: list[LedgerEntry] = []
        for path in (self._path, self._earlier):
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            for line in reversed(lines):
                try:
                    entry = LedgerEntry.model_validate_json(line)
                except ValidationError:
                    continue
                if entry.model == model and len(found) < limit:
                    found.append(entry)
        return found

    @property
    def _earlier(self) -> Path:
        return self._path.with_suffix(".old")

    def _append(self, line: bytes) -> None:
        if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
            self._path.replace(self._earlier)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self._path, flags, 0o600)
        try:
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
