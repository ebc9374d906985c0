"""The schemas that are checked in are those of the contract, and only grow within a version."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pipelines import event_schemas
from pipelines.event import EVENT, EVENT_TYPES, Event
from pipelines.event_asyncapi import ASYNCAPI_FILE, asyncapi_document
from pipelines.event_examples import event_examples
from pipelines.event_schemas import (
    FOLDER,
    SCHEMAS,
    as_text,
    breaking_changes,
    generated,
    schema_file,
)


def schema_of(event: dict[str, Any]) -> dict[str, Any]:
    """The schema that an event names, as a reader finds it."""
    *_, name, major = event["dataschema"].split(":")
    body = schema_file(f"{name}-{major}.json")
    assert body is not None
    schema = json.loads(body)
    assert schema["$id"] == event["dataschema"]
    return dict(schema)


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES))
def test_every_kind_of_event_names_a_schema_and_fits_it(kind: str) -> None:
    event = json.loads(event_examples()[kind].model_dump_json())
    schema = schema_of(event)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(event["data"])
    # A reader of today has to live with what a newer program adds.
    validator.validate(event["data"] | {"new": 1})
    with pytest.raises(ValidationError):
        validator.validate({})


def test_what_is_published_keeps_its_schema() -> None:
    event = event_examples()["cityeye.camera.state"].finished("7")
    assert EVENT.validate_json(event.model_dump_json()).dataschema == event.dataschema
    assert event.dataschema == "urn:cityeye:schema:camera-state:1"


def test_the_files_are_those_of_the_contract() -> None:
    assert set(generated()) <= set(SCHEMAS)
    document = (FOLDER / ASYNCAPI_FILE).read_text("utf-8")
    assert document == as_text(asyncapi_document()), "run `python -m pipelines.event_schemas`"
    assert len(generated()) == len(get_args(get_args(Event)[0]))
    command = "run `python -m pipelines.event_schemas`"
    for name, schema in generated().items():
        known = json.loads((FOLDER / name).read_text("utf-8"))
        assert list(breaking_changes(known, schema)) == [], f"{name}: raise the major version"
        assert (FOLDER / name).read_text("utf-8") == as_text(schema), f"{name} is old: {command}"


@pytest.mark.parametrize("name", ["", "../event.py", "incident-1", "incident-9.json", "."])
def test_nothing_else_is_given_away(name: str) -> None:
    assert schema_file(name) is None


def incident_schema() -> Any:
    return copy.deepcopy(generated()["incident-2.json"])


def test_what_only_grows_breaks_nobody() -> None:
    schema = incident_schema()
    schema["properties"]["lane"] = {"type": "string", "default": ""}
    schema["$defs"]["LaneData"] = {"type": "object"}
    schema["$defs"]["CameraData"]["description"] = "Something else."
    assert list(breaking_changes(generated()["incident-2.json"], schema)) == []


def gone(schema: Any) -> None:
    del schema["properties"]["zone"]


def retyped(schema: Any) -> None:
    schema["properties"]["revision"]["type"] = "string"


def demanded(schema: Any) -> None:
    schema["properties"]["lane"] = {"type": "string"}
    schema["required"].append("lane")


def excused(schema: Any) -> None:
    schema["required"].remove("zone")


def one_more_severity(schema: Any) -> None:
    schema["properties"]["severity"]["enum"].append("extreme")


def closed(schema: Any) -> None:
    schema["additionalProperties"] = False


def inner(schema: Any) -> None:
    del schema["$defs"]["KeyframeData"]["properties"]["sha256"]


@pytest.mark.parametrize(
    "change", [gone, retyped, demanded, excused, one_more_severity, closed, inner]
)
def test_every_other_change_is_noticed_and_not_written(
    change: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = incident_schema()
    change(schema)
    (problem, *_) = breaking_changes(generated()["incident-2.json"], schema)
    assert problem.startswith("/")
    path = tmp_path / "incident-2.json"
    path.write_text(as_text(generated()["incident-2.json"]), "utf-8")
    before = path.read_bytes()
    monkeypatch.setattr(event_schemas, "FOLDER", tmp_path)
    monkeypatch.setattr(event_schemas, "generated", lambda: {"incident-2.json": schema})
    assert event_schemas.main() == 1
    assert "Raise the major version" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_every_schema_has_examples_that_fit_it() -> None:
    for name, schema in generated().items():
        assert schema["examples"], name
        for one in schema["examples"]:
            Draft202012Validator(schema).validate(one)


def test_examples_are_of_every_type_and_are_read_as_they_were_written() -> None:
    assert event_examples().keys() == EVENT_TYPES
    for kind, event in event_examples().items():
        assert event.model_dump()["type"] == kind
        assert EVENT.validate_json(event.model_dump_json()) == event


def test_the_asyncapi_document_has_a_message_of_every_type() -> None:
    document = asyncapi_document()
    messages = document["components"]["messages"]
    assert {one["name"] for one in messages.values()} == EVENT_TYPES
    (channel,) = document["channels"].values()
    assert channel["messages"].keys() == messages.keys()
    for one in messages.values():
        schema = one["payload"]["schema"]
        Draft202012Validator.check_schema(schema)
        file = schema["properties"]["data"]["$ref"].removeprefix("./")
        assert file in SCHEMAS
        (example,) = one["examples"]
        assert example["payload"]["type"] == schema["properties"]["type"]["const"]
