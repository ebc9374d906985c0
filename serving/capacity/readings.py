"""`CameraReadings`: what it takes to read each camera, measured while it runs.

The thread of a camera receives and decodes, and nothing else; its clock says what that costs,
whatever codec, size and bit rate the camera has. Where a main stream is received beside it, that is
a second thread. What was measured is kept for the next start.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipelines import CameraSnapshot
from pipelines.access import write_owned_file
from serving.capacity.budget import ReadingCost

FILE: Final = "camera-readings.json"
"""In the state folder of a city."""

MEASURED_S: Final = 10.0
"""How long a camera is measured for one value."""

SAVE_EVERY_S: Final = 60.0

_READINGS: Final = TypeAdapter(dict[str, ReadingCost])


@dataclass(frozen=True, slots=True)
class _Mark:
    """A camera at a moment, monotonic seconds."""

    at_s: float
    cpu_s: float
    decoded: int


class CameraReadings:
    """What it takes to read each camera. To be used by one thread at a time."""

    def __init__(self, state: Path) -> None:
        """Begins with what was kept in the state folder of a city."""
        self._path = state / FILE
        self._marks: dict[str, _Mark] = {}
        self._save_due_s = time.monotonic() + SAVE_EVERY_S
        self._known: dict[str, ReadingCost] = {}
        with suppress(OSError, ValidationError):
            self._known = _READINGS.validate_json(self._path.read_bytes())

    @property
    def known(self) -> Mapping[str, ReadingCost]:
        """By the camera's id."""
        return dict(self._known)

    def note(self, cameras: Iterable[CameraSnapshot]) -> None:
        """Takes the newest snapshots of cameras."""
        now_s = time.monotonic()
        for camera in cameras:
            self._note(camera, now_s)
        if now_s >= self._save_due_s:
            self._save_due_s = now_s + SAVE_EVERY_S
            self.save()

    def keep_only(self, cameras: Iterable[str]) -> None:
        """Forgets cameras that there are no more."""
        wanted = set(cameras)
        self._known = {name: one for name, one in self._known.items() if name in wanted}
        self._marks = {name: one for name, one in self._marks.items() if name in wanted}

    def save(self) -> None:
        """Keeps it for the next start; where that fails, it is measured again."""
        with suppress(OSError):
            write_owned_file(self._path, _READINGS.dump_json(self._known, indent=2))

    def _note(self, camera: CameraSnapshot, now_s: float) -> None:
        reader, before = camera.reader, self._marks.get(camera.id)
        received_s = camera.main.cpu_s if camera.main is not None else 0.0
        now = _Mark(now_s, reader.cpu_s + received_s, reader.decoded)
        if before is None or now.decoded < before.decoded or now.cpu_s < before.cpu_s:
            self._marks[camera.id] = now
            return
        if now_s - before.at_s < MEASURED_S:
            return
        self._marks[camera.id] = now
        images = now.decoded - before.decoded
        if images and reader.image is not None and reader.decoded_fps:
            # By its images: for a part of the time it may have sent none.
            cores = (now.cpu_s - before.cpu_s) / images * reader.decoded_fps
            self._known[camera.id] = ReadingCost(round(cores, 5), reader.image)
