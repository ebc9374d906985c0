"""How the control API has the city process change something, and what it answers.

A change names the revision that it was made from, so that nobody overwrites what another has done.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict

from pipelines.access import ProblemDetails, caller_of
from pipelines.http_api import problem_response
from serving.api.access import api_access
from serving.city_socket import ask_city
from serving.errors import CityAwayError

MOST_NAME: Final = 64
BEHALF: Final = "CityEye-Behalf"
DONE: Final = (200, 202)


class KeyProblem(BaseModel):
    """A mistake in the configuration as it would be; `key` is `cameras[3].zones.approach`."""

    model_config = ConfigDict(frozen=True)

    key: str
    what: str
    remedy: str


class RowProblem(BaseModel):
    """A row of a spreadsheet, and what is wrong with it; nothing where it is all right."""

    model_config = ConfigDict(frozen=True)

    row: int
    camera: str
    problems: tuple[str, ...]


class ChangeProblem(ProblemDetails):
    """Why a change of the configuration was not made."""

    problems: tuple[KeyProblem, ...] = ()
    rows: tuple[RowProblem, ...] | None = None


class ChangeRefused(Exception):
    """The city does not make a change."""

    def __init__(self, problem: ChangeProblem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


async def ask_city_process(request: dict[str, Any]) -> dict[str, Any]:
    """What the city process answers.

    Raises:
        ChangeRefused: It refuses; nothing was changed.
        HTTPException: 503 where there is none on this machine.
    """
    state = api_access().tokens.parent
    try:
        answer = await asyncio.to_thread(ask_city, state, request)
    except (PermissionError, CityAwayError):
        raise HTTPException(
            503, "the city process does not answer on the machine of the control API: try again"
        ) from None
    status, body = int(answer["status"]), dict(answer["body"])
    if status in DONE:
        return body
    problems = tuple(KeyProblem.model_validate(one) for one in body.get("problems", ()))
    lines = [f"{one.key}: {one.what}. {one.remedy}" for one in problems]
    problem = ChangeProblem.of(status, "\n".join([*body.get("lines", ()), *lines]))
    given: dict[str, Any] = {"problems": problems}
    if "rows" in body:
        given["rows"] = tuple(RowProblem.model_validate(one) for one in body["rows"])
    raise ChangeRefused(problem.model_copy(update=given))


def who_asks(request: Request) -> str:
    """Whose token it is; and on whose behalf, where the hub says so."""
    name = caller_of(request.scope).name
    behalf = request.headers.get(BEHALF, "")[:MOST_NAME]
    return f"{behalf} by {name}" if behalf else name


async def refused_change(_: Request, error: ChangeRefused) -> Response:
    """Why a change was not made, with each mistake by itself."""
    return problem_response(error.problem)
