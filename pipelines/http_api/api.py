"""`HttpApi`: an application whose refusals, parameters and description follow one contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from pipelines.access import RouteTable
from pipelines.http_api.api_pages import pages_router
from pipelines.http_api.description import complete
from pipelines.http_api.problem_answers import add_problem_answers
from pipelines.http_api.query_parameters import known_parameters


class HttpApi(FastAPI):
    """FastAPI with problems as refusals, known parameters only, and pages without internet."""

    def __init__(
        self,
        routes: RouteTable,
        *,
        prefix: str = "",
        schemas: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """An application without routes of its own.

        Args:
            routes: Which scope each route needs.
            prefix: Path before `openapi.json` and `docs`.
            schemas: More schemas for the components of the description, by name.
            **settings: As FastAPI takes them.
        """
        super().__init__(
            openapi_url=None,
            # Their pages load scripts from the internet.
            docs_url=None,
            redoc_url=None,
            dependencies=[Depends(known_parameters)],
            **settings,
        )
        self._table = routes
        self._more_schemas = dict(schemas or {})
        add_problem_answers(self)
        self.include_router(pages_router(), prefix=prefix, include_in_schema=False)
        self.add_api_route(f"{prefix}/openapi.json", show_description, include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), self._table, self._more_schemas)
        return self.openapi_schema


async def show_description(request: Request) -> JSONResponse:
    """The OpenAPI description of the application."""
    return JSONResponse(request.app.openapi())
