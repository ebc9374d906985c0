"""Edits of cameras in the text of a configuration: places, schedules, cameras that come and go.

What is given here is checked by the configuration itself when the edited text is read. Passwords go
to files of their own, which their owner alone can read, and never into the text.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, Self

from cityeye.config import NotEditableError, YamlText, lifted_login, without_variables
from cityeye.config_editor import TextChange
from cityeye.errors import CommandError
from pipelines.access import create_owned_folder, write_owned_file

PlaceKind = Literal["zones", "lines", "masks", "directions"]
PLACE_KINDS: Final[tuple[PlaceKind, ...]] = ("zones", "lines", "masks", "directions")
DIGITS: Final = 5
SECRETS: Final = "secrets"
FILE_SUFFIX: Final = "_file"
CAMERAS: Final = "cameras"
FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

PlacePoints = Sequence[tuple[float, float]]


def set_places(
    camera: str,
    kind: PlaceKind,
    places: Mapping[str, PlacePoints],
    watched: Mapping[str, Sequence[str] | None],
) -> TextChange:
    """Gives a camera exactly these zones, lines, masks or directions.

    Args:
        camera: Its id.
        kind: Which of them.
        places: Points by name, normalised image coordinates.
        watched: Names of the zones or lines of a task, None for those of a task that names none;
            tasks that are left out keep theirs.
    """
    wanted = {
        name: [[round(x, DIGITS), round(y, DIGITS)] for x, y in points]
        for name, points in places.items()
    }

    def change(text: YamlText) -> None:
        path = (*camera_path(text, camera), kind)
        known = _at(text, path) or {}
        try:
            for name in known.keys() - wanted.keys():
                text.remove((*path, name))
            for name, points in wanted.items():
                if known.get(name) != points:
                    text.set((*path, name), points)
        except NotEditableError:
            # A camera may have them from an anchor; its own go before those.
            text.set(path, wanted)
        if (_at(text, path) or {}) != wanted:
            raise NotEditableError(
                f"camera {camera}: its {kind} are written in a way that a program cannot change; "
                "edit the file by hand"
            )
        if kind == "zones":
            # A direction is that of a zone, and goes with it.
            directions = (*path[:-1], "directions")
            for name in (_at(text, directions) or {}).keys() - wanted.keys():
                text.remove((*directions, name))
        _set_in_tasks(text, camera, kind, watched)

    return change


def set_drawing(
    camera: str,
    drawn: Mapping[PlaceKind, Mapping[str, PlacePoints]],
    watched: Mapping[PlaceKind, Mapping[str, Sequence[str] | None]],
    schedules: Mapping[str, Sequence[str] | None],
) -> TextChange:
    """Gives a camera all of these at once, so that it is opened anew once; see `set_places`.

    Args:
        camera: Its id.
        drawn: Places by kind; kinds that are left out stay.
        watched: What tasks watch of the zones and lines.
        schedules: See `set_schedules`.
    """
    # A direction needs its zone, which therefore comes first.
    kinds = [kind for kind in PLACE_KINDS if kind in drawn or kind in watched]
    kinds.sort(key="directions".__eq__)

    def change(text: YamlText) -> None:
        for kind in kinds:
            known = _at(text, (*camera_path(text, camera), kind)) or {}
            set_places(camera, kind, drawn.get(kind, known), watched.get(kind, {}))(text)
        _set_in_tasks(text, camera, "schedule", schedules)

    return change


def set_schedules(camera: str, schedules: Mapping[str, Sequence[str] | None]) -> TextChange:
    """Gives tasks of a camera other schedules, None for always; other tasks keep theirs."""

    def change(text: YamlText) -> None:
        _set_in_tasks(text, camera, "schedule", schedules)

    return change


def _set_in_tasks(
    text: YamlText, camera: str, key: str, lists: Mapping[str, Sequence[str] | None]
) -> None:
    """Gives a key of tasks a list of texts, or takes it out."""
    tasks = (*camera_path(text, camera), "tasks")
    for task, wanted in lists.items():
        if task not in (_at(text, tasks) or {}):
            known = ", ".join(map(str, _at(text, tasks) or {}))
            raise CommandError(f"camera {camera} has no task {task!r}; it has {known}")
        path = (*tasks, task, key)
        if wanted is None:
            text.remove(path)
        elif _at(text, path) != list(wanted):
            text.set(path, without_variables(list(wanted)))


class PasswordFiles:
    """Passwords in files of their own; a context, after which those that are not needed go."""

    def __init__(self, base: Path) -> None:
        """`base` is the folder of the configuration."""
        self._folder = base / SECRETS
        self._written: list[Path] = []
        self.kept = False
        """To be set once the configuration names them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for path in () if self.kept else self._written:
            with suppress(OSError):
                path.unlink()

    def keep(self, camera: str, password: object) -> str:
        """Writes the password of a camera; gives the path for `password_file`.

        Raises:
            CommandError: It cannot be kept.
        """
        if not isinstance(password, str) or not FILE_NAME.fullmatch(camera):
            raise CommandError("a camera with a password needs an id of letters, digits, - and _")
        path = self._folder / f"{camera}-{secrets.token_hex(4)}.secret"
        try:
            create_owned_folder(self._folder)
            write_owned_file(path, password.encode())
        except OSError as error:
            reason = (error.strerror or "it cannot be created").lower()
            raise CommandError(f"{path}, for the password, cannot be written: {reason}") from None
        self._written.append(path)
        return f"{SECRETS}/{path.name}"


class CameraAddition(PasswordFiles):
    """Cameras that are added, with the files of their passwords."""

    def __init__(self, sections: Sequence[Mapping[str, Any]], base: Path) -> None:
        """Prepares.

        Args:
            sections: Cameras as the configuration has them; a password may be among it, or a login
                in the address.
            base: Folder of the configuration.
        """
        super().__init__(base)
        self._sections = sections

    def __call__(self, text: YamlText) -> None:
        """See `TextChange`."""
        known = {one.get("id") for one in _cameras(text)}
        for section in self._sections:
            if section.get("id") in known:
                raise CommandError(f"there is a camera {section['id']!r} already")
        text.append((CAMERAS,), [self._written_section(one) for one in self._sections])

    def _written_section(self, given: Mapping[str, Any]) -> dict[str, Any]:
        section = lifted_login({key: one for key, one in given.items() if one is not None})
        if filed := [key for key in section if key.endswith(FILE_SUFFIX)]:
            # Whoever names a file may not be allowed to read it.
            raise CommandError(f"`{filed[0]}` cannot be given here; give the password itself")
        password = section.pop("password", None)
        result: dict[str, Any] = without_variables(section)
        if password is None:
            return result
        file = self.keep(str(section.get("id")), password)
        place = list(result).index("username") + 1 if "username" in result else len(result)
        entries = list(result.items())
        entries.insert(place, ("password_file", file))
        return dict(entries)


def remove_camera(camera: str) -> TextChange:
    """Takes a camera out; the file of its password stays, so that this can be taken back."""

    def change(text: YamlText) -> None:
        path = camera_path(text, camera)
        if len(_cameras(text)) == 1:
            raise CommandError(f"camera {camera} is the only one, and a city needs one")
        text.remove(path)

    return change


def _cameras(text: YamlText) -> list[dict[str, Any]]:
    listed = text.data.get(CAMERAS) if isinstance(text.data, dict) else None
    return [one for one in listed or () if isinstance(one, dict)]


def camera_path(text: YamlText, camera: str) -> tuple[str | int, ...]:
    """Where a camera stands.

    Raises:
        CommandError: Nowhere.
    """
    for index, one in enumerate(_cameras(text)):
        if one.get("id") == camera:
            return (CAMERAS, index)
    raise UnknownCameraError(f"there is no camera {camera!r} in the configuration")


def camera_in(text: YamlText, camera: str) -> dict[str, Any]:
    """A camera as the text has it; not to be changed.

    Raises:
        CommandError: There is none of this id.
    """
    found: dict[str, Any] = _cameras(text)[int(camera_path(text, camera)[1])]
    return found


class UnknownCameraError(CommandError):
    """A configuration has no such camera."""


def _at(text: YamlText, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - plain YAML data
    value = text.data
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) else None
    return value
