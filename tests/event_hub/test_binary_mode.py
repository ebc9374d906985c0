"""Events in binary mode become the same as structured ones, and bring nothing else with them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from pipelines.event_examples import event_examples
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.samples import dump, incident


def binary(event: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """The headers and the body of an event, by the rules of CloudEvents."""
    headers = {
        f"ce-{name}": quote(str(value), safe=" :/+-._~")
        for name, value in event.items()
        if name not in ("data", "datacontenttype") and value is not None
    }
    return headers | {"Content-Type": "application/json"}, dump(event["data"])


def send(client: Client, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    answer = client.http.request(
        "POST", f"{client.url}/api/events", body=body, headers=client.auth | headers
    )
    return answer.status, answer.json()


@pytest.mark.parametrize("kind", sorted(event_examples()))
def test_every_type_becomes_what_it_is(hub: Client, kind: str) -> None:
    event = event_examples()[kind].model_dump(mode="json")
    status, receipt = send(hub, *binary(event))
    assert status == 200, receipt
    if kind == "cityeye.worker.heartbeat":
        return
    (stored,) = hub.json("/api/events")["events"]
    given = {name: value for name, value in event.items() if value is not None}
    assert stored["event"] == given
    assert send(hub, *binary(event))[1] == {"stored": 0, "duplicates": 1}


def test_attributes_are_percent_encoded(hub: Client) -> None:
    headers, body = binary(incident() | {"subject": "北门 100%", "extra": '"quoted"'})
    assert all(value.isascii() for value in headers.values())
    assert send(hub, headers, body)[0] == 200
    event = hub.json("/api/events")["events"][0]["event"]
    assert (event["subject"], event["extra"]) == ("北门 100%", '"quoted"')


@pytest.mark.parametrize(
    ("change", "body", "status", "attribute"),
    [
        ({"ce-id": ""}, None, 422, "id"),
        ({"ce-specversion": "0.3"}, None, 422, "specversion"),
        ({"ce-incarnation": "many"}, None, 422, "incarnation"),
        ({"ce-data": "5"}, None, 422, "data"),
        ({"ce-datacontenttype": "text/plain"}, None, 422, "datacontenttype"),
        ({"ce-a_b": "5"}, None, 422, "a_b"),
        ({"ce-subject": "%ff"}, None, 422, "subject"),
        ({}, b"{}", 422, "data.incident_id"),
        ({}, b"", 400, None),
        ({}, b'{}, "id": "other"', 400, None),
        ({}, b'{}}, {"data": {}', 400, None),
        ({}, b"\xff", 400, None),
    ],
)
def test_what_is_wrong_is_named(
    empty_hub: Client, change: dict[str, str], body: bytes | None, status: int, attribute: Any
) -> None:
    headers, right = binary(incident())
    answered, problem = send(empty_hub, headers | change, right if body is None else body)
    assert (answered, problem.get("attribute")) == (status, attribute)


def test_plain_json_is_no_event(empty_hub: Client) -> None:
    status, problem = send(empty_hub, {"Content-Type": "application/json"}, b"{}")
    assert (status, "ce-specversion" in problem["detail"]) == (415, True)


def test_what_is_signed_must_be_signed_as_a_whole(start_hub: StartHub) -> None:
    hub = start_hub(webhook_secrets=["whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"])
    status, problem = send(hub, *binary(incident()))
    assert (status, "signature" in problem["detail"]) == (415, True)


def test_the_description_has_every_type_of_event(empty_hub: Client) -> None:
    described = empty_hub.json("/api/openapi.json")
    schemas = described["components"]["schemas"]
    post = described["paths"]["/api/events"]["post"]["requestBody"]["content"]
    assert post["application/cloudevents+json"]["schema"] == {
        "$ref": "#/components/schemas/CloudEvent"
    }
    mapping = schemas["CloudEvent"]["discriminator"]["mapping"]
    assert set(mapping) == set(event_examples())
    used = json.dumps(described)
    for piece in used.split('"$ref": "#/components/schemas/')[1:]:
        assert piece.split('"')[0] in schemas
