"""Routes of the control API that change cameras: in the city's configuration file and at once.

The city process does it, see `ask_city`; it checks a change by the same models as the file itself.
A change names the revision that it was made from, so that nobody overwrites what another has done.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from serving.api.answers import ApiAnswer
from serving.api.city_changes import ask_city_process, who_asks

router = APIRouter(tags=["configuration"])
MOST_PLACES: Final = 100
MOST_POINTS: Final = 200

EditedCamera = Annotated[str, Path(max_length=128)]
PlacesKind = Literal["zones", "lines", "masks", "directions"]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PlaceName = Annotated[str, Field(min_length=1, max_length=64)]
DrawnPoints = Annotated[list[tuple[Share, Share]], Field(min_length=2, max_length=MOST_POINTS)]
TaskSpans = Annotated[list[str], Field(min_length=1, max_length=64)]
WatchedNames = Annotated[list[PlaceName], Field(min_length=1, max_length=MOST_PLACES)]
Revision = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", description="Of the configuration that it is about.")
]


class PlacesChange(BaseModel):
    """All places of one kind as they shall be; those that are left out go.

    `watched` are the names of the zones or lines of a task, null for a task without any: its zone
    is the whole image then. Tasks that are left out keep theirs.
    """

    model_config = ConfigDict(extra="forbid")

    revision: Revision
    places: Annotated[dict[PlaceName, DrawnPoints], Field(max_length=MOST_PLACES)]
    watched: dict[PlaceName, WatchedNames | None] = {}


class DrawingChange(BaseModel):
    """Places by kind as they shall be, and what tasks watch; kinds that are left out stay.

    `watched` and `schedules` are as in the changes of one kind.
    """

    model_config = ConfigDict(extra="forbid")

    revision: Revision
    drawn: dict[PlacesKind, Annotated[dict[PlaceName, DrawnPoints], Field(max_length=MOST_PLACES)]]
    watched: dict[Literal["zones", "lines"], dict[PlaceName, WatchedNames | None]] = {}
    schedules: dict[PlaceName, TaskSpans | None] = {}


class SchedulesChange(BaseModel):
    """Spans by task, null for always; tasks that are left out keep theirs."""

    model_config = ConfigDict(extra="forbid")

    revision: Revision
    schedules: dict[PlaceName, TaskSpans | None]


class GivenConnection(BaseModel):
    """How a camera is to be reached; what is left out stays.

    An empty `name` or `inference_source` goes; an empty `username` goes with its password. The
    password of before is kept for the same host only; another host needs it anew.
    """

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=256)
    source: str | None = Field(default=None, max_length=2000)
    inference_source: str | None = Field(default=None, max_length=2000)
    username: str | None = Field(default=None, max_length=256)
    password: SecretStr | None = Field(default=None, max_length=256)
    transport: Literal["tcp", "udp"] | None = None
    verify_tls: bool | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is given, with the password as text."""
        given = self.model_dump(include=set(GivenConnection.model_fields), exclude_none=True)
        if self.password is not None:
            given["password"] = self.password.get_secret_value()
        return given


class ConnectionOrder(GivenConnection):
    """A change of how a camera is reached, made from a revision."""

    revision: Revision


class UndoRequest(BaseModel):
    """With a revision, only if the configuration is still that one."""

    model_config = ConfigDict(extra="forbid")

    revision: Revision | None = None


class PlacesAnswer(ApiAnswer):
    """What is drawn on a camera, by name; points in normalised image coordinates.

    `schedules` are the spans in which its tasks are armed, null for always; `task_zones` and
    `task_lines` the places of each task, null where it names none; `task_rules` its rules.
    """

    camera: str
    revision: str
    zones: dict[str, list[tuple[float, float]]]
    lines: dict[str, list[tuple[float, float]]]
    masks: dict[str, list[tuple[float, float]]]
    directions: dict[str, list[tuple[float, float]]]
    schedules: dict[str, list[str] | None]
    task_zones: dict[str, list[str] | None]
    task_lines: dict[str, list[str] | None]
    task_rules: dict[str, list[str]]


class ConnectionAnswer(ApiAnswer):
    """How a camera is reached, as it stands in the configuration; never its password.

    An address is empty where its path holds a password, and `inference_source` where the camera has
    one stream.
    """

    camera: str
    revision: str
    name: str
    source: str
    inference_source: str
    username: str
    has_password: bool
    transport: str
    verify_tls: bool


class ChangeAnswer(ApiAnswer):
    """What was changed, and the revision after it.

    The result is `not_taken` where the file has the change and a part of the city has not taken it;
    the lines say which.
    """

    result: Literal["done", "not_taken"]
    revision: str
    lines: list[str]


class VersionRecord(ApiAnswer):
    """A change of the configuration that was made over this API."""

    number: int
    at: datetime
    who: str
    what: list[str]
    undone_at: datetime | None
    undone_by: str


class VersionsAnswer(ApiAnswer):
    """The newest first; `revision` is that of the configuration now."""

    revision: str
    versions: list[VersionRecord]


@router.get("/cameras/{camera}/places", summary="Zones, lines, masks and schedules of a camera")
async def show_places(camera: EditedCamera) -> PlacesAnswer:
    """With the revision that a change has to name."""
    return PlacesAnswer.model_validate(
        await ask_city_process({"ask": "read_places", "camera": camera})
    )


@router.put("/cameras/{camera}/places", summary="Draw several kinds of places at once")
async def change_drawing(
    camera: EditedCamera, change: DrawingChange, request: Request
) -> ChangeAnswer:
    """As for one kind, in one change: the camera is opened anew once, and one undo takes it back.

    Tasks may be given other schedules along with it.
    """
    asked = change.model_dump(exclude={"revision"})
    return await _change(request, "set_drawing", change.revision, camera=camera, **asked)


@router.put("/cameras/{camera}/places/{kind}", summary="Draw zones, lines, masks or directions")
async def change_places(
    camera: EditedCamera, kind: PlacesKind, change: PlacesChange, request: Request
) -> ChangeAnswer:
    """Takes effect at once and stands in the file. 409 where somebody else was faster.

    422 names the key of what is not valid; nothing is changed then.
    """
    asked = {"places": change.places, "watched": change.watched}
    return await _change(request, "set_places", change.revision, camera=camera, kind=kind, **asked)


@router.put("/cameras/{camera}/schedules", summary="Say when tasks are armed")
async def change_schedules(
    camera: EditedCamera, change: SchedulesChange, request: Request
) -> ChangeAnswer:
    """As for places. Spans are `mon-fri 22:00-06:00` and the like, in the city's time zone."""
    return await _change(
        request, "set_schedules", change.revision, camera=camera, schedules=change.schedules
    )


@router.get("/cameras/{camera}/connection", summary="Name, address and login of a camera")
async def show_connection(camera: EditedCamera) -> ConnectionAnswer:
    """Without its password, and with the revision that a change has to name."""
    asked = {"ask": "read_connection", "camera": camera}
    return ConnectionAnswer.model_validate(await ask_city_process(asked))


@router.put("/cameras/{camera}/connection", summary="Change name, address or login of a camera")
async def change_connection(
    camera: EditedCamera,
    order: ConnectionOrder,
    request: Request,
    check: Annotated[bool, Query(description="Only say how it would go.")] = False,
) -> ChangeAnswer:
    """The camera is opened anew. A password goes to a file of its own beside the configuration.

    422 names the key of what is not valid; nothing is changed then.
    """
    how = {"camera": camera, "given": order.given, "check": check}
    return await _change(request, "set_connection", order.revision, **how)


@router.delete("/cameras/{camera}", summary="Remove a camera")
async def remove_camera(
    camera: EditedCamera,
    request: Request,
    revision: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
) -> ChangeAnswer:
    """Its incidents end as `removed`. With a `revision` only if the configuration is that one."""
    return await _change(request, "remove_camera", revision, camera=camera)


@router.get("/config/versions", summary="Who changed the configuration over this API, and when")
async def list_config_versions() -> VersionsAnswer:
    """The newest first, without values."""
    return VersionsAnswer.model_validate(await ask_city_process({"ask": "versions"}))


@router.post("/config/undo", summary="Take the newest change back")
async def undo_change(undo: UndoRequest, request: Request) -> ChangeAnswer:
    """Again and again for those before it. 409 where the file was changed by hand since."""
    return await _change(request, "undo", undo.revision)


async def _change(request: Request, ask: str, revision: str | None, **asked: Any) -> ChangeAnswer:
    wanted = {"ask": ask, "who": who_asks(request), "revision": revision, **asked}
    return ChangeAnswer.model_validate(await ask_city_process(wanted))
