"""What is different between two checked configurations, and what of it a running city can take.

Compares what the file says, not what it resolves to: a new model version in the repository, or a
new default of the program, is no change of the file. Secrets are compared and never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel

from cityeye.config.load import Config
from cityeye.config.problem import Key, Problem, dotted
from cityeye.config.schema import CameraSection, Settings, TaskSection

CAMERAS: Final = "cameras"
REMEDY: Final = "Start the city anew to use it, or take it back to change cameras now."

WORDS: Final[Mapping[str, str]] = {
    "source": "address",
    "inference_source": "address",
    "username": "login",
    "password": "login",
    "transport": "connection",
    "open_timeout_s": "connection",
    "read_timeout_s": "connection",
    "ground": "calibration",
    "directions": "zones and lines",
    "zones": "zones and lines",
    "lines": "zones and lines",
    "fps": "rate",
    "rule_set": "rules",
}
"""What people call a key, where that is another word."""


@dataclass(frozen=True, slots=True)
class CameraDifference:
    """One camera that is in one configuration otherwise than in the other.

    Attributes:
        line: Where the new file has it; 1 where it has it no more.
        what: What is different, in words, for one that is `changed`.
    """

    camera: str
    kind: Literal["added", "changed", "removed"]
    line: int
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For people, without any value."""
        details = f" ({', '.join(self.what)})" if self.what else ""
        return f"camera {self.camera}: {self.kind}{details}"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different.

    Attributes:
        cameras: Cameras, in the order of the new file, removed ones last.
        restart: Everything else, which takes effect at the next start of the city.
    """

    cameras: tuple[CameraDifference, ...]
    restart: tuple[Problem, ...]


def changes_between(old: Config, new: Config) -> Changes:
    """The way from one configuration to another."""
    before = {camera.id: camera for camera in old.settings.cameras}
    after = {camera.id: camera for camera in new.settings.cameras}
    cameras = []
    for index, (name, camera) in enumerate(after.items()):
        line = new.lines.get((CAMERAS, index), 1)
        if name not in before:
            cameras.append(CameraDifference(name, "added", line))
        elif camera != before[name]:
            what = tuple(dict.fromkeys(_camera_words(before[name], camera)))
            cameras.append(CameraDifference(name, "changed", line, what))
    cameras += [CameraDifference(name, "removed", 1) for name in before if name not in after]
    return Changes(tuple(cameras), tuple(_restart_needed(old.settings, new)))


def _camera_words(old: CameraSection, new: CameraSection) -> Iterator[str]:
    for field in _different(old, new):
        if field != "tasks":
            yield WORDS.get(field, field)
            continue
        if old.tasks.keys() != new.tasks.keys():
            yield "tasks"
        for task in new.tasks:
            if task in old.tasks:
                yield from _task_words(old.tasks[task], new.tasks[task])


def _task_words(old: TaskSection, new: TaskSection) -> Iterator[str]:
    yield from (WORDS.get(field, field) for field in _different(old, new))


def _different(old: BaseModel, new: BaseModel) -> list[str]:
    """Names of the fields of two sections of one type that are different."""
    return [name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)]


def _restart_needed(old: Settings, new: Config) -> Iterator[Problem]:
    for section in _different(old, new.settings):
        if section == CAMERAS:
            continue
        before, after = getattr(old, section), getattr(new.settings, section)
        keys: list[Key] = [(section,)]
        if isinstance(before, BaseModel) and type(before) is type(after):
            keys = [(section, name) for name in _different(before, after)]
        for key in keys:
            line = new.lines.get(key) or new.lines.get(key[:1], 1)
            what = "the change takes effect only when the city starts"
            yield Problem(line, dotted(key), what, REMEDY)
