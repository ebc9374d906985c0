"""Makes every refusal of an API a problem of RFC 9457, whoever in the program raised it.

No answer repeats what was in the request: it may hold a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pipelines.access import PROBLEM_MEDIA_TYPE, ProblemDetails

STEP_CHARS: Final = 100
PROBLEMS_MAX: Final = 20
BODY: Final = "body"


class RequestProblem(Exception):
    """A request is refused; raised by routes that name the parameter or attribute behind it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        parameter: str | None = None,
        attribute: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = ProblemDetails.of(status, detail, parameter, attribute)
        self.headers = headers


def problem_response(problem: ProblemDetails, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says a problem."""
    given = dict(headers or {})
    return Response(problem.as_json(), problem.status, given, PROBLEM_MEDIA_TYPE)


def add_problem_answers(app: FastAPI) -> None:
    """Makes every refusal of an application, and every failure, a problem."""
    handlers: dict[Any, Any] = {
        RequestProblem: _refused,
        HTTPException: _refused_plainly,
        RequestValidationError: _invalid,
        Exception: _failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _refused(_: Request, error: RequestProblem) -> Response:
    return problem_response(error.problem, error.headers)


async def _refused_plainly(_: Request, error: HTTPException) -> Response:
    return problem_response(ProblemDetails.of(error.status_code, str(error.detail)), error.headers)


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    found = [_place_of(one["loc"], one["msg"][:STEP_CHARS]) for one in error.errors()]
    detail = "; ".join(sentence for _, _, sentence in found[:PROBLEMS_MAX])
    parameter, attribute, _sentence = found[0]
    return problem_response(ProblemDetails.of(422, detail, parameter, attribute))


def _place_of(loc: Sequence[object], message: str) -> tuple[str | None, str | None, str]:
    """The parameter or the attribute that is wrong, and a sentence about it."""
    where, *steps = [str(step)[:STEP_CHARS] for step in loc]
    if where != BODY:
        name = steps[-1] if steps else where
        return name, None, f"parameter {name!r} is wrong: {message}"
    attribute = ".".join(steps)
    if not attribute:
        return None, None, f"the body is wrong: {message}"
    return None, attribute, f"attribute {attribute!r} is wrong: {message}"


async def _failed(_: Request, error: Exception) -> Response:
    # The server itself writes the error to the log.
    return problem_response(ProblemDetails.of(500, "the server failed; its log says why"))
