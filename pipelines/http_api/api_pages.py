"""The pages of an API: its description to read and to try, without anything from the internet.

They hold nothing of the city, so that they need no token; the description that they load does.
Where no session is known, the page asks for a token, and forgets it when it is closed.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, Response

from pipelines.http_api.problem_answers import RequestProblem

OWN: Final = files("pipelines.http_api") / "pages"
SWAGGER: Final = files("fastapi_offline") / "static"
PAGE: Final = OWN / "docs.html"
FILES: Final[dict[str, tuple[Traversable, str]]] = {
    "docs.js": (OWN / "docs.js", "text/javascript"),
    "docs.css": (OWN / "docs.css", "text/css"),
    "swagger-ui-bundle.js": (SWAGGER / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (SWAGGER / "swagger-ui.css", "text/css"),
}
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            # Swagger UI styles its elements in place.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
}


def pages_router() -> APIRouter:
    """`/docs` and the files that it needs."""
    router = APIRouter()
    router.add_api_route("/docs", show_page, response_class=Response)
    router.add_api_route("/docs/{file}", show_file, response_class=Response)
    return router


def show_page() -> Response:
    """The page."""
    return Response(PAGE.read_bytes(), media_type="text/html", headers=HEADERS)


def show_file(file: str) -> Response:
    """A file of the page. 404 for any other."""
    if file not in FILES:
        raise RequestProblem(404, "the page has no such file", parameter="file")
    place, media_type = FILES[file]
    return Response(place.read_bytes(), media_type=media_type, headers=HEADERS)
