"""The hub's metrics: what Prometheus reads, and that no caller can make series."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.event_hub.conftest import Client
from tests.event_hub.samples import camera_state, dump, heartbeat, incident
from tests.event_hub.test_api import BATCH


def samples(hub: Client) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    answer = hub.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(answer.data.decode())
        for one in family.samples
    }


def test_what_came_and_what_is_there_is_counted(hub: Client) -> None:
    hub.post(incident("a", severity="high"))
    events = [incident("a", severity="high"), incident("b"), heartbeat({"cam-1": "online"})]
    hub.post(dump(events), {"Content-Type": BATCH})
    hub.post(camera_state("cam-2", "sleepy"))
    hub.get("/api/incidents/nothing")
    found = samples(hub)
    events_of = {key[1]: value for key, value in found.items() if "events_total" in key[0]}
    assert events_of == {"stored": 3, "duplicate": 1, "heartbeat": 1}
    assert found["cityeye_hub_stored_events",] == 3
    assert found["cityeye_hub_open_incidents", "high"] == 1
    assert found["cityeye_hub_cameras", "online"] == 1
    assert found["cityeye_hub_cameras", "silent"] == 1
    one = "/api/incidents/{incident_id}"
    assert found["cityeye_hub_requests_total", "GET", one, "4xx"] == 1
    assert found["cityeye_hub_route_seconds_count", "POST", "/api/events"] == 3
    assert found["process_resident_memory_bytes",] > 0


def test_no_caller_makes_series(hub: Client) -> None:
    def ask(numbers: range) -> int:
        for number in numbers:
            hub.get(f"/api/incidents/{number}")
            hub.get(f"/api/keyframes/{number}.jpg")
            hub.get(f"/api/nothing/{number}")
            hub.http.request("BREW", f"{hub.url}/api/{number}")
            hub.post(camera_state(f"cam-{number}", f"state_{number}"))
        return len(samples(hub))

    ask(range(1))
    assert ask(range(1, 3)) == ask(range(3, 12))
