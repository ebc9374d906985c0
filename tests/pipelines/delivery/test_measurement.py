"""Measurements leave by the same road as incidents: outbox, sink, hub."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path

import urllib3

from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from pipelines.access import TokenFile
from pipelines.coverage import Coverage
from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.incident import Measurement
from tests.event_hub.thread import HubThread
from tests.pipelines.delivery.outboxes import MODEL, OPENED, Edge, camera, http_sink, life, offline
from tests.pipelines.delivery.test_outbox import SINK, drain

RULE = ("traffic.flow", "1")
SEEN = Coverage(60.0, 58.0, 50.0, {"covered": 8.0, "offline": 2.0})


def measure(edge: Edge, minute: int = 0, value: float = 12.0) -> None:
    begin = OPENED + timedelta(minutes=minute)
    detail = {"cars": 9.0, "headway_s": math.inf}
    period = (begin, begin + timedelta(minutes=1))
    measured = Measurement("traffic.flow", "gate", *period, value, "1/min", "north", detail=detail)
    edge.recorder.publish_measurement(measured, "traffic", SEEN, camera(), MODEL, RULE)


def test_a_measurement_is_an_event_of_its_own_kind(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    edge.outbox.deliveries.register([SINK])
    measure(edge)
    measure(edge)
    measure(edge, minute=1)
    measure(edge, minute=2, value=math.nan)
    first, second = drain(edge)
    assert (first["type"], first["subject"]) == ("cityeye.measurement", "gate/traffic/north")
    assert (first["data"]["value"], first["data"]["unit"]) == (12.0, "1/min")
    assert first["data"]["detail"] == {"cars": 9.0}
    assert (first["data"]["task"], first["data"]["zone"]) == ("traffic", "north")
    assert first["data"]["coverage"] == {
        "requested_s": 60.0, "watched_s": 58.0, "able_s": 50.0,
        "gaps": {"covered": 8.0, "offline": 2.0},
    }  # fmt: skip
    assert first["data"]["ends_at"] == second["data"]["begins_at"] == "2026-03-04T05:07:07Z"
    assert first["data"]["rule"] == {"name": "traffic.flow", "version": "1"}
    assert first["sequence"] < second["sequence"]
    edge.close()


def test_measurements_are_shed_before_anything_else(tmp_path: Path) -> None:
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", OutboxLimits(max_events=4)))
    edge.outbox.deliveries.register([SINK])
    measure(edge)
    edge.publish(*life(), value=None)
    measure(edge, minute=1)
    edge.recorder.publish_state(offline(), camera())
    kinds = [event["type"] for event in drain(edge)]
    assert len(kinds) == 4
    assert "cityeye.measurement" not in kinds
    edge.close()


def test_the_hub_stores_measurements_and_passes_them_on(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    access = tmp_path / "access"
    settings = HubSettings(database=f"sqlite:///{tmp_path}/hub.db", console=False, access=access)
    with HubThread(settings, FolderKeyframes(tmp_path)) as hub:
        token = TokenFile(access).first()
        sink = http_sink(f"{hub.url}/api/events", token=token)
        relay = Relay(edge.outbox, edge.spool, edge.store, [sink])
        relay.start()
        measure(edge)
        edge.publish(*life()[:1], value=None)
        relay.stop(drain_s=20.0)
        assert relay.counters.events_delivered == 2
        headers = {"Authorization": f"Bearer {token}"}
        answer = urllib3.request("GET", f"{hub.url}/api/events", headers=headers)
    measured, started = (one["event"] for one in json.loads(answer.data)["events"])
    assert measured["data"]["value"] == 12.0
    assert started["type"] == "cityeye.incident.started"
    edge.close()
