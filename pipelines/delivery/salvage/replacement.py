"""A damaged outbox is set aside and kept, and what could be read of it takes its place.

The new file is complete before the old one is moved, and a start that finds it so finishes the
move: whenever the process is killed, no event is in neither. Beside each file that was set aside
stands a report.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipelines.delivery.durable import make_private, sync_folder, write_durably
from pipelines.delivery.salvage.rebuild import Salvaged, rebuild

log = logging.getLogger(__name__)

PARTS = ("-wal", "-shm", "")
"""The file itself goes last."""
MOST_KEPT = 5
"""Damaged files per outbox; a failing disk must not be filled with them."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A damaged outbox that was set aside.

    Attributes:
        file: Its name now, in the folder of the outbox.
        at: When, UTC.
        reason: What was wrong with it.
        events: Events that were read from it.
        unreadable: Events of which only a part was left; they are dead letters.
        reported: Whether an event was published about it.
    """

    file: str
    at: datetime
    reason: str
    events: int
    unreadable: int
    reported: bool = False

    @property
    def text(self) -> str:
        """The same for people."""
        lost = f", {self.unreadable} are unreadable and dead letters" if self.unreadable else ""
        return (
            f"an outbox was damaged ({self.reason}) and set aside as {self.file}: {self.events}"
            f" events were read from it{lost}; check the disk, then move {self.file} away"
        )


_REPORT = TypeAdapter(SetAside)


def replace_damaged(path: Path, reason: str, utc_s: Callable[[], float]) -> SetAside:
    """Puts a new outbox with all that could be read in the place of a damaged one.

    Raises:
        OSError: The disk does not take it; the damaged one is still there.
        sqlite3.OperationalError: So too.
    """
    part = Path(f"{path}.salvage.part")
    part.unlink(missing_ok=True)
    try:
        found = _salvaged(path, part, utc_s)
        at = datetime.fromtimestamp(utc_s(), UTC)
        stamp = f"{at:%Y%m%dT%H%M%S%f}"
        report = SetAside(
            f"{path.name}.damaged-{stamp}", at, reason, found.events, found.unreadable
        )
        _write(path, report)
        part.rename(f"{path}.salvaged-{stamp}")
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    finish_replacement(path)
    log.error("outbox.set_aside", extra=asdict(report) | {"path": str(path)})
    _drop_oldest(path)
    return report


def finish_replacement(path: Path) -> None:
    """Completes what a crash may have interrupted.

    Raises:
        OSError: The disk does not take it.
    """
    for ready in sorted(path.parent.glob(f"{path.name}.salvaged-*")):
        aside = f"{path}.damaged-{ready.name.rpartition('-')[2]}"
        for suffix in PARTS:
            old = Path(f"{path}{suffix}")
            if old.exists():
                make_private(old)
                old.rename(f"{aside}{suffix}")
        ready.rename(path)
        sync_folder(path.parent)


def set_aside_beside(path: Path) -> list[SetAside]:
    """The damaged files of an outbox that are still there, oldest first."""
    found = []
    for file in sorted(path.parent.glob(f"{path.name}.damaged-*.json")):
        with contextlib.suppress(OSError, ValidationError):
            report = _REPORT.validate_json(file.read_bytes())
            kept = (path.with_name(f"{report.file}{suffix}").exists() for suffix in PARTS)
            if any(kept):
                found.append(report)
    return found


def mark_reported(path: Path, report: SetAside) -> None:
    """Notes that an event was published; where it cannot be noted, one is published again."""
    with contextlib.suppress(OSError):
        _write(path, replace(report, reported=True))


def _salvaged(path: Path, part: Path, utc_s: Callable[[], float]) -> Salvaged:
    try:
        return rebuild(path, part, utc_s)
    except (OSError, sqlite3.OperationalError):
        raise
    except Exception:
        # A file that we cannot make sense of must not keep a worker from starting.
        log.exception("outbox.not_salvaged", extra={"path": str(path)})
        part.unlink(missing_ok=True)
        return rebuild(part.with_name("nothing"), part, utc_s)


def _write(path: Path, report: SetAside) -> None:
    file = path.with_name(f"{report.file}.json")
    write_durably(file, json.dumps(_REPORT.dump_python(report, mode="json"), indent=1).encode())


def _drop_oldest(path: Path) -> None:
    for report in set_aside_beside(path)[:-MOST_KEPT]:
        log.warning("outbox.set_aside_dropped", extra={"file": report.file})
        for suffix in (*PARTS, ".json"):
            with contextlib.suppress(OSError):
                path.with_name(f"{report.file}{suffix}").unlink(missing_ok=True)
