import base64
import hashlib
import http.client
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from event_hub.access import ROUTES
from tests.event_hub.conftest import Client, StartHub
from tests.event_hub.samples import (
    START,
    camera_state,
    dump,
    heartbeat,
    incident,
    keyframe,
    picture,
)

BATCH = "application/cloudevents-batch+json"
KEY = "kf-30d/v1/2026/11/20/cam-1/04/i-1-0-abc.jpg"


def test_a_delivery_and_its_repetition_are_both_accepted(hub: Client) -> None:
    first, second = hub.post(incident()), hub.post(incident())
    assert (first.status, first.json()) == (200, {"stored": 1, "duplicates": 0})
    assert (second.status, second.json()) == (200, {"stored": 0, "duplicates": 1})


def test_a_batch_is_split_into_the_very_bytes_it_carries(hub: Client) -> None:
    pieces = [dump(incident("a")), dump(incident("b", zone="Süd")), dump(incident("a"))]
    body = b" [\n" + b" ,\n".join(pieces) + b" ] "
    answer = hub.post(body, {"Content-Type": BATCH})
    assert answer.json() == {"stored": 2, "duplicates": 1}
    stored = hub.json("/api/events")["events"]
    assert [e["sha256"] for e in stored] == [hashlib.sha256(p).hexdigest() for p in pieces[:2]]
    assert [e["size_bytes"] for e in stored] == [len(piece) for piece in pieces[:2]]


def test_one_bad_event_refuses_the_whole_batch_and_is_named(hub: Client) -> None:
    bad = incident("b")
    del bad["data"]["kind"]
    answer = hub.post(dump([incident("a"), bad]), {"Content-Type": BATCH})
    assert (answer.status, answer.json()["attribute"]) == (422, "1.data.kind")
    assert hub.json("/health")["events"] == 0


def without(name: str) -> dict[str, Any]:
    event = incident()
    del event[name]
    return event


@pytest.mark.parametrize(
    ("event", "attribute"),
    [
        (without("id"), "id"),
        (without("specversion") | {"specversion": "0.3"}, "specversion"),
        (incident() | {"id": ""}, "id"),
        (incident() | {"source": "a\nb"}, "source"),
        (incident() | {"type": "com.example.other"}, "type"),
        (incident() | {"time": "2026-11-20T04:30:00"}, "time"),
        (incident() | {"time": "0001-01-01T00:00:00Z"}, "time"),
        (incident() | {"time": 1700000000}, "time"),
        (incident() | {"data": 5}, "data"),
        (incident(revision=0), "data.revision"),
        (incident() | {"data": incident()["data"] | {"revision": 2**63}}, "data.revision"),
        (incident(phase="started") | {"type": "cityeye.incident.ended"}, "data.phase"),
        (incident(severity="awful"), "data.severity"),
        (incident(camera={}), "data.camera.id"),
        (incident(detail={"speed": float("nan")}), "data"),
        (incident(keyframes=[keyframe("../../etc/passwd", b"")]), "data.keyframes.0.key"),
        (incident(keyframes=[keyframe("/etc/passwd", b"")]), "data.keyframes.0.key"),
        (camera_state(state="Sleepy!"), "data.state"),
        (camera_state() | {"incarnation": -1}, "incarnation"),
        (camera_state() | {"incarnation": 2**53}, "incarnation"),
        (heartbeat({"cam-1": "online"}, beat=0), "data.beat"),
        (heartbeat({"cam-1": "online"}) | {"expirytime": "soon"}, "expirytime"),
    ],
)
def test_a_malformed_event_is_refused_by_the_attribute(
    empty_hub: Client, event: dict[str, Any], attribute: str
) -> None:
    answer = empty_hub.post(json.dumps(event).encode())
    assert answer.status == 422
    problem = answer.json()
    assert problem["attribute"] == attribute
    assert f"'{attribute}'" in problem["detail"]
    assert "\n" not in problem["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'{"id":"\xff"}', b'{"a":"\\ud800"}', b"[" * 9000]
)
def test_what_is_no_json_object_is_refused(empty_hub: Client, body: bytes) -> None:
    assert empty_hub.post(body).status == 400


@pytest.mark.parametrize("body", [b"{}", b"[]", b"[{},]", b"[{} {}]", b"[[{}]", b"[{}]]", b"[1]"])
def test_what_is_no_batch_is_refused(empty_hub: Client, body: bytes) -> None:
    assert empty_hub.post(body, {"Content-Type": BATCH}).status in {400, 422}


def test_an_unknown_type_of_ours_is_kept_for_later(hub: Client) -> None:
    measurement = incident() | {"type": "cityeye.measurement.flow", "data": {"vehicles": 7}}
    assert hub.post(measurement).json()["stored"] == 1
    assert hub.json("/api/events")["events"][0]["event"]["data"] == {"vehicles": 7}
    assert hub.json("/api/incidents")["incidents"] == []


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
def test_the_body_limit_is_64_kib(hub: Client, size: int, status: int) -> None:
    body = dump(incident())
    body = body[:-1] + b" " * (size - len(body)) + b"}"
    assert hub.post(body).status == status


def test_a_large_chunked_body_is_cut_off(empty_hub: Client) -> None:
    chunks = iter([b"x" * 65536] * 3)
    connection = http.client.HTTPConnection(empty_hub.url.removeprefix("http://"), timeout=10)
    headers = {"Content-Type": "application/cloudevents+json"} | empty_hub.auth
    connection.request("POST", "/api/events", chunks, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/cloudevents+json; charset=gbk"]
)
def test_another_content_type_is_refused(empty_hub: Client, content_type: str) -> None:
    answer = empty_hub.post(incident(), {"Content-Type": content_type})
    assert answer.status == 415
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "cloudevents+json" in answer.json()["detail"]


def test_a_charset_parameter_is_fine(hub: Client) -> None:
    content_type = 'Application/CloudEvents+JSON; charset="UTF-8"'
    assert hub.post(incident(), {"Content-Type": content_type}).status == 200


def test_incidents_are_listed_by_state_kind_and_camera(hub: Client) -> None:
    hub.post(incident("jam"))
    hub.post(incident("bag", kind="littering.dropped_object", camera={"id": "cam-2"}))
    hub.post(incident("old", revision=2, phase="ended"))

    def ids(**query: str) -> set[str]:
        return {i["incident_id"] for i in hub.json("/api/incidents", **query)["incidents"]}

    assert ids() == {"jam", "bag", "old"}
    assert ids(state="open") == {"jam", "bag"}
    assert ids(state="ended") == {"old"}
    assert ids(kind="littering.dropped_object") == {"bag"}
    assert ids(camera="cam-1", state="open") == {"jam"}


def test_pages_walk_through_all_incidents_newest_first(hub: Client) -> None:
    # Pairs that opened at the same moment must neither repeat nor vanish between pages.
    events = [
        incident(f"i-{n}", opened_at=START + timedelta(seconds=n // 2 * 60)) for n in range(7)
    ]
    hub.post(json.dumps(events).encode(), {"Content-Type": BATCH})
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    for _ in range(4):
        page = hub.json("/api/incidents", **query)
        seen += [i["incident_id"] for i in page["incidents"]]
        query["before"] = page["next_before"] or ""
    assert seen == ["i-6", "i-5", "i-4", "i-3", "i-2", "i-1", "i-0"]
    assert page["next_before"] is None


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/incidents", {"limit": "0"}),
        ("/api/incidents", {"limit": "201"}),
        ("/api/incidents", {"state": "asleep"}),
        ("/api/incidents", {"before": "yesterday"}),
        ("/api/incidents", {"before": f"{2**70}.x"}),
        ("/api/incidents", {"knd": "traffic.congestion"}),
        ("/api/cameras", {"limit": "1"}),
        ("/api/keyframes/a.jpg", {"size": "1"}),
        ("/api/events", {"after": "-1"}),
        ("/api/events", {"after": str(2**63)}),
    ],
)
def test_a_bad_parameter_is_refused_by_name(
    empty_hub: Client, path: str, query: dict[str, str]
) -> None:
    answer = empty_hub.get(path, **query)
    assert answer.status == 422
    assert answer.json()["parameter"] == next(iter(query))


def test_an_incident_comes_with_its_history_in_order(hub: Client) -> None:
    hub.post(incident(revision=3, phase="ended"))
    hub.post(incident(revision=1))
    hub.post(incident(revision=2, phase="updated", severity="high"))
    record = hub.json("/api/incidents/i-1")
    assert record["incident"]["phase"] == "ended"
    steps = [(s["revision"], s["phase"], s["severity"]) for s in record["history"]]
    assert steps == [(1, "started", "medium"), (2, "updated", "high"), (3, "ended", "medium")]
    assert hub.get("/api/incidents/none").status == 404


def test_a_follower_reads_every_event_once(hub: Client) -> None:
    for number in range(5):
        hub.post(incident(f"i-{number}"))
    after, seen = 0, []
    while events := (page := hub.json("/api/events", after=str(after), limit="2"))["events"]:
        seen += [event["event"]["id"] for event in events]
        after = page["next_after"]
    assert seen == [f"i-{number}-1" for number in range(5)]
    assert hub.json("/api/events", after=str(after))["next_after"] == after


def test_cameras_show_their_newest_state(hub: Client) -> None:
    later = START + timedelta(minutes=1)
    hub.post(camera_state("cam-1", "offline", 2, at=later))
    hub.post(camera_state("cam-1", "online", 1))
    hub.post(camera_state("cam-2", "online", 3))
    hub.post(camera_state("cam-3", "wedged", 4))
    # Older than the events: it only says that somebody watches.
    hub.post(heartbeat(dict.fromkeys(("cam-1", "cam-2", "cam-3"), "online")))
    listing = hub.json("/api/cameras")
    states = {camera["camera"]["id"]: camera["state"] for camera in listing["cameras"]}
    assert states == {"cam-1": "offline", "cam-2": "online", "cam-3": "wedged"}
    assert listing["online"] == 1


def test_a_camera_without_heartbeats_is_silent_whatever_was_reported(hub: Client) -> None:
    hub.post(camera_state("cam-1", "online"))
    listing = hub.json("/api/cameras")
    (camera,) = listing["cameras"]
    assert (camera["state"], camera["heard_at"], listing["online"]) == ("silent", None, 0)
    assert "last known: online" in camera["reason"]


def test_heartbeats_are_accepted_and_not_stored(hub: Client) -> None:
    for beat in (1, 2):
        answer = hub.post(heartbeat({"cam-1": "online"}, beat))
        assert answer.json() == {"stored": 0, "duplicates": 0}
    assert hub.json("/api/events")["events"] == []
    (camera,) = hub.json("/api/cameras")["cameras"]
    assert (camera["state"], camera["camera"]["name"]) == ("online", "Cam-1")


class Store:
    """A picture store that does what the test says."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def fetch(self, key: str) -> bytes:
        self.asked.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_named_keyframe_is_served_from_the_folder(hub: Client, tmp_path: Path) -> None:
    data = picture()
    (tmp_path / "kf" / KEY).parent.mkdir(parents=True)
    (tmp_path / "kf" / KEY).write_bytes(data)
    (tmp_path / "kf" / "unnamed.jpg").write_bytes(data)
    hub.post(incident(keyframes=[keyframe(KEY, data)]))
    answer = hub.get(f"/api/keyframes/{KEY}")
    assert (answer.status, answer.data) == (200, data)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert hub.get("/api/keyframes/unnamed.jpg").status == 404


@pytest.mark.parametrize(
    "path", ["../hub.db", "..%2fhub.db", "%2e%2e/hub.db", "a/../../hub.db", "%2fetc/passwd", "%00"]
)
def test_no_path_leads_out_of_the_store(start_hub: StartHub, path: str) -> None:
    store = Store(b"secret")
    hub = start_hub(store)
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
    connection.request("GET", f"/api/keyframes/{path}", headers=hub.auth)
    assert connection.getresponse().status == (422 if path == "%00" else 404)
    connection.close()
    assert store.asked == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [(KeyError(KEY), 404), (TimeoutError("store"), 503), (b"another picture", 502)],
)
def test_a_store_without_the_right_keyframe_is_named(
    start_hub: StartHub, answer: bytes | Exception, status: int
) -> None:
    hub = start_hub(Store(answer))
    hub.post(incident(keyframes=[keyframe(KEY, picture())]))
    reply = hub.get(f"/api/keyframes/{KEY}")
    assert reply.status == status
    assert reply.json()["detail"]


def test_one_that_is_gone_says_when_it_was_taken(hub: Client) -> None:
    name = "7d444840-9dc0-11d1-b245-5ffdce74fad2-0-0123456789abcdef.jpg"
    key = f"kf-30d/v1/2020/01/31/cam-1/04/{name}"
    assert "no event" in hub.get(f"/api/keyframes/{key}").json()["detail"]
    hub.post(incident(keyframes=[keyframe(key, picture())]))
    answer = hub.get(f"/api/keyframes/{key}")
    assert answer.status == 404
    assert "taken on 2020-01-31: not yet, or retention has deleted it" in answer.json()["detail"]


def test_schemas_are_for_everybody(hub: Client) -> None:
    for name in ("incident", "camera-state", "measurement", "heartbeat", "notice"):
        url = f"{hub.url}/schemas/{name}-1.json"
        answer = hub.http.request("GET", url, headers={})
        assert answer.json()["$id"] == f"urn:cityeye:schema:{name}:1"
        assert answer.headers["content-type"] == "application/schema+json"
    assert hub.get("/schemas/..%2fevent.py").status in {403, 404}
    assert hub.get("/schemas/none.json").status == 404


KEY_BYTES = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY_BYTES).decode()


def signed(body: bytes, *, key: bytes = KEY_BYTES, age_s: int = 0) -> dict[str, str]:
    timestamp_s = int(time.time()) - age_s
    return {
        "webhook-id": "i-1-1",
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": Webhook(key).sign(
            "i-1-1", datetime.fromtimestamp(timestamp_s, UTC), body.decode()
        ),
    }


def test_with_a_secret_only_signed_deliveries_count(start_hub: StartHub) -> None:
    old = "whsec_" + base64.b64encode(b"o" * 24).decode()
    hub = start_hub(webhook_secrets=(SECRET, old))
    body = dump(incident())
    good = signed(body)
    refused = [
        {},
        signed(body + b" "),
        signed(body, key=b"x" * 32),
        signed(body, age_s=400),
        signed(body, age_s=-400),
        good | {"webhook-id": "another"},
        good | {"webhook-timestamp": "soon"},
        good | {"webhook-signature": "v1,"},
        good | {"webhook-signature": "no signature"},
        good | {"webhook-signature": "v1,é"},
        good | {"webhook-signature": good["webhook-signature"].replace("v1", "v9")},
    ]
    for headers in refused:
        answer = hub.post(body, headers)
        assert (answer.status, hub.json("/health")["events"]) == (401, 0), headers
    rotated = signed(body, key=b"o" * 24)
    rotated["webhook-signature"] = "v1,AAAA " + rotated["webhook-signature"]
    assert hub.post(body, rotated).status == 200
    assert hub.post(body, good).status == 200


def test_health_counts_what_is_there(hub: Client) -> None:
    empty = hub.json("/health")
    assert (empty["status"], empty["last_received_at"]) == ("ok", None)
    hub.post(incident("a"))
    hub.post(incident("b", revision=2, phase="ended"))
    health = hub.json("/health")
    assert (health["events"], health["open_incidents"]) == (2, 1)


def test_the_description_is_typed_and_every_other_page_is_absent(empty_hub: Client) -> None:
    description = empty_hub.json("/api/openapi.json")
    paths = {path.strip("/") for path in description["paths"]}
    for path, methods in description["paths"].items():
        filled = re.sub(r"{\w+}", "x", path)
        assert all(ROUTES.find(method.upper(), filled) for method in methods), path
    assert {"api/events", "api/incidents", "api/keyframes/{key}", "api/audit"} <= paths
    answers = description["paths"]["/api/incidents"]["get"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/IncidentPage"}
    assert empty_hub.get("/docs").status == 403
