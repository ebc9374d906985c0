"""The AsyncAPI 3.0 document of what a city publishes: its channel, and a message for every type.

It lies among the schemas and refers to them by the names of their files, so that it can be read
where it lies and where the hub and the control API give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from pipelines.event import OutgoingEvent
from pipelines.event_examples import event_examples

ASYNCAPI_FILE: Final = "asyncapi.json"
STRUCTURED: Final = "application/cloudevents+json"
SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
CHANNEL: Final = "events"


def asyncapi_document() -> dict[str, Any]:
    """The document."""
    examples = event_examples()
    messages = {_name(one): _message(one, event) for one, event in examples.items()}
    references = {name: {"$ref": f"#/components/messages/{name}"} for name in sorted(messages)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "CityEye events",
            "version": "1.0.0",
            "description": (
                "What a city publishes to every sink, and what its hub says of cases. Delivery is"
                " at least once and in order per camera: keep the greatest `(incarnation,"
                " sequence)` of a `source`, and know an event by `source` and `id`."
            ),
        },
        "defaultContentType": STRUCTURED,
        "channels": {
            CHANNEL: {
                "title": "Events of one city",
                "description": (
                    "The address is that of the sink in the configuration: a URL that takes POST, a"
                    " topic of Kafka, or a topic of MQTT, by default the `source` of the event."
                ),
                "address": None,
                "messages": references,
                "bindings": {"kafka": {"bindingVersion": "0.5.0"}},
            }
        },
        "operations": {
            "publishEvents": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{CHANNEL}"},
                "summary": "A city sends each event until it is acknowledged.",
                "bindings": {
                    "http": {"method": "POST", "bindingVersion": "0.3.0"},
                    "mqtt": {"qos": 1, "retain": False, "bindingVersion": "0.2.0"},
                },
            }
        },
        "components": {"messages": messages},
    }


def _name(event_type: str) -> str:
    """The name of a message: of `cityeye.incident.started` it is `incidentStarted`."""
    first, *rest = event_type.split(".")[1:]
    return first + "".join(piece.title().replace("_", "") for piece in rest)


def _message(event_type: str, event: OutgoingEvent) -> dict[str, Any]:
    summary = (type(event).__doc__ or "").partition("\n")[0]
    return {
        "name": event_type,
        "title": event_type,
        "summary": summary,
        "contentType": STRUCTURED,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": envelope_schema(event_type, event)},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": event_type, "payload": event.model_dump(mode="json")}],
    }


def envelope_schema(event_type: str, event: OutgoingEvent) -> Mapping[str, Any]:
    """The schema of an event as it is sent; that of its data stands in a file of its own."""
    made = type(event).model_json_schema(schema_generator=GenerateJsonSchema, mode="validation")
    *_, name, major = str(event.dataschema).split(":")
    properties = {
        **made["properties"],
        "type": {"const": event_type},
        "data": {"$ref": f"./{name}-{major}.json"},
    }
    return {
        "title": event_type,
        "type": "object",
        "required": made["required"],
        "properties": properties,
    }
