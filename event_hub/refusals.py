"""How the hub's own errors are answered; see `pipelines.http_api` for all others."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response

from event_hub.errors import MalformedEventError, SignatureError, StoreUnavailableError
from pipelines.access import ProblemDetails
from pipelines.http_api import problem_response

RETRY_AFTER_S: Final = 2


def add_refusals(app: FastAPI) -> None:
    """Makes every error that the hub reports on purpose a problem."""

    @app.exception_handler(MalformedEventError)
    async def malformed(_: Request, error: MalformedEventError) -> Response:
        status = 422 if error.attribute else 400
        problem = ProblemDetails.of(status, str(error), attribute=error.attribute or None)
        return problem_response(problem)

    @app.exception_handler(SignatureError)
    async def unsigned(_: Request, error: SignatureError) -> Response:
        return problem_response(ProblemDetails.of(401, str(error)))

    @app.exception_handler(StoreUnavailableError)
    async def unavailable(_: Request, error: StoreUnavailableError) -> Response:
        problem = ProblemDetails.of(503, str(error))
        return problem_response(problem, {"Retry-After": str(RETRY_AFTER_S)})
