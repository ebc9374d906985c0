"""`known_parameters`: refuses a query parameter that a route does not know, instead of ignoring it.

A filter with a typing error would else answer with what was not asked for.
"""

from __future__ import annotations

from typing import Any, Final, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Param, Query

from pipelines.http_api.problem_answers import RequestProblem

SHOWN_CHARS: Final = 100
NUL: Final = "\0"
"""No database takes it in a text."""
SEVERAL: Final = (list, tuple, set, frozenset)


async def known_parameters(request: Request) -> None:
    """A dependency of every route.

    Raises:
        RequestProblem: 422 that names the parameter: the route does not know it (then with those
            that it knows), it takes a single value and is given several, or it holds a NUL.
    """
    given = request.query_params
    for name, value in (*request.path_params.items(), *given.multi_items()):
        if NUL in str(value):
            raise RequestProblem(
                422, f"parameter {name[:SHOWN_CHARS]!r} holds a NUL", parameter=name
            )
    if not given:
        return
    known = _parameters_of(request.scope["route"])
    for name in given:
        if name not in known:
            shown = name[:SHOWN_CHARS]
            names = ", ".join(sorted(known)) or "none"
            raise RequestProblem(
                422,
                f"there is no parameter {shown!r} here; known parameters: {names}",
                parameter=shown,
            )
        if not known[name] and len(given.getlist(name)) > 1:
            raise RequestProblem(
                422, f"parameter {name!r} takes one value and is given several", parameter=name
            )


def _parameters_of(route: Any) -> dict[str, bool]:  # noqa: ANN401 - FastAPI's
    """The query parameters of a route, and whether each takes several values."""
    return {
        field.alias: _takes_several(field.field_info.annotation)
        for field in get_flat_params(route.dependant)
        # Fields of a model for the whole query do not say where they are from.
        if isinstance(field.field_info, Query) or not isinstance(field.field_info, Param)
    }


def _takes_several(annotation: object) -> bool:
    return any(get_origin(one) in SEVERAL for one in (annotation, *get_args(annotation)))
