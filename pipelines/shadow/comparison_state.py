"""What a comparison keeps on disk: its state as JSON, and a bounded folder of images."""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipelines.access import write_owned_file
from pipelines.delivery.durable import private_folder
from pipelines.shadow.agreement import BoxAgreement, IncidentNote
from pipelines.thresholds import NamedThresholds

log = logging.getLogger(__name__)

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\.jpg")


class Gallery:
    """Keeps the newest `most` images of a folder. One thread puts, any thread reads."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most

    def put(self, name: str, jpeg: bytes) -> None:
        """Keeps an image under a file name of safe characters; trouble with the disk is logged."""
        try:
            private_folder(self._folder)
            write_owned_file(self._folder / name, jpeg, synced=False)
            for old in self._by_age()[: -self._most]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("gallery_put_failed", extra={"image": name, "reason": str(error)})

    def read(self, name: str) -> bytes | None:
        """An image, None where there is none of this name."""
        if not SAFE_NAME.fullmatch(name):
            return None
        with contextlib.suppress(OSError):
            return (self._folder / name).read_bytes()
        return None

    def _by_age(self) -> list[Path]:
        ages = []
        for path in self._folder.glob("*.jpg") if self._folder.is_dir() else ():
            with contextlib.suppress(OSError):
                ages.append((path.stat().st_mtime_ns, path.name, path))
        return [path for _, _, path in sorted(ages)]


@dataclass(frozen=True, slots=True)
class ComparisonState:
    """What is known so far.

    Attributes:
        first: `name/version` in service.
        second: `name/version` of the shadow.
        since: Beginning of the comparison, UTC.
        until: Newest frame or note, UTC.
        unseen: Frames without a result of the shadow, because it is too slow or fails; the
            comparison says nothing about them.
        fault: Newest failure of the shadow, empty if there was none.
        first_thresholds: Those of the version in service; None in files of earlier versions.
        second_thresholds: Those of the shadow, likewise.
        notes: Incidents of both, oldest first.
        images: File names of disputed frames, oldest first.
    """

    camera: str
    task: str
    first: str
    second: str
    since: datetime
    until: datetime
    boxes: BoxAgreement = field(default_factory=BoxAgreement)
    unseen: int = 0
    fault: str = ""
    notes: tuple[IncidentNote, ...] = ()
    images: tuple[str, ...] = ()
    first_thresholds: NamedThresholds | None = None
    second_thresholds: NamedThresholds | None = None


_STATE: Final = TypeAdapter(ComparisonState)


def load_state(path: Path) -> ComparisonState | None:
    """A saved state; None where there is none, or none that can be read."""
    try:
        return _STATE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("comparison_not_read", extra={"file": str(path), "reason": str(error)})
        return None


def save_state(path: Path, state: ComparisonState) -> None:
    """Writes a state; trouble with the disk is logged and costs nothing else."""
    try:
        private_folder(path.parent)
        write_owned_file(path, _STATE.dump_json(state), synced=False)
    except OSError as error:
        log.warning("comparison_not_saved", extra={"file": str(path), "reason": str(error)})


def states_in(folder: Path, first: str, second: str) -> tuple[ComparisonState, ...]:
    """The saved states of two `name/version`, in the order of their files."""
    states = (load_state(path) for path in sorted(folder.glob("*.json")))
    return tuple(one for one in states if one and (one.first, one.second) == (first, second))
