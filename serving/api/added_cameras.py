"""Routes of the control API for cameras that are tried, added, or taken from a spreadsheet.

A password that comes with a camera goes to a file of its own beside the configuration, and is in no
answer. An image of a camera that is tried is not masked, as no model has seen it: who wants it says
why, and the audit trail has that before.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
import base64
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from pipelines.access import AuditError, Reason, caller_of
from serving.api.answers import ApiAnswer
from serving.api.city_changes import RowProblem, ask_city_process, who_asks
from serving.api.configuration import (
    ChangeAnswer,
    EditedCamera,
    GivenConnection,
    Revision,
)
from serving.api.restricted import trail

router = APIRouter(tags=["configuration"])
MOST_AT_ONCE: Final = 1000
TABLE_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in (
                "text/csv",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            )
        },
    }
}
CheckOnly = Annotated[bool, Query(description="Only say how it would go.")]
RevisionQuery = Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")]


class TriedCamera(BaseModel):
    """A camera as a configuration has it, as far as it matters for opening it.

    With a `reason` there is an image in the answer.
    """

    model_config = ConfigDict(extra="forbid")

    source: str = Field(max_length=2000)
    inference_source: str | None = Field(default=None, max_length=2000)
    username: str | None = Field(default=None, max_length=256)
    password: SecretStr | None = Field(default=None, max_length=256)
    transport: Literal["tcp", "udp"] = "tcp"
    verify_tls: bool = True
    reason: Reason | None = None


class TriedConnection(GivenConnection):
    """Another address or login of a camera to try; with a `reason` there is an image."""

    reason: Reason | None = None


class NewCameras(BaseModel):
    """Cameras with the keys that a configuration has for them."""

    model_config = ConfigDict(extra="forbid")

    revision: Revision | None = None
    cameras: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_AT_ONCE)]


class TrialAnswer(ApiAnswer):
    """What came within some seconds, or what is wrong and what to do.

    Of a camera with two streams it is about the smaller one; `main_width` and `main_height` are
    those of the main one, else 0.

    `jpeg` is base64, up to 640 pixels wide, not masked; empty without a reason.
    """

    good: bool
    sentence: str
    codec: str
    width: int
    height: int
    fps: float
    first_s: float
    main_width: int
    main_height: int
    jpeg: str


class ImportAnswer(ChangeAnswer):
    """Every row of the spreadsheet, and what was changed."""

    rows: list[RowProblem]


@router.post("/cameras/test", summary="Open a camera for some seconds")
async def try_camera(tried: TriedCamera, request: Request) -> TrialAnswer:
    """Codec, size, rate and, with a reason, an image. Nothing is changed."""
    given = tried.model_dump(exclude={"reason", "password"}, exclude_none=True)
    if tried.password is not None:
        given["password"] = tried.password.get_secret_value()
    key = f"tried/{urlsplit(tried.source).hostname or 'file'}"
    return await _tried(request, key, tried.reason, ask="try_camera", camera=given)


@router.post("/cameras/{camera}/connection/test", summary="Open a camera at another address")
async def try_connection(
    camera: EditedCamera, tried: TriedConnection, request: Request
) -> TrialAnswer:
    """As a camera that is not there yet, with what it has where nothing else is given."""
    asked = {"ask": "try_connection", "camera": camera, "given": tried.given}
    return await _tried(request, f"tried/{camera}", tried.reason, **asked)


async def _tried(request: Request, key: str, reason: Reason | None, **asked: Any) -> TrialAnswer:
    wanted = {**asked, "with_image": reason is not None}
    answer = TrialAnswer.model_validate(await ask_city_process(wanted))
    if answer.jpeg and reason is not None:
        try:
            await asyncio.to_thread(trail().note, caller_of(request.scope), key, reason)
        except AuditError as error:
            raise HTTPException(503, str(error)) from None
    return answer


@router.post("/cameras", summary="Add cameras")
async def add_cameras(new: NewCameras, request: Request, check: CheckOnly = False) -> ChangeAnswer:
    """All of them or none. 422 names the key of what is not valid."""
    asked = {"ask": "add_cameras", "cameras": new.cameras, "check": check}
    wanted = {**asked, "who": who_asks(request), "revision": new.revision}
    return ChangeAnswer.model_validate(await ask_city_process(wanted))


@router.post(
    "/cameras/import", summary="Add the cameras of a spreadsheet", openapi_extra=TABLE_BODY
)
async def import_table(
    request: Request, check: CheckOnly = False, revision: RevisionQuery = None
) -> ImportAnswer:
    """Body: CSV or XLSX. All rows or none; 422 has in `rows` what is wrong with which."""
    table = base64.b64encode(await request.body()).decode()
    asked = {"ask": "import_cameras", "table": table, "check": check}
    wanted = {**asked, "who": who_asks(request), "revision": revision}
    return ImportAnswer.model_validate(await ask_city_process(wanted))
