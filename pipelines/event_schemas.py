"""JSON Schemas (2020-12) of what events hold in `data`, made from the types of the contract.

They are checked in beside this module. Within a major version a schema only grows: what is read by
an older schema goes on being valid, and what an older program sent is valid by a newer one. So a
property may be added that nobody has to give, and nothing else may change. Something else gets the
next major version, in `pipelines.event` and as a file of its own; the old file stays.
`python -m pipelines.event_schemas` writes the files anew, and refuses a change that breaks readers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from pydantic.json_schema import GenerateJsonSchema

from pipelines.event import EVENT, Event, OutgoingEvent
from pipelines.event_asyncapi import ASYNCAPI_FILE, asyncapi_document
from pipelines.event_examples import event_examples

FOLDER: Final = Path(__file__).parent / "schemas"
SCHEMA_MEDIA_TYPE: Final = "application/schema+json"
ASYNCAPI_MEDIA_TYPE: Final = "application/vnd.aai.asyncapi+json;version=3.0.0"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: Final = tuple(sorted(path.name for path in FOLDER.glob("*.json")))
"""Names of the files, those of earlier major versions and the AsyncAPI document included."""

_PROSE: Final = frozenset({"title", "description", "examples", "$id", "$schema"})
_NAMED: Final = frozenset({"properties", "$defs"})
"""Keywords that hold schemas by name; a new name breaks no reader."""


def schema_file(name: str) -> bytes | None:
    """The bytes of a schema by the name of its file, such as `incident-1.json`; None for others."""
    return (FOLDER / name).read_bytes() if name in SCHEMAS else None


def schema_media_type(name: str) -> str:
    """What a file is, by its name."""
    return ASYNCAPI_MEDIA_TYPE if name == ASYNCAPI_FILE else SCHEMA_MEDIA_TYPE


def event_components(prefix: str) -> dict[str, Any]:
    """The schemas of all events for an OpenAPI description, by name.

    Args:
        prefix: Begins every name; the schema with this name takes any kind of event.
    """
    template = f"#/components/schemas/{prefix}.{{model}}"
    made = EVENT.json_schema(ref_template=template, mode="validation")
    named = {f"{prefix}.{name}": schema for name, schema in made.pop("$defs").items()}
    examples = [one.model_dump(mode="json") for one in event_examples().values()]
    return {**named, prefix: {**made, "examples": examples}}


@cache
def generated() -> Mapping[str, Mapping[str, Any]]:
    """The schema of every kind of event, by the name of its file."""
    return dict(map(_generate, get_args(get_args(Event)[0])))


def _generate(kind: type[OutgoingEvent]) -> tuple[str, dict[str, Any]]:
    identity = kind.model_fields["dataschema"].default
    if identity is None:
        raise ValueError(f"{kind.__name__} names no schema: give its `dataschema` a default")
    # As a reader sees it: what has a default may be missing, as it is in older events.
    data = kind.model_fields["data"].annotation
    made = data.model_json_schema(schema_generator=GenerateJsonSchema, mode="validation")  # type: ignore[union-attr]
    *_, name, major = identity.split(":")
    examples = [
        one.model_dump(mode="json")["data"]
        for one in event_examples().values()
        if isinstance(one, kind)
    ]
    schema = {"$schema": DIALECT, "$id": identity, **made, "examples": examples}
    return f"{name}-{major}.json", schema


def as_text(schema: Mapping[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def breaking_changes(old: object, new: object, place: str = "") -> Iterator[str]:
    """What in a new schema breaks readers of the old one, or senders of what it describes."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        if old != new:
            yield f"{place} was {json.dumps(old)} and would be {json.dumps(new)}"
        return
    is_named = place.rpartition("/")[2] in _NAMED
    for name in sorted(old.keys() | new.keys()):
        inner = f"{place}/{name}"
        if not is_named and name in _PROSE:
            continue
        if name not in new:
            yield f"{inner} is gone"
        elif name in old:
            yield from breaking_changes(old[name], new[name], inner)
        elif not is_named and name not in _NAMED:
            yield f"{inner} is new and is no property"


def main() -> int:
    """Writes the schemas, unless one of them would break readers."""
    status = 0
    for name, schema in generated().items():
        path = FOLDER / name
        known = json.loads(path.read_text("utf-8")) if path.exists() else schema
        problems = list(breaking_changes(known, schema))
        if problems:
            status = 1
            lines = "\n  ".join(problems)
            print(  # noqa: T201 - a command
                f"{name} is not written, as this breaks readers of it:\n  {lines}\n"
                "Raise the major version of its schema in pipelines/event.py, or take it back.",
                file=sys.stderr,
            )
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(as_text(schema), encoding="utf-8")
    (FOLDER / ASYNCAPI_FILE).write_text(as_text(asyncapi_document()), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
