"""Turns what pydantic has against a document into problems that a person can act on.

Every problem gets the key, the line and a remedy made of the schema's own descriptions. A value is
quoted only where its key can hold no secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, get_args

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo

from cityeye.config.document import Document
from cityeye.config.problem import SECRET_KEYS, Key, choice, sentence

MAX_QUOTED = 40

NOT_A_TYPE = {
    "bool_parsing": "neither true nor false",
    "bool_type": "neither true nor false",
    "dict_type": "not a mapping of keys to values",
    "float_parsing": "not a number",
    "float_type": "not a number",
    "finite_number": "not a finite number",
    "int_from_float": "not a whole number",
    "int_parsing": "not a whole number",
    "int_type": "not a whole number",
    "list_type": "not a list",
    "model_type": "not a mapping of keys to values",
    "path_type": "not a path",
    "string_type": "not text",
    "time_delta_parsing": "not a duration",
    "time_delta_type": "not a duration",
    "tuple_type": "not a list",
}
LIMITS = {
    "greater_than": ("gt", "not above"),
    "greater_than_equal": ("ge", "below"),
    "less_than": ("lt", "not below"),
    "less_than_equal": ("le", "above"),
}
PLAIN = {
    "literal_error": "is not one of the possible words",
    "string_pattern_mismatch": "is not written as it must be",
    "too_long": "has too many values",
    "too_short": "has too few values",
}


def report_mistakes(
    document: Document, error: ValidationError, schema: type[BaseModel], prefix: Key = ()
) -> None:
    """Adds a problem to the document for everything in `error`, below the key `prefix`."""
    for detail in error.errors(include_url=False):
        place: Key = tuple(detail["loc"])
        if place and place[-1] == "[key]":
            place = place[:-1]
        what, remedy = _explain(detail, place, schema)
        document.report((*prefix, *_untagged(schema, place)), what, remedy)


def _explain(detail: Mapping[str, Any], place: Key, schema: type[BaseModel]) -> tuple[str, str]:
    """What is wrong and the remedy."""
    kind: str = detail["type"]
    if kind == "mistake":
        return detail["ctx"]["what"], detail["ctx"]["remedy"]
    if kind == "value_error" and "; " in detail["msg"]:
        what, _, remedy = str(detail["ctx"]["error"]).partition("; ")
        return what, sentence(remedy)
    if kind == "extra_forbidden":
        *_, parent = _way(schema, place[:-1])
        section = _model(parent)
        known = section.model_fields if section is not None else ()
        return "the key is unknown", choice(str(place[-1]), known, "keys")
    remedy = _expectation(_field(schema, place))
    if kind != "missing" and detail.get("input", "") is None:
        return "the value is missing", f"{remedy} Or remove the key."
    if kind == "string_type" and "quotes" not in remedy:
        remedy += " Put a value that looks like a number, date or yes/no in quotes."
    return _what(detail, place), remedy


def _what(detail: Mapping[str, Any], place: Key) -> str:
    kind: str = detail["type"]
    value = _quoted(detail.get("input"), place)
    if kind == "missing" and place and isinstance(place[-1], int):
        return f"the list ends before its value {place[-1] + 1}"
    if kind == "missing":
        return "the key is missing"
    if kind in NOT_A_TYPE:
        return f"{value} is {NOT_A_TYPE[kind]}"
    if kind in LIMITS:
        name, relation = LIMITS[kind]
        limit = detail["ctx"][name]
        return f"{value} is {relation} {limit if isinstance(limit, str) else f'{limit:g}'}"
    message = str(detail["msg"])
    foreign = f"does not fit: {message[:1].lower()}{message[1:].rstrip('.')}"
    return f"{value} {PLAIN.get(kind, foreign)}"


def _quoted(value: object, place: Key) -> str:
    if SECRET_KEYS.intersection(part for part in place if isinstance(part, str)):
        return "the value"
    if not isinstance(value, str | int | float):
        return "the value"
    text = " ".join(str(value).split())
    return f"`{text}`" if len(text) <= MAX_QUOTED else f"`{text[:MAX_QUOTED]}...`"


def _expectation(field: FieldInfo | None) -> str:
    """The remedy that a field's description and example make."""
    if field is None or not field.description:
        return "See examples/city.yaml."
    example = f", for example `{field.examples[0]}`" if field.examples else ""
    return f"Give {field.description}{example}."


def _way(schema: type[BaseModel], place: Key) -> Iterator[Any]:
    """The annotations on the way to a place, that of the schema first."""
    return accumulate(place, _child, initial=schema)


def _field(schema: type[BaseModel], place: Key) -> FieldInfo | None:
    """The innermost field with a description on the way to a place."""
    field: FieldInfo | None = None
    for part, annotation in zip(place, _way(schema, place), strict=False):
        section = _model(annotation)
        own = section.model_fields.get(str(part)) if section is not None else None
        field = own if own is not None and own.description else field
    return field


def _child(annotation: Any, part: str | int) -> Any:  # noqa: ANN401 - annotations have no type
    """The annotation of what stands under one key, index or tag."""
    if part in (kinds := _kinds(annotation)):
        return kinds[part]
    section = _model(annotation)
    if section is not None:
        field = section.model_fields.get(str(part))
        return field.annotation if field is not None else None
    for argument in reversed(get_args(annotation)):
        if argument is not type(None) and argument is not Ellipsis:
            container = get_args(argument)
            return _child(argument, part) if container and _is_optional(annotation) else argument
    return None


def _kinds(annotation: Any) -> dict[str | int, Any]:  # noqa: ANN401 - annotations have no type
    """The members of a discriminated union by tag; nothing where it is none."""
    members = get_args(next(iter(get_args(annotation)), None))
    marks = [(mark, member) for member in members for mark in getattr(member, "__metadata__", ())]
    return {mark.tag: get_args(member)[0] for mark, member in marks if isinstance(mark, Tag)}


def _untagged(schema: type[BaseModel], place: Key) -> Key:
    """A place as it stands in the document: without the tags of discriminated unions."""
    way = zip(place, _way(schema, place), strict=False)
    return tuple(part for part, annotation in way if part not in _kinds(annotation))


def _is_optional(annotation: Any) -> bool:  # noqa: ANN401 - annotations have no type
    return type(None) in get_args(annotation)


def _model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - annotations have no type
    """The section in an annotation that is one, or that may be one or None."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate if candidate is annotation or _is_optional(annotation) else None
    return None
