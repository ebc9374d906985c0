"""What a running city can be asked for over its control socket, beside `apply`.

Answers have the status codes of HTTP, as most of them go on to who asked the control API: 200 done,
404 no such camera, 409 refused or changed by somebody else, 422 not valid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cityeye.camera_connection import ConnectionChange, connection_of, tried_connection
from cityeye.camera_edits import (
    PLACE_KINDS,
    CameraAddition,
    PasswordFiles,
    PlaceKind,
    UnknownCameraError,
    remove_camera,
    set_drawing,
    set_places,
    set_schedules,
)
from cityeye.camera_import import import_cameras
from cityeye.camera_probe import probe_camera
from cityeye.config import Config, ConfigurationError, Problem, tried_camera
from cityeye.config.schema import CameraSection
from cityeye.config_editor import ConfigEditor, EditOutcome, EditResult
from cityeye.errors import CommandError

Status = int
SocketAnswer = tuple[Status, dict[str, Any]]

STATUSES: Final[Mapping[EditResult, Status]] = {
    "done": HTTPStatus.OK,
    "not_taken": HTTPStatus.ACCEPTED,
    "refused": HTTPStatus.CONFLICT,
    "conflict": HTTPStatus.CONFLICT,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
}


TRIALS_AT_ONCE: Final = 3
TRIAL_WAIT_S: Final = 20.0
OF_TASKS: Final = {"schedules": "schedule", "task_zones": "zones", "task_lines": "lines"}
"""What is shown of tasks, by the name under which it is shown."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadPlaces(_Request):
    """What is drawn on a camera, and when its tasks are armed."""

    ask: Literal["read_places"]
    camera: str


class _Change(_Request):
    who: str
    revision: str | None = None


class SetPlaces(_Change):
    """Other zones, lines, masks or directions for a camera."""

    ask: Literal["set_places"]
    camera: str
    kind: PlaceKind
    places: dict[str, list[tuple[float, float]]]
    watched: dict[str, list[str] | None] = {}


class SetDrawing(_Change):
    """Other places of several kinds and schedules for a camera, in one change."""

    ask: Literal["set_drawing"]
    camera: str
    drawn: dict[PlaceKind, dict[str, list[tuple[float, float]]]]
    watched: dict[PlaceKind, dict[str, list[str] | None]] = {}
    schedules: dict[str, list[str] | None] = {}


class SetSchedules(_Change):
    """Other schedules for tasks of a camera."""

    ask: Literal["set_schedules"]
    camera: str
    schedules: dict[str, list[str] | None]


class AddCameras(_Change):
    """Further cameras, as the configuration has them; with `check` only whether they would do."""

    ask: Literal["add_cameras"]
    cameras: list[dict[str, Any]]
    check: bool = False


class RemoveCamera(_Change):
    """A camera less."""

    ask: Literal["remove_camera"]
    camera: str


class ReadConnection(_Request):
    """How a camera is reached."""

    ask: Literal["read_connection"]
    camera: str


class SetConnection(_Change):
    """Another name, address or login for a camera; with `check` only whether it would do."""

    ask: Literal["set_connection"]
    camera: str
    given: dict[str, Any] = Field(repr=False)
    check: bool = False


class TryConnection(_Request):
    """A camera is opened at another address or with another login, and nothing is changed."""

    ask: Literal["try_connection"]
    camera: str
    given: dict[str, Any] = Field(repr=False)
    with_image: bool = False


class TryCamera(_Request):
    """A camera is opened for some seconds, and nothing is changed."""

    ask: Literal["try_camera"]
    camera: dict[str, Any] = Field(repr=False)
    with_image: bool = False


class ImportCameras(_Change):
    """Cameras of a table, all or none; with `check` only whether they would do."""

    ask: Literal["import_cameras"]
    table: Base64Bytes = Field(repr=False)
    check: bool = False


class UndoChange(_Change):
    """The newest change is taken back."""

    ask: Literal["undo"]


class ListVersions(_Request):
    """The changes that were made."""

    ask: Literal["versions"]


CityRequest = Annotated[
    ReadPlaces
    | SetPlaces
    | SetDrawing
    | SetSchedules
    | AddCameras
    | ImportCameras
    | ReadConnection
    | SetConnection
    | TryConnection
    | TryCamera
    | RemoveCamera
    | UndoChange
    | ListVersions,
    Field(discriminator="ask"),
]
REQUEST: Final[TypeAdapter[CityRequest]] = TypeAdapter(CityRequest)


class CityRequests:
    """Answers requests about one running city."""

    def __init__(self, editor: ConfigEditor) -> None:
        """Changes what `editor` edits."""
        self._editor = editor
        self._trials = threading.BoundedSemaphore(TRIALS_AT_ONCE)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request: `status` and `body`."""
        try:
            asked = REQUEST.validate_python(request)
        except ValidationError:
            what = "the request cannot be read; use the program of the same version"
            return _as_json((HTTPStatus.UNPROCESSABLE_ENTITY, {"lines": [what]}))
        handlers: dict[type, Callable[[Any], SocketAnswer]] = {
            ReadPlaces: self._read_places,
            SetPlaces: self._set_places,
            SetDrawing: self._set_drawing,
            SetSchedules: self._set_schedules,
            AddCameras: self._add_cameras,
            ImportCameras: self._import_cameras,
            ReadConnection: self._read_connection,
            SetConnection: self._set_connection,
            TryConnection: self._try_connection,
            TryCamera: self._try_camera,
            RemoveCamera: self._remove_camera,
            UndoChange: self._undo,
            ListVersions: self._versions,
        }
        try:
            return _as_json(handlers[type(asked)](asked))
        except UnknownCameraError as error:
            return _as_json((HTTPStatus.NOT_FOUND, {"lines": [str(error)]}))
        except CommandError as error:
            return _as_json((HTTPStatus.UNPROCESSABLE_ENTITY, {"lines": [str(error)]}))

    def _read_places(self, asked: ReadPlaces) -> SocketAnswer:
        config = self._editor.config
        camera = _camera(config, asked.camera)
        body: dict[str, Any] = {"camera": asked.camera, "revision": config.digest}
        for kind in PLACE_KINDS:
            places = getattr(camera, kind)
            body[kind] = {name: [list(point) for point in one] for name, one in places.items()}
        for key, own in OF_TASKS.items():
            given = {name: getattr(task, own) for name, task in camera.tasks.items()}
            body[key] = {name: list(one) if one else None for name, one in given.items()}
        plan = next(one for one in config.plans if one.camera.id == asked.camera)
        body["task_rules"] = {one.task: [rule.kind for rule in one.rules] for one in plan.tasks}
        return HTTPStatus.OK, body

    def _set_places(self, asked: SetPlaces) -> SocketAnswer:
        _camera(self._editor.config, asked.camera)
        change = set_places(asked.camera, asked.kind, asked.places, asked.watched)
        return _outcome(self._editor.edit(change, asked.who, asked.revision))

    def _set_drawing(self, asked: SetDrawing) -> SocketAnswer:
        _camera(self._editor.config, asked.camera)
        change = set_drawing(asked.camera, asked.drawn, asked.watched, asked.schedules)
        return _outcome(self._editor.edit(change, asked.who, asked.revision))

    def _set_schedules(self, asked: SetSchedules) -> SocketAnswer:
        _camera(self._editor.config, asked.camera)
        change = set_schedules(asked.camera, asked.schedules)
        return _outcome(self._editor.edit(change, asked.who, asked.revision))

    def _add_cameras(self, asked: AddCameras) -> SocketAnswer:
        base = Path(self._editor.config.path).absolute().parent
        with CameraAddition(asked.cameras, base) as addition:
            outcome = self._editor.edit(addition, asked.who, asked.revision, only_check=asked.check)
            addition.kept = not asked.check and outcome.result in ("done", "not_taken")
        return _outcome(outcome)

    def _import_cameras(self, asked: ImportCameras) -> SocketAnswer:
        report = import_cameras(
            self._editor, asked.table, asked.who, asked.revision, only_check=asked.check
        )
        outcome = report.outcome
        rows = [
            {"row": row.number, "camera": row.camera, "problems": list(row.problems)}
            for row in report.rows
        ]
        if outcome is None:
            line = "nothing was changed, as there are rows with problems"
            body = {"result": "invalid", "lines": [line], "problems": []}
            revision = self._editor.config.digest
            return HTTPStatus.UNPROCESSABLE_ENTITY, {**body, "revision": revision, "rows": rows}
        status, body = _outcome(outcome)
        return status, {**body, "rows": rows}

    def _read_connection(self, asked: ReadConnection) -> SocketAnswer:
        text = self._editor.text()
        shown = connection_of(text, asked.camera)
        about = {"camera": asked.camera, "revision": self._editor.config.digest}
        return HTTPStatus.OK, {**about, **shown}

    def _set_connection(self, asked: SetConnection) -> SocketAnswer:
        _camera(self._editor.config, asked.camera)
        with PasswordFiles(Path(self._editor.config.path).absolute().parent) as files:
            change = ConnectionChange(asked.camera, asked.given, files)
            outcome = self._editor.edit(change, asked.who, asked.revision, only_check=asked.check)
            files.kept = not asked.check and outcome.result in ("done", "not_taken")
        return _outcome(outcome)

    def _try_connection(self, asked: TryConnection) -> SocketAnswer:
        section = _camera(self._editor.config, asked.camera)
        given = tried_connection(section, self._editor.text(), asked.given)
        return self._try(given, with_image=asked.with_image)

    def _try_camera(self, asked: TryCamera) -> SocketAnswer:
        return self._try(asked.camera, with_image=asked.with_image)

    def _try(self, given: Mapping[str, Any], *, with_image: bool) -> SocketAnswer:
        if not self._trials.acquire(timeout=TRIAL_WAIT_S):
            return HTTPStatus.SERVICE_UNAVAILABLE, {"lines": ["other cameras are tried; try again"]}
        try:
            camera = tried_camera(given, self._editor.config.settings)
            return HTTPStatus.OK, asdict(probe_camera(camera, with_image=with_image))
        except ConfigurationError as error:
            problems = [_problem(one) for one in error.problems]
            return HTTPStatus.UNPROCESSABLE_ENTITY, {"lines": [], "problems": problems}
        finally:
            self._trials.release()

    def _remove_camera(self, asked: RemoveCamera) -> SocketAnswer:
        _camera(self._editor.config, asked.camera)
        change = remove_camera(asked.camera)
        return _outcome(self._editor.edit(change, asked.who, asked.revision))

    def _undo(self, asked: UndoChange) -> SocketAnswer:
        return _outcome(self._editor.undo(asked.who, asked.revision))

    def _versions(self, _: ListVersions) -> SocketAnswer:
        shown = [one.model_dump(mode="json") for one in reversed(self._editor.versions())]
        return HTTPStatus.OK, {"revision": self._editor.config.digest, "versions": shown}


def _camera(config: Config, name: str) -> CameraSection:
    for camera in config.settings.cameras:
        if camera.id == name:
            return camera
    raise UnknownCameraError(f"there is no camera {name!r} in the configuration")


def _outcome(outcome: EditOutcome) -> SocketAnswer:
    return STATUSES[outcome.result], {
        "result": outcome.result,
        "revision": outcome.revision,
        "lines": list(outcome.lines),
        "problems": [_problem(one) for one in outcome.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"key": problem.key, "what": problem.what, "remedy": problem.remedy}


def _as_json(answer: SocketAnswer) -> dict[str, Any]:
    status, body = answer
    return {"status": int(status), "body": body}
