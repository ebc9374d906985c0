"""`PlaceMemory`: what the places of one camera have learned survives restarts of its worker.

A file per camera in the city's state folder, whichever worker has the camera, replaced as a whole.
What cannot be read is learned anew, and the log says so; trouble with the disk costs nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from pipelines.access import write_owned_file
from pipelines.delivery.durable import private_folder

log = logging.getLogger(__name__)

MAX_BYTES: Final = 4 * 2**20
"""A file that is larger was not written by this program as it should."""

Memories = Mapping[str, Mapping[str, JsonValue]]
"""What was learned, by rule, version and place."""


class _Saved(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    camera: str
    saved_at: datetime
    places: dict[str, dict[str, JsonValue]]


class PlaceMemory:
    """The file of one camera."""

    def __init__(self, folder: Path, camera: str) -> None:
        """Reads and writes `folder/CAMERA.json`; nothing is touched yet."""
        self._path = folder / f"{camera}.json"
        self._camera = camera

    def load(self) -> tuple[Memories, float]:
        """What was saved last, and how many seconds ago that was; nothing where there is none."""
        said = {"camera": self._camera, "file": str(self._path)}
        try:
            if self._path.stat().st_size > MAX_BYTES:
                log.warning("place_memory.too_large", extra=said)
                return {}, 0.0
            saved = _Saved.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}, 0.0
        except (OSError, ValidationError) as error:
            log.warning("place_memory.not_read", extra={**said, "reason": str(error)})
            return {}, 0.0
        age_s = (datetime.now(UTC) - saved.saved_at).total_seconds()
        return saved.places, max(0.0, age_s)

    def save(self, memories: Memories) -> None:
        """Replaces the file; where nothing was ever learned there is none."""
        if not memories and not self._path.exists():
            return
        places = {place: dict(memory) for place, memory in memories.items()}
        try:
            saved = _Saved(camera=self._camera, saved_at=datetime.now(UTC), places=places)
            private_folder(self._path.parent)
            write_owned_file(self._path, saved.model_dump_json().encode())
        except (OSError, ValueError) as error:
            said = {"camera": self._camera, "file": str(self._path), "reason": str(error)}
            log.warning("place_memory.not_saved", extra=said)
