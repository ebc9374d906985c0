"""Object stores for tests: one in memory that can go wrong, and a slow one that counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import ObjectMissingError, RepositoryError
from models.object_store import FolderObjects

PIECE = 1000


@dataclass
class MemoryObjects:
    """An object store in memory.

    Attributes:
        objects: What it keeps.
        down: Whether it answers nothing at all.
        refuses: Whether it answers no to everything.
        alter: What becomes of a file on its way out.
        asked: Every call.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    down: bool = False
    refuses: bool = False
    alter: Callable[[str, bytes], bytes] = lambda _, data: data
    asked: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "bucket models at memory"

    def prepare(self) -> None:
        self._asked("prepare")

    def keys(self, prefix: str) -> Sequence[str]:
        self._asked(f"keys {prefix}")
        return [key for key in self.objects if key.startswith(prefix)]

    def read(self, key: str, sink: Callable[[bytes], object]) -> None:
        self._asked(f"read {key}")
        if key not in self.objects:
            raise ObjectMissingError(key, str(self))
        data = self.alter(key, self.objects[key])
        for start in range(0, len(data), PIECE):
            sink(data[start : start + PIECE])

    def write(self, key: str, data: bytes) -> None:
        self._asked(f"write {key}")
        self.objects[key] = data

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise RepositoryError("", f"{self} does not answer", "start it", again=True)
        if self.refuses:
            raise RepositoryError("", f"{self} answered AccessDenied", "check keys")


@dataclass(frozen=True)
class SlowFolder:
    """A folder as a store whose every read is written down and takes its time."""

    root: Path
    log: Path
    pause_s: float = 0.0

    def __str__(self) -> str:
        return str(self.root)

    def prepare(self) -> None:
        FolderObjects(self.root).prepare()

    def keys(self, prefix: str) -> Sequence[str]:
        return FolderObjects(self.root).keys(prefix)

    def read(self, key: str, sink: Callable[[bytes], object]) -> None:
        with self.log.open("a") as log:
            log.write(f"{key}\n")
        time.sleep(self.pause_s)
        FolderObjects(self.root).read(key, sink)

    def write(self, key: str, data: bytes) -> None:
        FolderObjects(self.root).write(key, data)
