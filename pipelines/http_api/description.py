"""The OpenAPI description of an API: what each route needs, and the one shape of its refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from pipelines.access import PROBLEM_MEDIA_TYPE, ProblemDetails, RouteTable

PROBLEM: Final = "ProblemDetails"
UNUSED: Final = ("HTTPValidationError", "ValidationError")
"""What FastAPI would answer itself."""
TOKEN: Final = "token"  # noqa: S105 - a name
METHODS: Final = ("get", "put", "post", "patch", "delete")
REFERENCE: Final = "#/components/schemas/"
OLD_ERROR_STATUS: Final = 400


def complete(
    description: dict[str, Any], routes: RouteTable, schemas: Mapping[str, Any]
) -> dict[str, Any]:
    """The description that FastAPI makes, with what it cannot know.

    Args:
        description: Is changed.
        routes: Which scope each route needs.
        schemas: More schemas for its components, by name.
    """
    components = description.setdefault("components", {})
    known = components.setdefault("schemas", {})
    for name in UNUSED:
        known.pop(name, None)
    reference = REFERENCE + "{model}"
    known[PROBLEM] = ProblemDetails.model_json_schema(ref_template=reference)
    known.update(schemas)
    components["securitySchemes"] = {
        TOKEN: {"type": "http", "scheme": "bearer", "description": "`cityeye token new` makes one."}
    }
    for method, path, operation in _operations(description):
        rule = routes.find(method.upper(), path.replace("{", "").replace("}", ""))
        scope = rule.scope if rule is not None else None
        operation["security"] = [] if scope is None else [{TOKEN: []}]
        _add_refusals(operation, None if scope is None else str(scope))
    return description


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description.get("paths", {}).items():
        for method in METHODS:
            if method in methods:
                yield method, path, methods[method]


def _add_refusals(operation: dict[str, Any], scope: str | None) -> None:
    responses: dict[str, Any] = operation["responses"]
    said = {
        status: "" for status in responses if status.isdigit() and int(status) >= OLD_ERROR_STATUS
    }
    said["422"] = "A parameter or the body is wrong."
    if scope is not None:
        said |= {"401": "No valid token.", "403": f"The token is not of scope `{scope}`."}
    for status, sentence in sorted(said.items()):
        responses[status] = _refusal(sentence or HTTPStatus(int(status)).phrase)
    responses["default"] = _refusal("Any other refusal.")


def _refusal(sentence: str) -> dict[str, Any]:
    schema = {"$ref": REFERENCE + PROBLEM}
    return {"description": sentence, "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}
