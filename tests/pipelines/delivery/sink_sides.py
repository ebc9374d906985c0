"""Servers of every kind that events go to, what can happen to them, and an outbox before them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from benchmarks.kafka_cluster import KafkaCluster
from camera_adapters.backoff import BackoffPolicy
from pipelines.delivery.courier import Courier, RetryPolicy
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.sinks.kafka import KafkaSinkSettings
from pipelines.delivery.sinks.mqtt import MqttSinkSettings
from pipelines.delivery.sinks.sink import SinkSettings
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.mosquitto import ReadBroker
from tests.pipelines.delivery.outboxes import Edge, life

FAST = RetryPolicy(backoff=BackoffPolicy(first_s=0.05, cap_s=0.2))
WAIT_S = 40.0
CAMERAS = ("gate", "north", "south & co/2")


class OtherSide(Protocol):
    """A server that events go to, and what can happen to it."""

    def settings(self, deadline_s: float = 10.0) -> SinkSettings: ...

    def received(self) -> list[dict[str, Any]]:
        """Every event that it has, of one source in the order in which it has them."""

    def kill(self) -> None: ...

    def restart(self) -> None: ...

    def stall(self) -> None:
        """It stays there and answers nothing."""

    def go_on(self) -> None: ...

    def refuse(self) -> None:
        """It answers no to everything."""

    def accept(self) -> None: ...

    def close(self) -> None: ...


class HttpSide:
    def __init__(self) -> None:
        self.receiver = Receiver()

    def settings(self, deadline_s: float = 10.0) -> SinkSettings:
        return HttpSinkSettings(url=self.receiver.url, deadline_s=deadline_s)

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.receiver.accepted]

    def kill(self) -> None:
        self.receiver.close()

    def restart(self) -> None:
        self.receiver.listen()

    def stall(self) -> None:
        stalled = threading.Event()
        self.receiver.delay = stalled
        # What was asked meanwhile has lost its caller: no answer of it may count as success.
        self.receiver.answers = lambda _: stalled.wait(WAIT_S)

    def go_on(self) -> None:
        if self.receiver.delay is not None:
            self.receiver.delay.set()
        self.receiver.delay = self.receiver.answers = None

    def refuse(self) -> None:
        self.receiver.status = 400

    def accept(self) -> None:
        self.receiver.status = 204

    def close(self) -> None:
        self.receiver.close()


class KafkaSide:
    def __init__(self) -> None:
        self.cluster = KafkaCluster()

    def settings(self, deadline_s: float = 10.0) -> SinkSettings:
        return KafkaSinkSettings(url=self.cluster.url, deadline_s=deadline_s)

    def received(self) -> list[dict[str, Any]]:
        messages = self.cluster.messages()
        events = [json.loads(value) for _, value, _ in messages]
        assert [event["source"].encode() for event in events] == [key for key, _, _ in messages]
        return events

    def kill(self) -> None:
        self.cluster.down()

    def restart(self) -> None:
        self.cluster.up()

    def stall(self) -> None:
        self.cluster.delay(30_000)

    def go_on(self) -> None:
        self.cluster.hurry()

    def refuse(self) -> None:
        self.cluster.refuse(10_000)

    def accept(self) -> None:
        self.cluster.accept()

    def close(self) -> None:
        self.cluster.close()


class MqttSide:
    def __init__(self, folder: Path) -> None:
        self.broker = ReadBroker(folder)

    def settings(self, deadline_s: float = 10.0) -> SinkSettings:
        return MqttSinkSettings(url=self.broker.url, username="writer", deadline_s=deadline_s)

    def received(self) -> list[dict[str, Any]]:
        self.broker.settle()
        events = [json.loads(one.payload) for one in self.broker.messages]
        assert [event["source"] for event in events] == [one.topic for one in self.broker.messages]
        return events

    def kill(self) -> None:
        self.broker.settle()
        self.broker.kill()

    def restart(self) -> None:
        self.broker.start()

    def stall(self) -> None:
        self.broker.freeze()

    def go_on(self) -> None:
        self.broker.thaw()

    def refuse(self) -> None:
        self.broker.refuse()

    def accept(self) -> None:
        self.broker.accept()

    def close(self) -> None:
        self.broker.close()


class World:
    """An outbox, a sink of one kind, and the other side."""

    def __init__(self, folder: Path, side: OtherSide) -> None:
        self.side = side
        self.edge = Edge(folder)
        self.names: list[str] = []

    def publish(self, count: int = 1) -> None:
        for _ in range(count):
            self.names.append(f"i-{len(self.names)}")
            for camera in CAMERAS:
                self.edge.publish(*life(f"{camera} {self.names[-1]}", camera), value=None)

    def courier(self, deadline_s: float = 10.0) -> Courier:
        sink = self.side.settings(deadline_s).open()
        self.edge.outbox.deliveries.register([sink.name])
        return Courier(sink, self.edge.outbox.deliveries, 0.0, FAST)

    def run(self, courier: Courier, until: Callable[[], bool] | None = None) -> None:
        """Delivers until everything is, or something else is so."""
        over_s = time.monotonic() + WAIT_S
        done = until or self.edge.outbox.deliveries.idle
        while not done():
            assert time.monotonic() < over_s, courier.watch.state("").trouble
            time.sleep(min(0.1, courier.round() or 0.0))

    def check(self) -> None:
        """Everything is there, in order per camera, whatever was sent twice."""
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for event in self.side.received():
            fact = event["data"]["incident_id"], event["data"]["phase"]
            found.setdefault(event["partitionkey"], {}).setdefault(event["id"], fact)
        assert {camera: list(events.values()) for camera, events in found.items()} == {
            camera: [
                (f"{camera} {name}", phase)
                for name in self.names
                for phase in ("started", "updated", "ended")
            ]
            for camera in CAMERAS
        }
        assert self.edge.outbox.deliveries.dead.listed() == []
